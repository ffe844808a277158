"""Shooting planners against closed forms, enumeration and their wrong variants."""

import itertools
import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from jax import Array

sys.path.insert(0, str(Path(__file__).parent))
from planning_problems import Coin, Graph, Targets, quadratic

from upslope.core.checks import UpslopeError
from upslope.core.records import Step
from upslope.environments import CartPole, FullyObserved, Pendulum, TicTacToe, make
from upslope.exact import optimal_control
from upslope.objectives import DiscountedReturn, EpisodicReturn
from upslope.planning import MPPI, CrossEntropyPlanner, PlanningActor, RandomShooting, simulate
from upslope.sampling.episodes import sample_episodes
from upslope.sampling.streams import sample_steps, start_streams

KEY = jax.random.key(0)


@jax.jit
def plan(planner, state, key=KEY):
    return planner.plan(key, state, planner.initial_memory())


@partial(jax.jit, static_argnames="episodes")
def sampled(environment, planner, episodes):
    actor = PlanningActor(planner)
    found, _ = sample_episodes(
        KEY, FullyObserved(environment), actor, episodes, environment.time_limit
    )
    return found.reward


def episode_returns(environment, planner, episodes=8):
    """[N] undiscounted returns of acting by a planner."""
    return np.asarray(sampled(environment, planner, episodes)).sum(axis=0)


@jax.jit
def returns_of_all(environment, state, sequences, gamma):
    """What each of the sequences of actions [N, H] earns from a state, [N]."""
    return jax.vmap(lambda actions: simulate(KEY, environment, state, actions, gamma))(sequences)


def test_cem_is_within_one_percent_of_the_riccati_solution():
    environment, horizon = quadratic(), 8
    exact = optimal_control(environment, EpisodicReturn(horizon=horizon))
    state = jnp.array([1.0, -0.5])
    best = -float(state @ exact.cost_to_go[0] @ state)
    planner = CrossEntropyPlanner(
        environment, n_candidates=500, n_elites=50, n_iterations=12, horizon=horizon, std=2.0
    )
    found = plan(planner, state)
    assert best * 1.01 < float(found.value) <= best * (1 - 1e-4)
    np.testing.assert_allclose(found.action, exact.gain[0] @ state, atol=0.05)


def test_mppi_comes_close_to_the_riccati_solution():
    environment, horizon = quadratic(), 8
    exact = optimal_control(environment, EpisodicReturn(horizon=horizon))
    state = jnp.array([1.0, -0.5])
    planner = MPPI(
        environment, n_candidates=2000, n_iterations=15, horizon=horizon, std=0.4, temperature=0.05
    )
    found = plan(planner, state)
    np.testing.assert_allclose(found.action, exact.gain[0] @ state, rtol=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [CrossEntropyPlanner, MPPI, RandomShooting])
@pytest.mark.parametrize("gamma", [1.0, 0.5])
def test_enough_candidates_find_the_best_of_all_sequences(kind, gamma):
    """All 81 sequences of four of three actions, enumerated."""
    environment, horizon = Graph.drawn(), 4
    settings = {"temperature": 0.01} if kind is MPPI else {}
    planner = kind(
        environment,
        objective=DiscountedReturn(gamma=gamma) if gamma < 1 else EpisodicReturn(),
        n_candidates=2000,
        horizon=horizon,
        **settings,
    )
    every = jnp.asarray(list(itertools.product(range(3), repeat=horizon)))
    for start in range(5):
        state = jnp.asarray(start)
        returns = returns_of_all(environment, state, every, gamma)
        best = int(jnp.argmax(returns))
        found = plan(planner, state)
        assert int(found.action) == int(every[best, 0])
        assert float(found.value) <= float(returns[best]) + 1e-5
        if kind is RandomShooting:
            np.testing.assert_allclose(found.value, returns[best], rtol=1e-5)


