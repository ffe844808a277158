"""Ascent on finite differences, and the rule of Kohl and Stone."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import approx_fprime

from small_policies import Affine
from small_searches import first_state, fitted, maximize, sphere, told
from upslope.core.checks import UpslopeError
from upslope.core.distributions import Deterministic
from upslope.core.tree import ravel_parameters
from upslope.environments import CartPole, ShortCorridor
from upslope.objectives import EpisodicReturn
from upslope.policies.policy import Policy
from upslope.sampling import JaxSampler
from upslope.search import FiniteDifferenceAscent, KohlStone, finite_differences
from upslope.search.gradient.kohl_stone import adjustments


class Counting:
    """A host function that counts how often it is evaluated."""

    def __init__(self):
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return float(-np.sum((np.asarray(x) - 1.0) ** 2))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "expected"),
    [("forward", 8), ("central", 14), ("random", 10), ("spsa", 10), ("regression", 6)],
)
def test_evaluations_are_counted(kind, expected):
    """n + 1 and 2 n with n = 7; 2 M and M + 1 with M = 5."""
    method = fitted(finite_differences(kind, n_directions=5), jnp.zeros(7))
    state = first_state(method, jnp.zeros(7))
    function = Counting()
    asked = method.ask(jax.random.key(0), state)
    told(method, state, asked, [function(x) for x in asked])
    assert function.calls == method.experience.population_size == expected


def taken(kind, step, function, start):
    """The gradient that one plain step with eta = 1 followed."""
    method = finite_differences(kind, step=step, learning_rate=1.0, optimizer="sgd")
    method = fitted(method, start)
    state, _ = maximize(method, function, start, 1)
    return np.asarray(state.policy - start)


def test_one_sided_differences_are_off_by_the_step_and_central_ones_are_exact(x64):
    """f = x^2: (f(x + e) - f(x)) / e = 2 x + e."""
    x = jnp.asarray([0.7, -2.0])
    square = lambda x: jnp.sum(x**2)  # noqa: E731
    np.testing.assert_allclose(taken("forward", 0.1, square, x) - 2 * x, 0.1, atol=1e-12)
    np.testing.assert_allclose(taken("central", 0.1, square, x), 2 * x, atol=1e-12)


@pytest.mark.parametrize("kind", ["forward", "central"])
def test_values_of_other_points_are_seen(kind, x64):
    """The seeded error: each value is taken for its neighbour's."""
    x = jnp.asarray([0.7, -2.0])
    estimator = fitted(finite_differences(kind, step=0.1), x).estimator
    points = estimator.propose(jax.random.key(0), x)
    values = jnp.sum(points**2, axis=1)
    assert np.abs(estimator.estimate(x, points, values) - 2 * x).max() < 0.1 + 1e-12
    assert np.abs(estimator.estimate(x, points, jnp.roll(values, 1)) - 2 * x).max() > 1.0


def test_the_gradient_is_scipys(x64):
    def wave(x):
        return jnp.sum(jnp.sin(x) * jnp.arange(1, 4)) + x[0] * x[1]

    x = jnp.asarray([0.3, -1.0, 2.0])
    expected = approx_fprime(np.asarray(x), lambda x: float(wave(jnp.asarray(x))))
    np.testing.assert_allclose(taken("forward", 1.5e-8, wave, x), expected, atol=1e-6)
    np.testing.assert_allclose(taken("central", 6e-6, wave, x), jax.grad(wave)(x), atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["forward", "central", "random", "spsa", "regression"])
def test_every_kind_climbs(kind):
    start = {"a": jnp.zeros(2), "b": jnp.full((2, 2), 3.0)}

    def value(tree):
        return sphere(ravel_parameters(tree)[0])

    method = finite_differences(kind, step=0.01, n_directions=8, learning_rate=0.1)
    method = fitted(method, start)
    state, said = maximize(method, value, start, 150)
    assert float(value(method.solution(state))) > -0.01
    assert said.gradient_norm[-1] < said.gradient_norm[0]


