"""Estimators of grad E[f] against closed forms, with wrong variants that the same test catches."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.checks import UpslopeError
from upslope.core.distributions import Bernoulli, Categorical, DiagonalGaussian
from upslope.estimators import (
    CONTROL_VARIATES,
    AntitheticScoreFunction,
    BiasStatement,
    ConstantControlVariate,
    LeaveOneOutControlVariate,
    MeasureValued,
    NoControlVariate,
    OnHost,
    OptimalControlVariate,
    Pathwise,
    PlugInOptimalControlVariate,
    ScoreFunction,
    score_arrows,
)
from upslope.estimators.expectation.density import scores
from z_test import largest_z, matrix, unbiased

NORMAL = (jnp.asarray(1.0), jnp.asarray(0.0))  # mean and log standard deviation


def normal(parameters):
    mean, log_std = parameters
    return DiagonalGaussian(mean[None], log_std[None])


def square(x):
    return jnp.sum(jnp.square(x))


def rows_of(estimator, distribution_of, parameters, f, seed=0):
    return jax.jit(lambda key: estimator.per_sample(key, distribution_of, parameters, f))(
        jax.random.key(seed)
    )


# E[x^2] = m^2 + s^2: the gradient in (m, log s) is (2 m, 2 s^2).


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "variance"),
    [
        (ScoreFunction(200_000, NoControlVariate()), 30.0),  # m^4/s^2 + 14 m^2 + 15 s^2
        (ScoreFunction(200_000, ConstantControlVariate(4.0)), 14.0),  # b* = m^2 + 3 s^2
        (ScoreFunction(200_000, LeaveOneOutControlVariate()), 18.0),
        (ScoreFunction(200_000, OptimalControlVariate()), 14.0),
        (AntitheticScoreFunction(200_000), 8.0),  # (2 m e^2 / s)^2 less its mean
        (Pathwise(100_000), 4.0),  # 4 s^2
        (MeasureValued(50_000), None),
    ],
    ids=["none", "constant", "leave-one-out", "optimal", "antithetic", "pathwise", "measure"],
)
def test_the_square_of_a_normal(estimator, variance):
    assert estimator.declaration.unbiased
    rows = rows_of(estimator, normal, NORMAL, square)
    assert unbiased(rows, (2.0, 2.0))
    if variance is not None:
        np.testing.assert_allclose(np.var(np.asarray(rows[0])), variance, rtol=0.05)


def test_the_verdict_catches_wrong_gradients():
    """A score that forgets the -1 of the log standard deviation; f off by 5 %."""
    rows = rows_of(ScoreFunction(200_000, NoControlVariate()), normal, NORMAL, square)
    assert not unbiased((1.05 * rows[0], rows[1]), (2.0, 2.0))
    x = 1.0 + np.random.default_rng(0).normal(size=200_000)
    assert not unbiased((x**2 * (x - 1), x**2 * (x - 1) ** 2), (2.0, 2.0))


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTROL_VARIATES)
def test_few_samples_show_the_bias_that_is_declared(name):
    """Three samples an estimate: what is made of the other samples keeps its mean, what is made of
    all of them does not."""
    estimator = ScoreFunction(3, CONTROL_VARIATES[name]())
    keys = jax.random.split(jax.random.key(1), 100_000)
    rows = jax.jit(jax.vmap(lambda key: estimator.estimate(key, normal, NORMAL, square)))(keys)
    assert unbiased(rows, (2.0, 2.0)) == estimator.declaration.unbiased
    assert unbiased(rows, (2.0, 2.0)) == (name != PlugInOptimalControlVariate.name)


@pytest.mark.slow
def test_no_constant_has_less_variance_than_the_optimal_one():
    key = jax.random.key(0)
    samples = jax.jit(jax.vmap(normal(NORMAL).sample))(jax.random.split(key, 20_000))
    values = np.square(samples[:, 0])
    rows = jax.jit(
        lambda control: ScoreFunction(1, control).of_samples(normal, NORMAL, samples, values)
    )
    of = lambda control: matrix(rows(control)).var(axis=0)  # noqa: E731
    least = of(PlugInOptimalControlVariate())
    for b in np.linspace(-5.0, 10.0, 50):
        # In the sample, up to the difference between a variance and a second moment.
        assert (of(ConstantControlVariate(float(b))) > least - 0.02).all()


@pytest.mark.slow
def test_one_sample_has_no_others_to_learn_from():
    for control in (LeaveOneOutControlVariate(), OptimalControlVariate()):
        alone = ScoreFunction(1, control).estimate(jax.random.key(3), normal, NORMAL, square)
        plain = ScoreFunction(1, NoControlVariate()).estimate(
            jax.random.key(3), normal, NORMAL, square
        )
        np.testing.assert_allclose(alone, plain, rtol=1e-6)


# Hard functions, three ways.


def step(x):
    return jnp.where(x[0] > 1.5, 1.0, 0.0)


@pytest.mark.parametrize(
    "estimator",
    [ScoreFunction(100_000), AntitheticScoreFunction(100_000), MeasureValued(100_000)],
    ids=["score", "antithetic", "measure"],
)
def test_a_discontinuous_function(estimator):
    """d/dm P(x > c) = phi((c - m) / s) / s, and c - m of it in log s."""
    assert unbiased(rows_of(estimator, normal, NORMAL, step), (0.35206533, 0.17603266))


def test_the_path_does_not_see_a_jump():
    rows = rows_of(Pathwise(1000), normal, NORMAL, step)
    np.testing.assert_array_equal(matrix(rows), 0.0)


def boxed(x):
    """Plain Python that JAX cannot trace."""
    return sorted([float(x[0]), 1.5])[0] ** 2


@pytest.mark.slow
@pytest.mark.parametrize("f", [boxed, OnHost(boxed)], ids=["recognised", "marked"])
@pytest.mark.parametrize(
    "estimator", [ScoreFunction(64), AntitheticScoreFunction(32), MeasureValued(16)]
)
def test_a_black_box_gives_the_same_estimate(estimator, f):
    traced = lambda x: jnp.square(jnp.minimum(x[0], 1.5))  # noqa: E731
    key = jax.random.key(0)
    want = jax.jit(lambda key: estimator.estimate(key, normal, NORMAL, traced))(key)
    np.testing.assert_allclose(estimator.estimate(key, normal, NORMAL, f), want, rtol=1e-5)
    jitted = jax.jit(lambda key: estimator.estimate(key, normal, NORMAL, f))(key)
    np.testing.assert_allclose(jitted, want, rtol=1e-5)


@pytest.mark.slow
def test_a_marked_function_is_called_for_every_sample():
    """One that draws its own noise would be frozen by tracing."""
    rng = np.random.default_rng(0)
    calls = []

    def noisy(x):
        calls.append(x)
        return 1.0 + rng.normal()

    ScoreFunction(50).estimate(jax.random.key(0), normal, NORMAL, OnHost(noisy))
    assert len(calls) == 50
    assert isinstance(calls[0], np.ndarray)


def switch(theta):
    return Bernoulli(jnp.log(theta) - jnp.log1p(-theta))


def test_a_discrete_space():
    """f(b) = (b - t)^2: gradient 1 - 2 t."""
    theta, t = jnp.asarray(0.3), 0.2
    f = lambda b: jnp.square(b.astype(float) - t)  # noqa: E731
    assert unbiased(rows_of(ScoreFunction(100_000), switch, theta, f), 1 - 2 * t)
    np.testing.assert_allclose(rows_of(MeasureValued(2), switch, theta, f), 1 - 2 * t, rtol=1e-6)


def test_several_switches_and_a_chain_rule():
    """E[b0 b1 + b1] = p0 p1 + p1 with p = sigmoid(2 theta)."""
    distribution_of = lambda theta: Bernoulli(2.0 * theta)  # noqa: E731
    theta = jnp.asarray([0.3, -0.4])
    f = lambda b: (b[0] * b[1] + b[1]).astype(float)  # noqa: E731

    def expectation(theta):
        p = jax.nn.sigmoid(2.0 * theta)
        return p[0] * p[1] + p[1]

    exact = jax.grad(expectation)(theta)
    assert unbiased(rows_of(MeasureValued(20_000), distribution_of, theta, f), exact)
    assert unbiased(rows_of(ScoreFunction(100_000), distribution_of, theta, f), exact)


def test_a_gaussian_in_two_dimensions():
    """E[x0^2 x1] with means m and scales s: (m0^2 + s0^2) m1."""
    parameters = (jnp.asarray([1.0, 0.5]), jnp.asarray([-0.5, 0.2]))
    f = lambda x: jnp.square(x[0]) * x[1]  # noqa: E731
    exact = jax.grad(lambda p: (p[0][0] ** 2 + jnp.exp(2 * p[1][0])) * p[0][1])(parameters)
    rows = rows_of(MeasureValued(100_000), lambda p: DiagonalGaussian(*p), parameters, f)
    assert unbiased(rows, exact)


@pytest.mark.slow
def test_categorical_measure_valued_is_exact_and_leaves_masked_actions_alone(x64):
    table = jnp.asarray([1.0, 5.0, -2.0, jnp.nan])
    mask = jnp.asarray([True, True, True, False])
    logits = jnp.asarray([0.3, -0.5, 1.0, 0.0])
    exact = jax.grad(lambda h: jnp.sum(jax.nn.softmax(h[:3]) * table[:3]))(logits)
    rows = MeasureValued(2).per_sample(
        jax.random.key(0), lambda h: Categorical(h, mask), logits, lambda a: table[a]
    )
    np.testing.assert_allclose(rows, jnp.stack([exact, exact]), atol=1e-12)


# The score itself.


@pytest.mark.slow
def test_the_mean_score_is_zero_and_its_spread_the_fisher_matrix(x64):
    """E[S] = 0 and E[S S'] = -E[Hessian of log p], by enumeration."""
    logits = jnp.asarray([0.3, -0.5, 1.0])
    p = jax.nn.softmax(logits)
    s = scores("test", Categorical, logits, jnp.arange(3))
    np.testing.assert_allclose(p @ s, 0.0, atol=1e-15)
    fisher = jnp.einsum("i,ij,ik->jk", p, s, s)
    hessians = jax.vmap(lambda a: jax.hessian(lambda h: Categorical(h).log_prob(a))(logits))(
        jnp.arange(3)
    )
    np.testing.assert_allclose(fisher, -jnp.einsum("i,ijk->jk", p, hessians), atol=1e-14)
    np.testing.assert_allclose(fisher, jnp.diag(p) - jnp.outer(p, p), atol=1e-14)


@pytest.mark.slow
def test_arrows_point_where_f_is_good():
    x = 1.0 + jax.random.normal(jax.random.key(0), (200, 1))
    f = lambda x: jnp.sin(3.0 * x[0])  # noqa: E731
    arrows = score_arrows(normal, NORMAL, x, f)[0]
    values = jax.vmap(f)(x)
    np.testing.assert_array_equal(jnp.sign(arrows), jnp.sign(values * (x[:, 0] - 1.0)))


@pytest.mark.slow
def test_a_small_step_moves_the_density_as_the_scores_say(x64):
    parameters = jnp.asarray([1.0, 0.0])
    of = lambda p: DiagonalGaussian(p[:1], p[1:])  # noqa: E731
    x = 1.0 + jax.random.normal(jax.random.key(0), (50, 1))
    positive = lambda x: jnp.where(x[0] > 1.2, 1.0, 0.0)  # noqa: E731
    g = jnp.mean(score_arrows(of, parameters, x, positive), axis=0)
    s = scores("test", of, parameters, x)
    log_prob = lambda p: jax.vmap(lambda x: of(p).log_prob(x))(x)  # noqa: E731
    moved = lambda eps: log_prob(parameters + eps * g) - log_prob(parameters)  # noqa: E731
    np.testing.assert_allclose(moved(1e-5), 1e-5 * s @ g, atol=1e-9)
    above = lambda p: 1 - jax.scipy.stats.norm.cdf((1.2 - p[0]) / jnp.exp(p[1]))  # noqa: E731
    assert above(parameters + 0.1 * g) > above(parameters)


# Distributions of others.


class Seeded:
    """In the style of distrax and TensorFlow Probability; not a pytree."""

    def __init__(self, mean):
        self.mean = mean

    def sample(self, sample_shape=(), seed=None):
        return self.mean + jax.random.normal(seed, (2,))

    def log_prob(self, value):
        return -0.5 * jnp.square(value - self.mean)  # a batch of independent components


def test_a_foreign_distribution():
    f = lambda x: jnp.sum(x) + x[0] * x[1]  # noqa: E731
    rows = rows_of(ScoreFunction(100_000), Seeded, jnp.asarray([0.5, -1.0]), f)
    assert unbiased(rows, np.asarray([0.0, 1.5]))


def test_numpyro():
    dist: Any = pytest.importorskip("numpyro.distributions")
    of = lambda rate: dist.Poisson(rate)  # noqa: E731
    f = lambda x: jnp.square(x.astype(float))  # noqa: E731  E = rate^2 + rate
    rate = jnp.asarray(2.0)
    assert unbiased(rows_of(ScoreFunction(100_000), of, rate, f), 2 * 2.0 + 1)
    with pytest.raises(UpslopeError, match="Pathwise got a Poisson, which is discrete"):
        Pathwise(2).estimate(jax.random.key(0), of, rate, f)
    gamma = lambda a: dist.Gamma(a, 1.0)  # noqa: E731
    f = lambda x: x * x  # noqa: E731  E = a^2 + a
    assert unbiased(rows_of(Pathwise(50_000), gamma, rate, f), 2 * 2.0 + 1)


# Bad input.


def test_no_samples():
    with pytest.raises(UpslopeError, match="ScoreFunction got n_samples=0"):
        ScoreFunction(0)


@pytest.mark.parametrize(
    "estimator", [ScoreFunction(4), AntitheticScoreFunction(4), Pathwise(4), MeasureValued(4)]
)
def test_not_a_distribution(estimator):
    class Half:
        def sample(self, key):
            return key

    with pytest.raises(UpslopeError, match="Half"):
        estimator.estimate(jax.random.key(0), lambda p: Half(), NORMAL, square)


class Uniform:
    """On [0, width], whose density the code below gets wrong beyond 1."""

    def __init__(self, width):
        self.width = width

    def sample(self, key):
        return 2.0 * jax.random.uniform(key)

    def log_prob(self, value):
        return jnp.where(value <= 1.0, -jnp.log(self.width), -jnp.inf)


def test_a_sample_of_probability_zero_has_no_score():
    width, f = jnp.asarray(1.0), lambda x: x
    with pytest.raises(UpslopeError, match=r"Uniform gives probability zero.*score grad log p"):
        ScoreFunction(20).estimate(jax.random.key(0), Uniform, width, f)
    inside = jax.jit(lambda k: ScoreFunction(20).estimate(k, Uniform, width, f))
    assert np.isnan(inside(jax.random.key(0)))  # traced: loud, if not eloquent


def test_a_function_of_more_than_one_number():
    with pytest.raises(UpslopeError, match="Sum its components"):
        ScoreFunction(2).estimate(jax.random.key(0), normal, NORMAL, lambda x: x)
    with pytest.raises(UpslopeError, match="one number"):
        ScoreFunction(2).estimate(
            jax.random.key(0), normal, NORMAL, OnHost(lambda x: np.stack([x, x]))
        )


def test_where_an_estimator_does_not_exist():
    key, theta = jax.random.key(0), jnp.asarray(0.3)
    with pytest.raises(UpslopeError, match="Pathwise got a Bernoulli, which is discrete"):
        Pathwise(2).estimate(key, switch, theta, lambda b: 1.0 * b)
    with pytest.raises(UpslopeError, match="cannot trace"):
        Pathwise(2).estimate(key, normal, NORMAL, boxed)
    with pytest.raises(UpslopeError, match="not known to be symmetric"):
        AntitheticScoreFunction(2).estimate(key, Categorical, jnp.zeros(3), lambda a: 1.0 * a)
    with pytest.raises(UpslopeError, match="no measure-valued derivative of Uniform"):
        MeasureValued(2).estimate(key, Uniform, theta, lambda x: x)


def test_a_declaration_can_be_read():
    text = str(ScoreFunction(2, PlugInOptimalControlVariate()).declaration)
    assert text.startswith("biased for grad E[f]: each sample is part of its own baseline")
    assert str(BiasStatement("grad J", True, "always")) == "unbiased for grad J: always"
    assert largest_z((np.asarray([1.0, 1.01, 0.99]),), (1.0,)) < 4.5


@pytest.mark.slow
def test_a_callback_under_vmap():
    """The same numbers as one key after another."""
    import random  # plain Python: JAX cannot trace what it does with x

    def on_host(x):
        return float(random.Random(int(x)).random())

    theta = jnp.zeros(3)
    estimator = ScoreFunction(n_samples=20)
    one = lambda key: estimator.estimate(key, Categorical, theta, on_host)  # noqa: E731
    keys = jax.random.split(jax.random.key(0), 3)
    together = jax.vmap(one)(keys)
    for k in range(3):
        np.testing.assert_allclose(together[k], one(keys[k]), rtol=1e-5)