@pytest.mark.slow
def test_batched_equals_single():
    environment = Pendulum()
    planner = CrossEntropyPlanner(environment, n_candidates=30, n_elites=5, horizon=6)
    keys = jax.random.split(KEY, 3)
    states, _ = jax.vmap(environment.reset)(keys)
    memory = planner.initial_memory()
    many = jax.jit(jax.vmap(planner.plan, (0, 0, None)))(keys, states, memory)
    for n in range(3):
        one = plan(planner, states[n], keys[n])
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(many), strict=True):
            np.testing.assert_allclose(a, b[n], rtol=1e-4, atol=1e-5)


class _Counted(Graph):
    """Calls out at every step."""

    def step(self, key, state, action):
        jax.debug.callback(COUNT.append, state)
        return super().step(key, state, action)


COUNT = []


@pytest.mark.parametrize("kind", [CrossEntropyPlanner, MPPI, RandomShooting])
def test_simulated_steps_are_counted(kind):
    graph = Graph.drawn()
    settings = {"n_elites": 2} if kind is CrossEntropyPlanner else {}
    planner = kind(_Counted(graph.successor, graph.reward), n_candidates=5, horizon=3, **settings)
    COUNT.clear()
    jax.block_until_ready(plan(planner, jnp.asarray(0)))
    jax.effects_barrier()
    assert len(COUNT) == planner.model_steps == planner.n_iterations * 5 * 3


class _Line(Coin):
    """Reward 1 per step; ends when the state reaches `end`; discount `sign`."""

    end: float = 2.0
    sign: float | None = None

    def step(self, key, state, action):
        state = state + 1.0
        discount = None if self.sign is None else jnp.asarray(self.sign)
        return state, Step(
            state[None],
            jnp.where(state > self.end, jnp.inf, jnp.ones(())),
            state >= self.end,
            discount,
        )


def test_simulations_end_discount_and_bootstrap():
    actions = jnp.zeros(4, int)

    def worth(line, gamma, value=None):
        return float(simulate(KEY, line, jnp.zeros(()), actions, gamma, value))

    assert worth(_Line(), 1.0) == 2.0, "what follows a terminating step is not counted"
    assert worth(_Line(end=9.0), 0.5) == 1.875
    assert worth(_Line(end=9.0, sign=-1.0), 0.5) == 1 - 0.5 + 0.25 - 0.125
    seen = lambda state, observation: 10 * state + observation[0]  # noqa: E731
    assert worth(_Line(end=9.0), 0.5, seen) == 1.875 + 44 / 16
    assert worth(_Line(), 0.5, seen) == 1.5, "nothing comes after the end"
    assert worth(_Line(end=9.0, sign=-1.0), 1.0, seen) == 44.0


@pytest.mark.slow
def test_the_terminal_value_decides():
    """One step ahead with the value of the rest is as good as looking all the way."""
    environment = Graph.drawn(1)
    far = jnp.asarray(list(itertools.product(range(3), repeat=5)))
    value = jnp.stack(
        [returns_of_all(environment, jnp.asarray(s), far, 1.0).max() for s in range(5)]
    )
    planner = RandomShooting(
        environment, n_candidates=60, horizon=1, terminal_value=lambda state, _: value[state]
    )
    best = environment.reward + value[environment.successor]
    for state in range(5):
        assert int(plan(planner, jnp.asarray(state)).action) == int(jnp.argmax(best[state]))


class _NotShifted(CrossEntropyPlanner):
    """Wrong: the next plan begins with the sequence as it was."""

    def plan(self, key, state, memory):
        found = super().plan(key, state, memory)
        mean = jnp.roll(found.memory.mean, 1, axis=0)
        return found._replace(memory=found.memory._replace(mean=mean))