def gradients(common):
    """Central differences of CartPole's return, 64 times."""
    policy = Affine(jnp.zeros((2, 4)), jnp.zeros(2))
    objective, world = EpisodicReturn(), CartPole(time_limit=50)
    settings = {"step": 0.05, "episodes_per_candidate": 8, "common_random_numbers": common}
    method = fitted(finite_differences("central", **settings), policy)
    assert method.experience.common_random_numbers == common
    sampler = JaxSampler.create(jax.random.key(0), world, method.experience, objective, policy)

    @jax.jit
    @jax.vmap
    def gradient(key):
        candidates = method.estimator.propose(key, policy)
        returns = sampler.sample(key, candidates)[0].returns.mean(axis=1)
        return ravel_parameters(method.estimator.estimate(policy, candidates, returns))[0]

    return np.asarray(gradient(jax.random.split(jax.random.key(1), 64)))


@pytest.mark.slow
def test_common_random_numbers_cut_the_variance():
    ratio = gradients(False).var(axis=0).sum() / gradients(True).var(axis=0).sum()
    print(f"variance of central differences, independent / common random numbers: {ratio:.2f}")
    assert ratio > 1.3


class Right(Policy):
    """Goes right when a number is positive, left when it is not: nothing to differentiate."""

    threshold: Any  # [1]

    def __call__(self, observation, memory=None):
        return Deterministic((self.threshold[0] > 0).astype(int))


@pytest.mark.slow
def test_a_policy_that_cannot_be_differentiated_still_has_differences():
    world, objective = ShortCorridor(time_limit=30), EpisodicReturn()
    method = fitted(finite_differences("central", step=0.5), Right(jnp.zeros(1)))
    state = first_state(method, Right(jnp.zeros(1)))
    sampler = JaxSampler.create(
        jax.random.key(0), world, method.experience, objective, state.policy
    )
    candidates = method.ask(jax.random.key(1), state)
    experience, _ = sampler.sample(jax.random.key(2), candidates)
    state, said = method.tell(jax.random.key(3), state, candidates, experience, objective)
    assert np.isfinite(np.asarray(said.gradient_norm))
    assert np.isfinite(np.asarray(state.policy.threshold)).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", [finite_differences(n_directions=4), KohlStone(8)], ids=["fd", "ks"]
)
def test_nan_is_the_worst_and_flat_worlds_do_not_move(method):
    """Equal returns are equal: not even a rounding error becomes a step."""
    state = first_state(method, jnp.ones(3))
    asked = method.ask(jax.random.key(0), state)
    for flat in (0.1, 1e6 / 3, jnp.nan, jnp.inf):
        new, _ = told(method, state, asked, jnp.full(8, flat))
        np.testing.assert_array_equal(method.solution(new), 1.0)
    values = jnp.asarray([3.0, jnp.nan, 2.0, 1.0, 7.0, jnp.inf, 4.0, 5.0])
    filled = jnp.asarray([3.0, 1.0, 2.0, 1.0, 7.0, 1.0, 4.0, 5.0])
    got, _ = told(method, state, asked, values)
    expected, _ = told(method, state, asked, filled)
    np.testing.assert_array_equal(method.solution(got), method.solution(expected))
    assert np.isfinite(np.asarray(method.solution(got))).all()


# --- Kohl and Stone --------------------------------------------------------------------------

PEAK = jnp.linspace(-1.0, 1.0, 12)
SCALES = jnp.linspace(0.5, 2.0, 12)


def speed(x):
    """A surrogate of the walking speed: 291 mm/s at its best gait."""
    return 291.0 - jnp.sum(SCALES * jnp.square(x - PEAK))


