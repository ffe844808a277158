"""The loop of model-based search: what it asks, what it promises, and that it finds the optimum."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from upslope import exact
from upslope.core.checks import UpslopeError
from upslope.core.records import Trajectories
from upslope.environments import DynaMaze, Pendulum, seeded_garnet
from upslope.models import LinearGaussianModel
from upslope.objectives import DiscountedReturn, EpisodicReturn
from upslope.policies import TabularSoftmax
from upslope.sampling import JaxSampler
from upslope.search import ModelBased, ProblemSpec
from upslope.search.iteration import iterate
from upslope.search.model_based.audit import audit
from upslope.search.model_based.foresight import RunningReturns, go_on, returns_ahead
from upslope.search.model_based.start import RandomActions

GAMMA = 0.9


def trajectories(reward, terminated=None, truncated=None) -> Trajectories:
    reward = jnp.asarray(reward, float)
    none = jnp.zeros(reward.shape, bool)
    ends = none if terminated is None else jnp.asarray(terminated, bool)
    cut = none if truncated is None else jnp.asarray(truncated, bool)
    return Trajectories(
        observation=reward,
        action=reward,
        reward=reward,
        next_observation=reward,
        terminated=ends,
        truncated=cut,
        valid=jnp.ones(reward.shape, bool),
    )


def brute_force(steps: Trajectories, t: int, n: int, horizon: int | None) -> float:
    """The return from step t of stream n; NaN where not all of it is known."""
    reward, end, cut = (
        np.asarray(leaf)[:, n] for leaf in (steps.reward, steps.terminated, steps.truncated)
    )
    total, weight = 0.0, 1.0
    for k in range(len(reward) if horizon is None else horizon):
        if t + k >= len(reward):
            return np.nan
        total += weight * reward[t + k]
        weight *= GAMMA
        if cut[t + k]:
            return np.nan
        if end[t + k]:
            return total
    return np.nan if horizon is None else total


@pytest.mark.parametrize("horizon", [1, 3, 7, None])
def test_returns_ahead_are_those_of_a_loop(horizon):
    draw = np.random.default_rng(0)
    ends = draw.random((12, 3)) < 0.2
    cut = (draw.random((12, 3)) < 0.1) & ~ends
    steps = trajectories(draw.normal(size=(12, 3)), ends, cut)
    returns, known = returns_ahead(steps, GAMMA, horizon)
    want = np.array([[brute_force(steps, t, n, horizon) for n in range(3)] for t in range(12)])
    np.testing.assert_array_equal(np.asarray(known), ~np.isnan(want))
    np.testing.assert_allclose(
        np.asarray(returns)[~np.isnan(want)], want[~np.isnan(want)], rtol=1e-5
    )
    assert known.any()
    assert not known.all()


def test_returns_go_on_from_one_call_to_the_next():
    draw = np.random.default_rng(1)
    reward, ends = draw.normal(size=(10, 2)), draw.random((10, 2)) < 0.3
    whole = trajectories(reward, ends)
    _, at_once = go_on(RunningReturns.start(2), whole, GAMMA)
    running, first = go_on(RunningReturns.start(2), trajectories(reward[:4], ends[:4]), GAMMA)
    _, second = go_on(running, trajectories(reward[4:], ends[4:]), GAMMA)
    counts = ends[:4].sum(), ends[4:].sum()
    assert min(counts) > 0
    for name in ("undiscounted", "discounted"):
        parts = [float(getattr(part, name)) for part in (first, second)]
        mean = np.average(parts, weights=counts)
        assert float(getattr(at_once, name)) == pytest.approx(mean, rel=1e-5)
    alone = np.concatenate([[0], np.flatnonzero(ends[:, 0]) + 1])
    by_hand = [
        sum(GAMMA**k * r for k, r in enumerate(reward[a:b, 0]))
        for a, b in itertools.pairwise(alone)
    ]
    _, single = go_on(RunningReturns.start(1), trajectories(reward[:, :1], ends[:, :1]), GAMMA)
    assert float(single.discounted) == pytest.approx(np.mean(by_hand), rel=1e-5)


def test_the_audit_is_that_of_the_exact_layer():
    truth, model = (exact.as_finite_mdp(seeded_garnet(seed=seed)) for seed in (0, 1))
    actions = jnp.arange(truth.n_states) % truth.n_actions
    found = audit(actions, truth, model, GAMMA)
    policy = jax.nn.one_hot(actions, truth.n_actions)
    gap = exact.simulation_gap(policy, truth, model, GAMMA)
    bound = exact.simulation_error_bound(policy, truth, model, GAMMA)
    np.testing.assert_allclose(found.gap, gap.left, rtol=1e-4)
    np.testing.assert_allclose(found.gap_by_lemma, gap.right, rtol=1e-4)
    np.testing.assert_allclose(found.bound, bound, rtol=1e-4)
    assert abs(float(found.gap)) < float(found.bound)
    mixed = exact.simulation_gap(policy, model, truth, GAMMA)  # the wrong way round
    assert abs(float(found.gap - mixed.left)) > 0.1 * abs(float(found.gap))


def test_no_seed_waits_for_lapack():
    """Seeds side by side: a program with LAPACK calls in it can wait for itself for ever."""
    method = configured(seeded_garnet(seed=0), DiscountedReturn(gamma=GAMMA), n_steps=4)
    policy = even(seeded_garnet(seed=0))
    state = jax.eval_shape(method.init, jax.random.key(0), policy, DiscountedReturn(gamma=GAMMA))

    def audited(state):
        way = method.way
        return way.audit(state.planning, state.model, DiscountedReturn(gamma=GAMMA))

    assert "lapack" not in jax.jit(audited).lower(state).as_text().lower()


def even(environment) -> TabularSoftmax:
    """Every action with the same probability."""
    sizes = int(environment.observation_space.n), int(environment.action_space.n)
    return TabularSoftmax(jnp.zeros(sizes))


def configured(environment, objective, **settings) -> ModelBased:
    policy = even(environment)
    return ModelBased(**settings).configure(
        ProblemSpec(
            observation=None,
            observation_space=environment.observation_space,
            action_space=environment.action_space,
            policy=jax.eval_shape(lambda: policy),
            objective=objective,
            environment=environment,
        )
    )


def searched(environment, objective, iterations: int, **settings):
    """The state after so many iterations and every iteration's diagnostics."""
    method = configured(environment, objective, **settings)
    state = method.init(jax.random.key(1), even(environment), objective)
    actor = method.ask(jax.random.key(2), state)
    sampler = JaxSampler.create(jax.random.key(3), environment, method.experience, objective, actor)

    @jax.jit
    def run(state, sampler):
        def one(carry, key):
            state, sampler, diagnostics = iterate(key, method, objective, *carry)
            return (state, sampler), diagnostics

        return jax.lax.scan(one, (state, sampler), jax.random.split(jax.random.key(4), iterations))

    (state, _), diagnostics = run(state, sampler)
    return method, state, diagnostics


