"""OpenAI's evolution strategy: ranks, gradient and shared seeds, exactly."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from small_policies import Affine
from small_searches import first_state, maximize, told
from upslope.core.checks import UpslopeError
from upslope.core.moments import Moments
from upslope.estimators import SmoothedScore
from upslope.estimators.expectation.smoothed_score import centred_ranks
from upslope.policies.normalized import NormalizedPolicy
from upslope.search import OpenAIES
from upslope.search.evolution.population_scores import shaped
from upslope.search.gradient.optimizer import OPTIMIZERS, ascent_transform


def test_centred_ranks_are_the_published_ones(x64):
    returns = jnp.asarray([3.0, 10.0, -2.0, 7.0])
    expected = [-1 / 6, 1 / 2, -1 / 2, 1 / 6]
    np.testing.assert_allclose(shaped(returns, "ranks"), expected, atol=1e-15)
    np.testing.assert_allclose(centred_ranks(returns), expected, atol=1e-15)


def test_equal_returns_share_their_rank(x64):
    np.testing.assert_allclose(
        shaped(jnp.asarray([1.0, 2.0, 2.0, 3.0]), "ranks"), [-0.5, 0, 0, 0.5], atol=1e-15
    )
    np.testing.assert_array_equal(shaped(jnp.ones(6), "ranks"), np.zeros(6))
    assert np.abs(centred_ranks(jnp.ones(6))).max() == 0.5  # which would drift on a plateau


def test_gradient_of_one_mirrored_pair(x64):
    """F = -(x - 1)^2 at 0 with eps = +-1 and sigma = 0.1: exactly 2, which is dF/dx."""
    method = OpenAIES(2, std=0.1, shaping="returns")
    noise = jnp.asarray([[1.0], [-1.0]])
    returns = -((0.1 * noise[:, 0] - 1) ** 2)
    np.testing.assert_allclose(method.gradient(noise, returns), [2.0], rtol=1e-12)
    ranked = OpenAIES(2, std=0.1).gradient(noise, returns)  # (0.5 - -0.5) * 1 / 2, no 1 / sigma
    np.testing.assert_allclose(ranked, [0.5], rtol=1e-12)


def test_gradient_is_the_generic_estimators(x64):
    theta = jnp.asarray([0.3, -0.2, 1.0])
    f = lambda x: jnp.sin(x[0]) + x[1] * x[2] ** 2  # noqa: E731
    method = OpenAIES(8, std=0.1, shaping="returns")
    asked = method.ask(jax.random.key(0), first_state(method, theta))
    returns = jax.vmap(f)(asked)
    generic = SmoothedScore(8, 0.1).slope(theta, asked, returns)
    noise = (asked - theta[None]) / 0.1
    np.testing.assert_allclose(method.gradient(noise, returns), generic, rtol=1e-10)


@pytest.mark.parametrize("optimizer", [optax.adam, optax.sgd])
def test_the_released_update(optimizer, x64):
    """A step on sum (rank+ - rank-) eps / P - l2 theta, by hand."""
    name = optimizer.__name__
    method = OpenAIES(6, std=0.05, learning_rate=0.01, weight_decay=0.005, optimizer=name)
    theta = jnp.asarray([0.3, -0.2])
    state = first_state(method, theta)
    asked = np.asarray(method.ask(jax.random.key(1), state))
    returns = np.array([3.0, 1.0, 2.0, -1.0, 5.0, 0.0])
    new, _ = told(method, state, jnp.asarray(asked), returns)
    noise = (asked[:3] - np.asarray(theta)) / 0.05
    ranks = np.argsort(np.argsort(returns)) / 5 - 0.5
    gradient = (ranks[:3] - ranks[3:]) @ noise / 6 - 0.005 * np.asarray(theta)
    chain = optimizer(0.01)
    step, _ = chain.update(-jnp.asarray(gradient), chain.init(theta))
    np.testing.assert_allclose(new.policy, theta + step, rtol=1e-8)
    if name == "sgd":  # wrong on purpose: with the paper's 1 / sigma, which the weight decay is not
        divided = gradient + ((ranks[:3] - ranks[3:]) @ noise / 6) * (1 / 0.05 - 1)
        assert np.abs(0.01 * divided - step).max() > 1e-3


class TestSharedSeeds:
    """Every worker knows theta; only seeds and returns travel."""

    def run(self, method, policy, workers, returns_of):
        """Iterations of a crew: each worker evaluates its share and computes the update alone."""
        states = [first_state(method, policy) for _ in range(workers)]
        tell = jax.jit(method.tell_seeds)
        for iteration in range(4):
            seeds = method.seeds(jax.random.key(iteration))
            ups, downs = [], []
            for worker, share in enumerate(np.array_split(np.asarray(seeds), workers)):
                asked = method.candidates(states[worker], jnp.asarray(share))
                values = returns_of(asked)
                ups.append(values[: len(share)])
                downs.append(values[len(share) :])
            returns = jnp.concatenate([*ups, *downs])
            states = [tell(state, seeds, returns)[0] for state in states]
        return states

    @pytest.mark.slow
    def test_all_workers_are_bit_identical(self):
        policy = Affine.zeros(2, 3)
        value = lambda x: -jnp.sum((x.weights - 1) ** 2, axis=(1, 2)) - jnp.sum(x.bias**2, axis=1)  # noqa: E731
        states = self.run(OpenAIES(12, std=0.1), policy, 3, value)
        for state in states[1:]:
            jax.tree.map(np.testing.assert_array_equal, states[0], state)
        alone = self.run(OpenAIES(12, std=0.1), policy, 1, value)[0]
        jax.tree.map(np.testing.assert_array_equal, states[0], alone)
        assert np.abs(alone.policy.weights).max() > 0.01

    def test_it_is_what_tell_does_with_the_candidates(self, x64):
        method = OpenAIES(8, std=0.1, optimizer="sgd")
        state = first_state(method, jnp.ones(4))
        key = jax.random.key(3)
        asked, seeds = method.ask(key, state), method.seeds(key)
        np.testing.assert_array_equal(asked, method.candidates(state, seeds))
        returns = -jnp.sum(asked**2, axis=1)
        one, two = told(method, state, asked, returns), method.tell_seeds(state, seeds, returns)
        np.testing.assert_allclose(one[0].policy, two[0].policy, rtol=1e-12)
        wrong = method.tell_seeds(state, seeds + 1, returns)
        assert np.abs(np.asarray(wrong[0].policy - two[0].policy)).max() > 1e-4

    @pytest.mark.slow
    def test_a_forgotten_return_is_refused(self):
        method = OpenAIES(8)
        state, seeds = first_state(method, jnp.ones(4)), method.seeds(jax.random.key(0))
        with pytest.raises(UpslopeError, match="7 returns for 4 seeds: it needs 8"):
            method.tell_seeds(state, seeds, jnp.ones(7))

    @pytest.mark.slow
    def test_moments_travel_too(self):
        policy = NormalizedPolicy(Affine.zeros(2, 3), Moments.zeros((3,)))
        method = OpenAIES(4)
        state = first_state(method, policy)
        seen = Moments.of(jnp.arange(12.0).reshape(4, 3))
        new, _ = method.tell_seeds(state, method.seeds(jax.random.key(0)), jnp.arange(4.0), seen)
        np.testing.assert_allclose(new.policy.moments.mean, [4.5, 5.5, 6.5])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_climbs(name):
    optimizer = ascent_transform(name)
    theta = jnp.asarray([1.0, -2.0])
    state = optimizer.init(theta)
    for _ in range(60):
        step, state = optimizer.update(-2 * theta, state, theta)
        theta = theta + 0.05 * step
    assert float(jnp.sum(theta**2)) < 4.5


def test_it_finds_an_optimum():
    start = jnp.zeros(5)
    method = OpenAIES(32, std=0.1, learning_rate=0.05, weight_decay=0.0)
    state, seen = maximize(method, lambda x: -jnp.sum((x - 1) ** 2), start, 150)
    np.testing.assert_allclose(method.solution(state), 1.0, atol=0.1)
    assert float(seen.flat.sum()) == 0


@pytest.mark.parametrize("shaping", ["ranks", "standardized", "returns"])
def test_a_flat_objective_says_so_and_stays(shaping):
    method = OpenAIES(8, weight_decay=0.0, shaping=shaping)
    state, seen = maximize(method, lambda x: 0 * x[0] + 3, jnp.ones(3), 5)
    np.testing.assert_allclose(state.policy, 1.0, atol=0.1 if shaping == "returns" else 0)
    np.testing.assert_array_equal(seen.flat, 1)


def test_nan_counts_as_the_worst():
    method = OpenAIES(4, weight_decay=0.0)
    state = first_state(method, jnp.ones(3))
    asked = method.ask(jax.random.key(0), state)
    bad = told(method, state, asked, jnp.asarray([1.0, jnp.nan, 3.0, 2.0]))[0].policy
    worst = told(method, state, asked, jnp.asarray([1.0, 1.0, 3.0, 2.0]))[0].policy
    np.testing.assert_array_equal(bad, worst)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: OpenAIES(7), "population_size=7.*pairs.*6 or 8"),
        (lambda: OpenAIES(1, mirrored=False), "population_size=1"),
        (lambda: OpenAIES(optimizer="adm"), "optimizer='adm'.*'adam'"),
        (lambda: OpenAIES(shaping="rank"), "shaping='rank'.*'ranks'"),
        (lambda: OpenAIES(weight_decay=-1.0), "weight_decay=-1.0"),
    ],
)
def test_what_cannot_be_meant_is_refused(make, match):
    with pytest.raises(UpslopeError, match=match):
        make()


def test_an_odd_population_is_fine_unmirrored():
    assert OpenAIES(7, mirrored=False).n_seeds == 7
