"""Random search, hill climbing and annealing against laws that are known exactly."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from small_searches import (
    first_state,
    maximize,
    one_max,
    returns_of,
    sphere,
    told,
    z_score,
)
from upslope.core.checks import UpslopeError
from upslope.core.distributions import Deterministic
from upslope.core.moments import Moments
from upslope.engine.executables import compiled
from upslope.environments import CartPole
from upslope.objectives import EpisodicReturn
from upslope.policies.normalized import NormalizedPolicy
from upslope.policies.policy import Policy
from upslope.sampling import JaxSampler
from upslope.search import Bits, HillClimbing, RandomSearch, SimulatedAnnealing

METHODS = [RandomSearch, HillClimbing, SimulatedAnnealing]
NAN = jnp.nan


# --- random search ---------------------------------------------------------------------------


class Threshold(Policy):
    """Pushes right when w . o > 0."""

    weights: Any  # [4]

    def __call__(self, observation, memory=None):
        return Deterministic((self.weights @ observation > 0).astype(int))


def waiting_times(radius):
    """How many random weight vectors it takes until one balances for 200 steps, again and again."""
    world, objective = CartPole(time_limit=200), EpisodicReturn()
    policy = Threshold(jnp.zeros(4))
    method = RandomSearch(population_size=16_384, radius=radius)
    state = method.init(jax.random.key(1), policy, objective)
    sampler = JaxSampler.create(jax.random.key(2), world, method.experience, objective, policy)

    @jax.jit
    def returns(key):
        ask, sample = jax.random.split(key)
        return sampler.sample(sample, method.ask(ask, state))[0].returns[:, 0]

    solved = np.asarray(returns(jax.random.key(3))) >= 200
    return np.diff(np.flatnonzero(solved))


def test_success_by_random_weights_is_geometric():
    """One draw in about 13 solves CartPole, whatever came before (Frans, 2016).

    For a geometric law the standard deviation is sqrt(1 - p) / p, the median log 2 / p.
    """
    times = waiting_times(1.0)
    assert times.size > 1000
    assert 12 < times.mean() < 15
    p = 1 / times.mean()
    np.testing.assert_allclose(times.std(), np.sqrt(1 - p) / p, rtol=0.12)
    assert abs((times == 1).mean() - p) < 4.5 * np.sqrt(p / times.size)


def test_random_search_keeps_the_best_it_saw():
    method = RandomSearch(population_size=50, radius=3.0)
    state, diagnostics = maximize(method, sphere, jnp.zeros(2), 40)
    best = np.asarray(diagnostics.best)
    assert (np.diff(best) >= 0).all()
    np.testing.assert_allclose(best, np.maximum.accumulate(diagnostics.population_best))
    np.testing.assert_allclose(sphere(method.solution(state)), best[-1], rtol=1e-6)
    assert best[-1] > -0.05


# --- hill climbing ---------------------------------------------------------------------------


def evaluations(method, bits, runs, iterations, start=None):
    """Steps until all bits are set, [runs]; the look at the start is not counted."""

    def run(key):
        draw, key = jax.random.split(key)
        first = jnp.zeros(bits, bool) if start is None else jax.random.bernoulli(draw, 0.5, (bits,))
        _, diagnostics = maximize(method, one_max, first, iterations, key)
        return jnp.sum(diagnostics.best < bits)

    keys = jax.random.split(jax.random.key(5), runs)
    times = np.asarray(compiled(jax.jit(jax.vmap(run)).lower(keys))(keys))
    assert times.max() < iterations, "some runs have not ended"
    return times


HARMONIC = sum(1 / k for k in range(1, 51))


@pytest.mark.slow
def test_randomised_local_search_collects_coupons():
    """OneMax from all zeros: n H_n flips in expectation (n = 50: 224.96); |z| < 4.5."""
    times = evaluations(HillClimbing(mutation="one", space=Bits()), 50, 2000, 1200)
    np.testing.assert_allclose(50 * HARMONIC, 224.96, atol=0.005)
    assert abs(z_score(times, 50 * HARMONIC)) < 4.5


@pytest.mark.slow
def test_flipping_each_bit_is_not_local_search():
    """The wrong variant: one flip in the mean, but not exactly one."""
    times = evaluations(HillClimbing(mutation="each", space=Bits()), 50, 300, 3000)
    assert z_score(times, 50 * HARMONIC) > 20


@pytest.mark.slow
def test_one_plus_one_evolution_takes_e_n_log_n():
    """OneMax from a random start: e n ln n - 1.89 n within 10 % (n = 100: 1063)."""
    times = evaluations(HillClimbing(mutation="each"), 100, 200, 4500, start="random")
    np.testing.assert_allclose(times.mean(), np.e * 100 * np.log(100) - 189, rtol=0.1)
    faster = evaluations(HillClimbing(mutation="each", rate=0.025), 100, 100, 6000, start="random")
    assert faster.mean() > 1.15 * times.mean()  # the wrong rate, 2.5 / n


def test_the_step_follows_its_successes_exactly():
    """alpha (1 - s*) / (1 - s*) after a success, -alpha s* / (1 - s*) after a failure."""
    method = HillClimbing(std=0.5, adaptation=0.3)
    state = first_state(method, jnp.zeros(3))
    asked = method.ask(jax.random.key(1), state)
    np.testing.assert_array_equal(asked[0], 0)  # the start is looked at first
    state, _ = told(method, state, asked, [1.0])
    assert float(state.std) == 0.5
    expected = 0.5
    for value, factor in (
        (2.0, 0.3),
        (1.5, -0.3 / 4),
        (2.0, -0.3 / 4),
        (NAN, -0.3 / 4),
        (9.0, 0.3),
    ):
        asked = method.ask(jax.random.key(2), state)
        state, said = told(method, state, asked, [value])
        expected *= np.exp(factor)
        np.testing.assert_allclose(state.std, expected, rtol=1e-6)
        assert bool(said.accepted) == (value in (2.0, 9.0))  # the second 2.0 is not worse


def test_adaptive_steps_converge_where_constant_ones_do_not():
    adaptive, _ = maximize(HillClimbing(std=1.0), sphere, jnp.zeros(5), 500)
    constant, _ = maximize(HillClimbing(std=1.0, adaptation=0.0), sphere, jnp.zeros(5), 500)
    assert float(sphere(adaptive.incumbent)) > -1e-7
    assert float(sphere(constant.incumbent)) < -1e-2


def test_steepest_ascent_takes_the_best_of_its_steps():
    method = HillClimbing(population_size=6)
    state = first_state(method, jnp.zeros(4))
    asked = method.ask(jax.random.key(1), state)
    state, _ = told(method, state, asked, [0.0, 1.0, 3.0, NAN, 2.0, -1.0])
    np.testing.assert_array_equal(state.incumbent, asked[2])
    asked = method.ask(jax.random.key(2), state)
    worse, _ = told(method, state, asked, [2.9, 1.0, 0.0, NAN, 2.0, -1.0])
    np.testing.assert_array_equal(worse.incumbent, state.incumbent)


def test_restarts_leave_a_local_maximum():
    """Peaks of height 1 at 0 and 2 at 4, with nothing to see between them."""

    def peaks(x):
        return jnp.maximum(1 - jnp.abs(x[0]), 2 - 2 * jnp.abs(x[0] - 4))

    stuck, _ = maximize(HillClimbing(std=0.1), peaks, jnp.zeros(1), 600)
    method = HillClimbing(std=0.1, restart_after=30, radius=6.0)
    state, diagnostics = maximize(method, peaks, jnp.zeros(1), 600)
    assert float(peaks(stuck.incumbent)) <= 1
    found = method.solution(state)
    assert float(peaks(found)) > 1.99
    np.testing.assert_allclose(peaks(found), diagnostics.best[-1], rtol=1e-6)


def noisy_sphere(key, x):
    return sphere(x) + jax.random.normal(key)


noisy_sphere.noisy = True  # type: ignore[attr-defined]


def test_reevaluation_forgets_a_lucky_return():
    """The winner's curse: what the climber believes of itself, against the truth (at most 0)."""
    believed = {}
    for again in (False, True):
        method = HillClimbing(reevaluate=again, population_size=2, std=0.3)

        def run(key, method=method):
            state, said = maximize(method, noisy_sphere, jnp.zeros(5), 300, key)
            return jnp.mean(said.incumbent[-100:]), sphere(method.solution(state))

        keys = jax.random.split(jax.random.key(0), 32)
        belief, truth = map(np.asarray, jax.jit(jax.vmap(run))(keys))
        believed[again] = belief.mean() - truth.mean()
    assert believed[False] > 2.0
    assert abs(believed[True]) < 1.0
    assert HillClimbing(reevaluate=True).experience.population_size == 2