@pytest.mark.slow
def test_a_random_mdp_is_solved_and_the_gap_is_never_outside_its_bound():
    environment = seeded_garnet(seed=0)
    objective = DiscountedReturn(gamma=GAMMA)
    method, state, said = searched(environment, objective, 60, n_steps=200)
    mdp = exact.as_finite_mdp(environment)
    best = optimal_values(mdp)
    policy = jax.nn.one_hot(jnp.argmax(method.solution(state).logits, axis=1), mdp.n_actions)
    got = exact.discounted_values(policy, mdp, GAMMA).value
    regret = float(jnp.sum(mdp.initial * (best - got)))
    assert regret < 1e-2 * float(jnp.sum(mdp.initial * best))
    gap, bound = np.asarray(said.simulation_gap), np.asarray(said.simulation_bound)
    assert np.isfinite(gap).all()
    assert (np.abs(gap) <= bound * (1 + 1e-4) + 1e-5).all()
    assert (np.abs(gap[1:]) > 0.5 * bound[1:] / 100).any()  # a bound that says something
    assert np.abs(gap[-10:]).mean() < np.abs(gap[:10]).mean()


def optimal_values(mdp):
    """By many sweeps in NumPy."""
    moves, reward = np.asarray(mdp.transition, float), np.asarray(mdp.reward, float)
    values = np.zeros(mdp.n_states)
    for _ in range(500):
        values = (reward + GAMMA * moves @ values).max(axis=1)
    return jnp.asarray(values)


