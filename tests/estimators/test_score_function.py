"""grad E[f] = E[f grad log p]: closed forms, hard functions, and sums in blocks.

Unit cases after Mohamed et al. (2020) and deepmind/mc_gradients. Sample sizes make the stated
tolerances at least five standard errors wide.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from small_policies import Affine
from small_worlds import Clock
from upslope.estimators import score_function_gradient, surrogate
from upslope.estimators.expectation.blockwise import blockwise_sum
from upslope.estimators.trajectory.weighted_scores import rowwise_gradient, whole_gradient
from upslope.sampling.episodes import sample_episodes

COUNT = 1_000_000
PARAMETERS = (jnp.asarray(1.0), jnp.asarray(0.0))  # mean, log scale


def normal_log_prob(parameters, x):
    mean, log_scale = parameters
    return -0.5 * jnp.square((x - mean) / jnp.exp(log_scale)) - log_scale


@pytest.fixture(scope="module")
def draws():
    return 1.0 + jax.random.normal(jax.random.key(0), (COUNT,))


GRADIENT = jax.jit(
    lambda x, weights: score_function_gradient(normal_log_prob, PARAMETERS, x, weights)
)


@pytest.mark.parametrize(
    ("f", "exact", "atol"),
    [
        (lambda x: np.ones_like(x), (0.0, 0.0), 8e-3),
        (lambda x: x, (1.0, 0.0), 2e-2),
        (lambda x: x**2, (2.0, 2.0), 5e-2),
        (lambda x: (x > 1.5).astype(x.dtype), (0.35206533, 0.17603266), 8e-3),
    ],
    ids=["constant", "linear", "square", "discontinuous"],
)
def test_normal_closed_forms(draws, f, exact, atol):
    """The last one: d/dm P(x > c) = phi((c - m) / s) / s; a pathwise gradient would say 0."""
    got = GRADIENT(draws, jnp.asarray(f(np.asarray(draws))) / COUNT)
    np.testing.assert_allclose(got, exact, atol=atol)


def test_a_black_box_gives_the_same_estimate(draws):
    """f is called outside of JAX, on one number at a time."""
    few = draws[:500]

    def box(x):
        return float(sorted([x, 2.0])[0] ** 2)  # plain Python

    boxed = jnp.asarray([box(float(x)) for x in few]) / 500
    inside = jnp.minimum(few, 2.0) ** 2 / 500
    np.testing.assert_allclose(GRADIENT(few, boxed), GRADIENT(few, inside), rtol=1e-4, atol=1e-6)


def test_bernoulli_exactly_by_enumeration():
    """f(b) = (b - t)^2 on {0, 1}: gradient 1 - 2t, the toy of REBAR, without any sampling."""
    t, theta = 0.499, jnp.asarray(0.3)
    outcomes = jnp.asarray([0.0, 1.0])
    probability = jnp.stack([1 - theta, theta])

    def log_prob(theta, b):
        return b * jnp.log(theta) + (1 - b) * jnp.log1p(-theta)

    weights = probability * jnp.square(outcomes - t)
    got = score_function_gradient(log_prob, theta, outcomes, weights)
    np.testing.assert_allclose(got, 1 - 2 * t, atol=1e-6)


def test_variance_of_the_estimator(draws):
    """m^4/s^2 + 14 m^2 + 15 s^2 = 30 for f = x^2 at m = s = 1."""
    x = np.asarray(draws, np.float64)
    single = x**2 * (x - 1)
    np.testing.assert_allclose(single.var(), 30.0, rtol=0.05)
    got = GRADIENT(draws, jnp.asarray(x**2, jnp.float32) / COUNT)[0]
    np.testing.assert_allclose(got, single.mean(), rtol=1e-3)


def test_no_gradient_flows_into_the_weights():
    """f may depend on the parameters: only the density is differentiated."""

    def weighted(m):
        return surrogate(normal_log_prob((m, 0.0), 2.0), m**3)

    np.testing.assert_allclose(jax.grad(weighted)(1.0), 1.0 * (2.0 - 1.0))


def test_a_weight_of_zero_silences_an_impossible_sample():
    value = surrogate(jnp.asarray([-jnp.inf, -1.0]), jnp.asarray([0.0, 2.0]))
    assert float(value) == -2.0
    assert not np.isfinite(surrogate(jnp.asarray([-jnp.inf]), jnp.asarray([1.0])))


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 10])
@pytest.mark.parametrize("block", [1, 4, 1024])
def test_blockwise_sum_is_the_plain_sum(x64, count, block):
    rng = np.random.default_rng(count)
    x = jnp.asarray(rng.normal(size=(10, 2)))
    valid = np.zeros(10, bool)
    valid[rng.permutation(10)[:count]] = True

    def summand(rows, valid):
        return {"sum": jnp.sum(jnp.where(valid[:, None], rows, 0.0), axis=0), "n": jnp.sum(valid)}

    got = blockwise_sum(summand, x, jnp.asarray(valid), block)
    np.testing.assert_allclose(got["sum"], np.asarray(x)[valid].sum(axis=0), atol=1e-14)
    assert int(got["n"]) == count


def test_blockwise_sum_side_by_side():
    """Rows of a batch with different counts do not disturb each other."""
    x = jnp.arange(24.0).reshape(3, 8)
    valid = jnp.arange(8)[None] < jnp.asarray([[1], [8], [0]])
    summand = lambda rows, valid: jnp.sum(jnp.where(valid, rows, 0.0))  # noqa: E731
    got = jax.vmap(lambda x, v: blockwise_sum(summand, x, v, 3))(x, valid)
    np.testing.assert_array_equal(got, [0.0, sum(range(8, 16)), 0.0])


@pytest.mark.slow
def test_rowwise_gradient_is_the_whole_gradient(x64):
    policy = Affine(0.05 * jax.random.normal(jax.random.key(0), (2, 2)), jnp.zeros(2))
    episodes, _ = sample_episodes(jax.random.key(1), Clock(end=12.0), policy, 6, 7)
    assert not bool(episodes.valid.all())
    weight = jax.random.normal(jax.random.key(2), episodes.reward.shape)
    whole, entropy = whole_gradient(policy, episodes, weight)
    rows, row_entropy = rowwise_gradient(policy, episodes, weight)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12), whole, rows)
    np.testing.assert_allclose(entropy, row_entropy, rtol=1e-10)
    assert float(jnp.abs(whole.weights).max()) > 0.1


def test_a_sample_of_probability_zero_has_no_score():
    """NaN where it has a weight, silence where it has none."""
    logits = jnp.array([0.0, -jnp.inf])

    def loss(logits, weight):
        return surrogate(jax.nn.log_softmax(logits), weight)

    gradient = jax.grad(loss)
    assert np.isnan(np.asarray(gradient(logits, jnp.array([0.0, 1.0])))).all()
    assert np.isfinite(np.asarray(gradient(logits, jnp.array([1.0, 0.0])))).all()