def directions(size, start, trials):
    """Steps of the method from `start`, [trials, 12]."""
    method = KohlStone(size, step=0.05, learning_rate=1.0)

    def one(key):
        return maximize(method, speed, start, 1, key)[0].policy - start

    return np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), trials)))


def cosines(size, trials, sign=1.0):
    start = jnp.asarray(np.random.default_rng(0).normal(size=12), jnp.float32) * 2
    step = directions(size, start, trials)
    gradient = np.asarray(jax.grad(speed)(start)) * sign
    return step @ gradient / np.linalg.norm(step, axis=1) / np.linalg.norm(gradient)


@pytest.mark.slow
def test_the_step_points_uphill_and_has_its_length():
    """cos > 0.5 in over 90 % of 1000 trials with t = 15, and -> 1 as t grows."""
    few = cosines(15, 1000)
    assert (few > 0.5).mean() > 0.9
    more, most = cosines(200, 100), cosines(5000, 10)
    assert few.mean() < more.mean() < most.mean()
    assert most.min() > 0.97
    start = jnp.zeros(12)
    np.testing.assert_allclose(np.linalg.norm(directions(15, start, 20), axis=1), 1.0, rtol=1e-5)
    # The wrong variant, minus for plus, points downhill.
    assert (cosines(15, 100, sign=-1.0) > 0.5).mean() == 0


def test_the_zero_rule_fires_at_the_maximum():
    """Where every change is for the worse nothing changes; without the rule it would."""
    assert (directions(5000, PEAK, 4) == 0).all()
    signs = jax.random.randint(jax.random.key(0), (5000, 12), -1, 2)
    returns = jax.vmap(speed)(PEAK[None] + 0.05 * signs)
    assert (np.asarray(adjustments(signs, returns)) == 0).all()
    signs, returns = np.asarray(signs), np.asarray(returns)
    means = [[returns[signs[:, k] == sign].mean() for k in range(12)] for sign in (1, -1)]
    assert np.abs(np.subtract(*means)).max() > 1e-5


def test_adjustments_are_averages_of_groups():
    signs = jnp.asarray([[1, 0, 1], [1, -1, 0], [-1, 1, 0], [0, 0, 0], [-1, 0, 1]])
    returns = jnp.asarray([5.0, 1.0, 2.0, 0.0, 3.0])
    # 1: (5 + 1) / 2 - (2 + 3) / 2; 2: alone averages 8 / 3, above 2 and 1; 3: never lowered.
    np.testing.assert_allclose(adjustments(signs, returns), [0.5, 0.0, 0.0], atol=1e-6)
    returns = jnp.asarray([-5.0, 1.0, 2.0, 0.0, -3.0])  # 1: alone 0, above -2 and -0.5
    np.testing.assert_allclose(adjustments(signs, returns), [0.0, 1.0, 0.0], atol=1e-6)


def test_candidates_are_raised_lowered_or_left_alone():
    method = KohlStone(6000, step=0.25)
    asked = np.asarray(method.ask(jax.random.key(0), first_state(method, jnp.ones(2))))
    values, counts = np.unique(asked, return_counts=True)
    assert values.tolist() == [0.75, 1.0, 1.25]
    np.testing.assert_allclose(counts / counts.sum(), 1 / 3, atol=4.5 * np.sqrt(2 / 9 / 12_000))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: KohlStone(population_size=1), "population_size=1"),
        (lambda: KohlStone(step=0.0), "step=0.0"),
        (lambda: KohlStone(learning_rate=-1.0), "learning_rate=-1.0"),
        (lambda: finite_differences("centre"), "kind='centre'.*'central'"),
        (lambda: finite_differences(optimizer="adamm"), "'adam'"),
        (lambda: FiniteDifferenceAscent(max_grad_norm=0.0), "max_grad_norm=0.0"),
        (lambda: finite_differences("central").experience, "for_policy"),
    ],
)
def test_what_cannot_be_meant_is_refused(make, match):
    with pytest.raises(UpslopeError, match=match):
        make()