def test_common_random_numbers_need_company():
    with pytest.raises(UpslopeError, match="reevaluate=True"):
        HillClimbing(common_random_numbers=True)
    assert HillClimbing(
        common_random_numbers=True, reevaluate=True
    ).experience.common_random_numbers
    assert RandomSearch(common_random_numbers=True).experience.common_random_numbers


# --- annealing -------------------------------------------------------------------------------

HEIGHTS = jnp.asarray([0.0, 1.0, 0.5, 2.0, 1.5, 0.0, 0.7, 1.2])


def height(bits):
    return HEIGHTS[jnp.sum(bits * jnp.asarray([1, 2, 4]))]


def visits(temperature):
    """How often 8000 chains stand at each of 8 points after 60 steps."""
    method = SimulatedAnnealing(
        8000, temperature=temperature, cooling=1.0, mutation="one", space=Bits(3)
    )
    state, _ = maximize(method, height, jnp.zeros(3, bool), 60)
    index = np.asarray(state.chains) @ np.asarray([1, 2, 4])
    return np.bincount(index, minlength=8)


@pytest.mark.slow
def test_chains_visit_points_as_boltzmann_says():
    """exp(J / T) / Z: chi-squared below 32 with 7 degrees of freedom, 1 false alarm in 25 000."""
    temperature = 0.8
    weight = np.exp(np.asarray(HEIGHTS) / temperature)
    expected = 8000 * weight / weight.sum()
    assert ((visits(temperature) - expected) ** 2 / expected).sum() < 32
    # The wrong variants: another temperature, or none.
    assert ((visits(0.7) - expected) ** 2 / expected).sum() > 60
    assert ((visits(1e6) - expected) ** 2 / expected).sum() > 1000