@pytest.mark.slow
def test_the_warm_start_is_shifted():
    environment = Targets.drawn()
    settings = {"n_candidates": 30, "n_elites": 5, "n_iterations": 1, "horizon": 8, "std": 0.3}
    planner = CrossEntropyPlanner(environment, **settings)
    found = plan(planner, jnp.zeros((), int))
    again = planner.plan(KEY, jnp.zeros((), int), planner.initial_memory())  # not compiled
    np.testing.assert_allclose(found.action, again.action, atol=1e-6)
    np.testing.assert_array_equal(found.memory.mean[-1], 0.0)
    right = episode_returns(environment, planner).mean()
    wrong = episode_returns(environment, _NotShifted(environment, **settings)).mean()
    cold = episode_returns(
        environment, CrossEntropyPlanner(environment, warm_start=False, **settings)
    ).mean()
    assert right > cold > wrong
    assert right > 0.6 * wrong


@pytest.mark.slow
def test_the_mean_of_the_elites_beats_the_best_sample():
    """In a sequence of 20 actions the best sample has many that are merely lucky company."""
    environment = Targets.drawn()
    settings = {"n_candidates": 100, "n_elites": 10, "n_iterations": 4, "horizon": 20}
    mean = episode_returns(environment, CrossEntropyPlanner(environment, **settings)).mean()
    best = CrossEntropyPlanner(environment, act_by="best", **settings)
    assert mean > 0.8 * episode_returns(environment, best).mean()


def test_a_warm_start_ends_with_its_episode():
    environment = FullyObserved(Targets.drawn())
    actor = PlanningActor(
        CrossEntropyPlanner(environment.environment, n_candidates=20, n_elites=4, horizon=5)
    )
    streams = start_streams(KEY, environment, 2, actor)
    steps = jax.jit(sample_steps, static_argnums=(4, 5))
    _, later, _ = steps(KEY, environment, actor, streams, 2, 3)
    assert abs(np.asarray(later.memory.mean)).max() > 0.01
    trajectories, fresh, _ = steps(KEY, environment, actor, streams, 3, 3)
    np.testing.assert_array_equal(fresh.memory.mean, 0.0)
    assert trajectories.extras.value.shape == (3, 2)


def test_plans_do_not_see_the_randomness_of_the_episode():
    """800 throws: |z| < 4.5 about one half. Planning with the step's own key would win them all."""
    environment = Coin()
    planner = RandomShooting(environment, n_candidates=20, horizon=2)
    won = episode_returns(environment, planner, 2).sum()
    assert abs(won - 400) / np.sqrt(200) < 4.5
    key = jax.random.key(3)
    seer = jax.vmap(lambda a: environment.step(key, jnp.zeros(()), a)[1].reward)(jnp.arange(2))
    assert environment.step(key, jnp.zeros(()), jnp.argmax(seer))[1].reward == 1.0


def test_actions_stay_within_bounds_that_are_leaves():
    for torque in (0.1, 2.0):
        planner = CrossEntropyPlanner(Pendulum(max_torque=torque), n_candidates=50, n_elites=5)
        found = plan(planner, jnp.array([3.0, 0.0]))
        assert abs(float(found.action[0])) <= torque + 1e-6
        assert np.isfinite(found.value)


def test_a_new_number_compiles_nothing():
    traces = []

    @jax.jit
    def go(planner, state):
        traces.append(1)
        return planner.plan(KEY, state, planner.initial_memory())

    for mass, std in ((1.0, 1.0), (2.0, 0.5)):
        go(CrossEntropyPlanner(Pendulum(mass=mass), n_candidates=20, std=std), jnp.zeros(2))
    assert len(traces) == 1


def test_diverged_simulations_are_worth_nothing():
    class Sharp(Targets):
        """NaN for actions above 0."""

        def step(self, key, state, action):
            state, out = super().step(key, state, action)
            return state, out._replace(reward=jnp.where(action[0] > 0, jnp.nan, out.reward))

    for planner in (CrossEntropyPlanner, MPPI, RandomShooting):
        found = plan(
            planner(Sharp(jnp.full(40, -0.5)), n_candidates=200, horizon=2), jnp.zeros((), int)
        )
        assert float(found.action[0]) <= 0.05
        assert np.isfinite(found.value)


