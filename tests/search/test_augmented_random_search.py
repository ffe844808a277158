"""Augmented random search and PGPE against their papers' equations."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from small_policies import Affine
from small_searches import first_state, maximize, told
from upslope.core.checks import UpslopeError
from upslope.core.moments import Moments
from upslope.environments import CartPole
from upslope.objectives import EpisodicReturn
from upslope.policies.normalized import NormalizedPolicy
from upslope.sampling import JaxSampler
from upslope.search import PGPE, AugmentedRandomSearch, OpenAIES

RETURNS = np.array([3.0, -1.0, 7.0, 2.0, 5.0, 0.5, 1.0, 4.0])  # of 4 pairs: first r+, then r-


@pytest.mark.slow
@pytest.mark.parametrize("used", [4, 2])
def test_the_paper_s_step_by_hand(used, x64):
    """max(r+, r-) is 5, 0.5, 7, 4: the best two are the first and the third."""
    method = AugmentedRandomSearch(8, std=0.1, learning_rate=0.02, n_directions=used)
    theta = np.array([0.5, -1.0, 2.0])
    state = first_state(method, jnp.asarray(theta))
    asked = method.ask(jax.random.key(0), state)
    new, seen = told(method, state, asked, RETURNS)
    delta = (np.asarray(asked)[:4] - theta) / 0.1
    np.testing.assert_allclose(np.asarray(asked)[4:], 2 * theta - np.asarray(asked)[:4], rtol=1e-12)
    kept = [0, 1, 2, 3] if used == 4 else [0, 2]
    up, down = RETURNS[:4][kept], RETURNS[4:][kept]
    spread = np.concatenate([up, down]).std()
    step = 0.02 / (used * spread) * ((up - down) @ delta[kept])
    np.testing.assert_allclose(new.policy, theta + step, rtol=1e-12)
    np.testing.assert_allclose(seen.returns_std, spread, rtol=1e-12)
    if used == 2:  # wrong on purpose: the spread of all returns, not of the 2 b that are kept
        assert abs(RETURNS.std() - spread) > 0.1


def test_a_linear_schedule_ends_at_nothing(x64):
    """After k of n evaluations the step is (1 - k / n) of what it would be: exactly, then zero."""
    constant = AugmentedRandomSearch(8, std=0.1)
    falling = AugmentedRandomSearch(
        8, std=0.1, learning_rate_schedule="linear", total_timesteps=32.0
    )
    states = [first_state(method, jnp.zeros(3)) for method in (constant, falling)]
    for done in (0, 8, 16, 24, 32, 40):
        here = states[1]._replace(policy=states[0].policy)
        asked = constant.ask(jax.random.key(done), here)
        moved = [
            told(method, state, asked, RETURNS)[0]
            for method, state in ((constant, states[0]), (falling, here))
        ]
        whole, part = (new.policy - here.policy for new in moved)
        np.testing.assert_allclose(part, max(0, 1 - done / 32) * whole, rtol=1e-9, atol=1e-15)
        states = moved
    assert int(states[1].steps.value) == 48
    with pytest.raises(UpslopeError, match="learning_rate_schedule='linear' but total_timesteps"):
        AugmentedRandomSearch(8, learning_rate_schedule="linear")


@pytest.mark.slow
def test_without_the_spread_it_is_the_evolution_strategy_s_step(x64):
    """On -(x - c)^2: alpha / N sum (r+ - r-) delta is 2 sigma times g = 1 / (2 N sigma) of it."""
    theta, centre = jnp.asarray([0.5, -1.0]), jnp.asarray([1.0, 2.0])
    ars = AugmentedRandomSearch(8, std=0.1, learning_rate=0.02, divide_by_std=False)
    strategy = OpenAIES(8, std=0.1, shaping="returns")
    asked = ars.ask(jax.random.key(0), first_state(ars, theta))
    returns = -jnp.sum((asked - centre[None]) ** 2, axis=1)
    step = told(ars, first_state(ars, theta), asked, returns)[0].policy - theta
    gradient = strategy.gradient((asked - theta[None]) / 0.1, returns)
    np.testing.assert_allclose(step, 0.02 * 2 * 0.1 * gradient, rtol=1e-9)


@pytest.mark.slow
def test_v2_normalises_by_all_states_visited():
    """The normaliser is numpy's mean and variance of what was seen by all candidates."""
    world, objective = CartPole(time_limit=30), EpisodicReturn()
    policy = NormalizedPolicy(Affine.zeros(2, 4), Moments.zeros((4,)))
    method = AugmentedRandomSearch(6, std=0.5)
    state = first_state(method, policy)
    sampler = JaxSampler.create(jax.random.key(0), world, method.experience, objective, policy)
    asked = method.ask(jax.random.key(1), state)
    experience, _ = jax.jit(lambda s, k: s.sample(k, asked))(sampler, jax.random.key(2))
    tell = jax.jit(lambda s, x, e: method.tell(jax.random.key(3), s, x, e, objective)[0])
    new = tell(state, asked, experience)
    assert float(new.policy.moments.count) == float(experience.lengths.sum()) > 0
    np.testing.assert_allclose(new.policy.moments.mean, experience.moments.mean, rtol=1e-5)
    np.testing.assert_allclose(new.policy.moments.variance, experience.moments.variance, rtol=1e-5)