@pytest.mark.slow
def test_the_maze_is_left_by_its_shortest_way():
    maze = DynaMaze()
    method, state, _ = searched(maze, DiscountedReturn(gamma=0.95), 80, n_steps=50)
    greedy = np.argmax(np.asarray(method.solution(state).logits), axis=1)
    place, observation = maze.reset(jax.random.key(0))
    length = 0
    terminated = False
    while not terminated and length < 100:
        place, step = maze.step(jax.random.key(0), place, greedy[int(observation)])
        observation, terminated = step.observation, bool(step.terminated)
        length += 1
    assert length == 14


def test_it_begins_with_the_start_policy():
    objective = DiscountedReturn(gamma=GAMMA)
    environment = seeded_garnet(seed=0)
    method = configured(environment, objective, n_steps=10, learning_starts=20, start="policy")
    sure = TabularSoftmax(
        jnp.zeros((environment.n_states, environment.n_actions)).at[:, 1].set(1e3)
    )
    state = method.init(jax.random.key(0), sure, objective)
    for steps, started in ((0, False), (19, False), (20, True)):
        actor = method.ask(jax.random.key(1), state._replace(steps=jnp.asarray(steps)))
        assert bool(actor.started) is started
        acts = [
            int(actor.act(actor.noise(jax.random.key(k)), jnp.asarray(k), ()).action)
            for k in range(4)
        ]
        assert (acts == [1, 1, 1, 1]) is not started


@pytest.mark.parametrize("bounded", [True, False])
def test_random_actions_are_random(bounded):
    """Over the whole range, or standard normal where there is none: bounds of 4.5 deviations."""
    model = LinearGaussianModel()
    space = spaces.Box(-2.0, 2.0, (1,)) if bounded else spaces.Box(-np.inf, np.inf, (1,))
    actor = RandomActions.of(model.configure(spaces.Box(-np.inf, np.inf, (2,)), space))
    keys = jax.random.split(jax.random.key(0), 2000)
    drawn = jax.vmap(lambda key: actor.act(actor.noise(key), jnp.zeros(2), ()).action)(keys)
    drawn = np.asarray(drawn)
    deviation = 4 / np.sqrt(12) if bounded else 1.0
    assert abs(drawn.mean()) < 4.5 * deviation / np.sqrt(2000)
    assert abs(drawn.std() - deviation) < 4.5 * deviation / np.sqrt(2 * 2000)


def test_what_does_not_fit_is_said_before_any_work():
    environment, objective = seeded_garnet(seed=0), DiscountedReturn(gamma=GAMMA)
    for settings, words in (
        ({"model": "tabulr"}, "tabular"),
        ({"planner": "value-iteratoin"}, "value-iteration"),
        ({"planner_settings": {"max_sweps": 3}}, "max_sweeps"),
        ({"model_settings": {"priorr": 3}}, "prior"),
        ({"planner": "model-based"}, "model-based"),
    ):
        with pytest.raises(UpslopeError, match=words):
            configured(environment, objective, **settings)
    with pytest.raises(UpslopeError, match="gamma below 1"):
        configured(environment, EpisodicReturn())
    with pytest.raises(UpslopeError, match="table of settings"):
        ModelBased(model_settings=3)
    with pytest.raises(UpslopeError, match="n_steps"):
        ModelBased(n_steps=0)
    pendulum = Pendulum()
    spec = ProblemSpec(
        None, pendulum.observation_space, pendulum.action_space, None, objective, None
    )
    with pytest.raises(UpslopeError, match="counts states and actions"):
        ModelBased(model="tabular").configure(spec)