@pytest.mark.parametrize(
    ("make_it", "reason"),
    [
        (lambda: CrossEntropyPlanner(CartPole(), n_elites=300), "cannot keep more than it draws"),
        (lambda: CrossEntropyPlanner(CartPole(), horizon=0), "at least 1"),
        (lambda: CrossEntropyPlanner(CartPole(), act_by="median"), "mean, best"),
        (lambda: CrossEntropyPlanner(CartPole(), smoothing=1.0), "below 1"),
        (lambda: MPPI(Pendulum(), temperature=0.0), "above 0"),
        (lambda: RandomShooting(make("gymnasium:CartPole-v1")), "in which a program can simulate"),
    ],
)
def test_refusals(make_it, reason):
    with pytest.raises(UpslopeError, match=reason):
        make_it()


class _Diverges(Targets):
    """Every reward is the same number, which no planner can choose by."""

    worth: Array | None = None

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        return state, out._replace(reward=self.worth)


@pytest.mark.parametrize("worth", [np.nan, -np.inf, np.inf])
@pytest.mark.parametrize("kind", [CrossEntropyPlanner, MPPI, RandomShooting])
def test_plans_stay_finite_where_no_return_is(kind, worth):
    environment = _Diverges(jnp.zeros(40), worth=jnp.asarray(worth))
    planner = kind(environment, n_candidates=50, horizon=4)
    found = plan(planner, jnp.zeros((), int))
    for leaf in jax.tree.leaves((found.action, found.memory)):
        assert not np.isnan(leaf).any()
    assert np.isfinite(found.action).all()
    assert float(found.value) == (np.inf if worth > 0 else -np.inf)


def test_mppi_weighs_infinite_returns_by_their_limits():
    planner = MPPI(Pendulum())
    for scores, weights in (
        ([-np.inf, -np.inf], [0.5, 0.5]),
        ([np.inf, 0.0, np.inf], [0.5, 0.0, 0.5]),
        ([-np.inf, 1.0, 1.0], [0.0, 0.5, 0.5]),
    ):
        np.testing.assert_array_equal(planner.weigh(jnp.asarray(scores)), weights)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [CrossEntropyPlanner, MPPI, RandomShooting])
def test_the_first_action_is_a_legal_one(kind):
    """With one legal cell and five candidates, an unmasked plan would nearly always miss it."""
    game = TicTacToe()
    state, _ = game.reset(KEY)
    for cell in (0, 2, 1, 3, 5, 4, 6, 7):
        state, _ = game.step(KEY, state, jnp.asarray(cell))
    settings = {"n_elites": 2} if kind is CrossEntropyPlanner else {}
    planner = kind(game, n_candidates=5, horizon=3, **settings)
    found = plan(planner, state)
    assert int(found.action) == 8
    np.testing.assert_allclose(found.action_weights, jax.nn.one_hot(8, 9), atol=1e-6)


@pytest.mark.slow
def test_planners_never_lose_by_an_illegal_move():
    environment = make("tic-tac-toe")
    planner = CrossEntropyPlanner(
        environment, n_candidates=20, n_elites=4, n_iterations=2, horizon=4
    )
    episodes, _ = jax.jit(
        lambda key, actor: sample_episodes(key, FullyObserved(environment), actor, 20, 5)
    )(KEY, PlanningActor(planner))
    seen = np.asarray(episodes.observation.observation["action_mask"])
    legal = np.take_along_axis(seen, np.asarray(episodes.action)[..., None], -1)[..., 0]
    assert legal[np.asarray(episodes.valid)].all()


class _SecretMask(Graph):
    """Shows a mask, and does not say what it is in a state."""

    @property
    def observation_space(self):
        return spaces.Dict({"action_mask": spaces.MultiBinary(3)})


def test_a_mask_that_planners_cannot_ask_for_is_refused():
    graph = Graph.drawn()
    with pytest.raises(UpslopeError, match=r"give it a method action_mask\(state\)"):
        RandomShooting(_SecretMask(graph.successor, graph.reward))