def test_ars_climbs_and_stays_on_a_plateau():
    method = AugmentedRandomSearch(16, learning_rate=0.1)
    state, _ = maximize(method, lambda x: -jnp.sum((x - 1) ** 2), jnp.zeros(4), 150)
    np.testing.assert_allclose(state.policy, 1.0, atol=0.2)
    state, seen = maximize(method, lambda x: 0 * x[0] - 5, jnp.zeros(4), 4)
    np.testing.assert_array_equal(state.policy, 0)
    np.testing.assert_array_equal(seen.flat, 1)


@pytest.mark.slow
@pytest.mark.parametrize("method", [AugmentedRandomSearch(4), PGPE(4)])
def test_nan_counts_as_the_worst(method):
    state = first_state(method, jnp.ones(3))
    asked = method.ask(jax.random.key(0), state)
    bad = told(method, state, asked, jnp.asarray([1.0, jnp.nan, 3.0, 2.0]))[0]
    worst = told(method, state, asked, jnp.asarray([1.0, 1.0, 3.0, 2.0]))[0]
    jax.tree.map(np.testing.assert_array_equal, bad, worst)
    nothing = told(method, state, asked, jnp.full(4, jnp.nan))[0]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(nothing))


def test_pgpe_gradients_are_the_paper_s(x64):
    """(f+ - f-) / 2 eps / sigma^2 and (f - b) (eps^2 - sigma^2) / sigma^3, averaged over pairs."""
    method = PGPE(8, shaping="returns")
    mean, std = jnp.asarray([0.5, -1.0]), jnp.asarray([0.3, 0.6])
    state = first_state(method, mean)._replace(std=std)
    asked = method.ask(jax.random.key(0), state)
    of_mean, of_std = method.gradients(mean, std, asked, jnp.asarray(RETURNS))
    noise = np.asarray(asked - mean[None])[:4]
    half, middle = (RETURNS[:4] - RETURNS[4:]) / 2, (RETURNS[:4] + RETURNS[4:]) / 2
    np.testing.assert_allclose(of_mean, half @ (noise / np.asarray(std) ** 2) / 4, rtol=1e-9)
    shape = (noise**2 - np.asarray(std) ** 2) / np.asarray(std) ** 3
    np.testing.assert_allclose(of_std, (middle - RETURNS.mean()) @ shape / 4, rtol=1e-9)
    assert np.abs(of_std - middle @ shape / 4).max() > 0.1  # wrong on purpose: no baseline


def test_pgpe_climbs_and_bounds_its_spread():
    method = PGPE(32, std=0.5, std_learning_rate=1.0, max_std_change=0.1, shaping="standardized")
    state, seen = maximize(method, lambda x: -jnp.sum((x - 1) ** 2), jnp.zeros(4), 150)
    np.testing.assert_allclose(method.solution(state), 1.0, atol=0.2)
    change = np.asarray(seen.std)[1:] / np.asarray(seen.std)[:-1]
    assert change.min() > 0.9 - 1e-5
    assert change.max() < 1.1 + 1e-5
    assert seen.std[-1] < 0.2
    state, seen = maximize(method, lambda x: 0 * x[0] - 5, jnp.zeros(4), 4)
    np.testing.assert_array_equal(seen.flat, 1)
    np.testing.assert_array_equal(state.mean, 0)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: AugmentedRandomSearch(5), "population_size=5.*pairs"),
        (lambda: AugmentedRandomSearch(1), "population_size=1"),
        (lambda: AugmentedRandomSearch(8, n_directions=5), "n_directions=5 of 4 pairs"),
        (lambda: PGPE(5), "population_size=5.*pairs"),
        (lambda: PGPE(1), "population_size=1"),
        (lambda: PGPE(max_std_change=1.0), "max_std_change=1.0"),
    ],
)
def test_what_cannot_be_meant_is_refused(make, match):
    with pytest.raises(UpslopeError, match=match):
        make()