def test_temperatures_fall_on_schedule():
    geometric = SimulatedAnnealing(temperature=2.0, cooling=0.5)
    logarithmic = SimulatedAnnealing(temperature=2.0, schedule="logarithmic")
    for k, expected in enumerate((2.0, 1.0, 0.5)):
        np.testing.assert_allclose(geometric.temperature_at(jnp.asarray(k)), expected)
    for k, expected in ((0, 2.0), (2, 1.0), (6, 2 / 3)):
        np.testing.assert_allclose(logarithmic.temperature_at(jnp.asarray(k)), expected)


@pytest.mark.slow
def test_annealing_crosses_valleys_that_stop_climbers():
    """A rugged line of 60 integers: every sixth is a local maximum."""
    from upslope.search import Integers

    def rugged(x):
        return x[0] / 10.0 + jnp.where(x[0] % 6 == 0, 1.0, 0.0)

    space, start = Integers(0, 60), jnp.zeros(1, int)
    climber, _ = maximize(HillClimbing(space=space, std=2.0, adaptation=0.0), rugged, start, 400)
    annealing = SimulatedAnnealing(8, space=space, std=2.0, temperature=2.0, cooling=0.99)
    annealed, said = maximize(annealing, rugged, start, 400)
    assert float(rugged(annealed.best)) > float(rugged(climber.incumbent)) + 2
    assert int(annealed.best[0]) >= 48
    assert said.temperature[-1] < said.temperature[0]


# --- all of them -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_a_flat_world_and_nan_are_survived(method):
    for value in (0.0, NAN, -jnp.inf):
        state, _ = maximize(method(population_size=3), lambda x: x[0] * 0 + value, jnp.ones(2), 20)  # noqa: B023
        assert np.isfinite(np.asarray(method(population_size=3).solution(state))).all()

    def half(x):
        return jnp.where(x[0] > 0.5, sphere(x), NAN)

    state, said = maximize(method(population_size=3), half, jnp.asarray([0.6, 0.0]), 100)
    found = method(population_size=3).solution(state)
    assert float(found[0]) > 0.5
    assert np.isfinite(said.best[-1])


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_a_population_of_one_works(method):
    _, said = maximize(method(population_size=1), sphere, jnp.zeros(2), 200)
    assert float(said.best[-1]) > -0.3


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_observation_moments_are_merged_and_not_searched(method):
    policy = NormalizedPolicy(jnp.zeros(2), Moments.zeros((3,)))  # pyright: ignore
    method = method(population_size=4)
    state = first_state(method, policy)
    seen = Moments(jnp.asarray(10.0), jnp.ones(3), jnp.ones(3))
    for _ in range(2):
        asked = method.ask(jax.random.key(1), state)
        experience = returns_of(jnp.arange(4.0))._replace(moments=seen)
        state, _ = method.tell(jax.random.key(2), state, asked, experience, EpisodicReturn())
    solution = method.solution(state)
    assert float(solution.moments.count) == 20
    np.testing.assert_allclose(solution.moments.mean, 1.0)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: RandomSearch(radius=0), "radius=0"),
        (lambda: RandomSearch(population_size=0), "population_size=0"),
        (lambda: HillClimbing(std=-1.0), "std=-1.0"),
        (lambda: HillClimbing(rate=1.5), "rate=1.5"),
        (lambda: HillClimbing(success_target=1.0), "success_target=1.0"),
        (lambda: HillClimbing(restart_after=0), "restart_after=0"),
        (lambda: HillClimbing(mutation="on"), "mutation='on'.*'one'"),
        (lambda: SimulatedAnnealing(temperature=0.0), "temperature=0.0"),
        (lambda: SimulatedAnnealing(cooling=1.1), "cooling=1.1"),
        (lambda: SimulatedAnnealing(schedule="geometrc"), "'geometric'"),
    ],
)
def test_settings_out_of_range_are_named(make, match):
    with pytest.raises(UpslopeError, match=match):
        make()
