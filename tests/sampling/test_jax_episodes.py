"""Whole episodes: one a column, padding after their end, and their returns alone."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from small_policies import Affine, Rememberer, population
from small_worlds import Clock, Endless
from upslope.core.checks import UpslopeError
from upslope.core.records import first_nonfinite
from upslope.objectives import AverageReward, AverageValue, DiscountedReturn, EpisodicReturn
from upslope.policies.policy import respond
from upslope.sampling import EpisodeReturns, Episodes, JaxSampler, Steps
from upslope.sampling.episode_returns import sample_returns
from upslope.sampling.episodes import sample_episodes
from upslope.sampling.jax_sampler import refuse_endless

N, LIMIT = 6, 7
ENVIRONMENT = Clock(end=12.0)
POLICY = Affine.zeros(2, 2)


def episodes(policy=POLICY, limit=LIMIT, key=0):
    sample = jax.jit(lambda key: sample_episodes(key, ENVIRONMENT, policy, N, limit))
    return jax.tree.map(np.asarray, sample(jax.random.key(key)))


def test_a_column_is_one_whole_episode():
    batch, statistics = episodes()
    start = batch.observation[0, :, 1]
    assert len(set(start)) > 2
    lengths = np.minimum(12 - start, LIMIT)
    assert lengths.min() < LIMIT  # some terminate
    np.testing.assert_array_equal(batch.valid, np.arange(LIMIT)[:, None] < lengths)
    last = np.arange(LIMIT)[:, None] == lengths - 1
    terminates = 12 - start <= LIMIT
    np.testing.assert_array_equal(batch.terminated, last & terminates)
    np.testing.assert_array_equal(batch.truncated, last & ~terminates)
    counts = np.where(batch.valid, start + 1 + np.arange(LIMIT)[:, None], 0)
    np.testing.assert_array_equal(batch.reward, counts)
    np.testing.assert_array_equal(batch.next_observation[..., 0], counts)
    assert int(statistics.steps) == lengths.sum()
    assert int(statistics.episodes) == N
    np.testing.assert_allclose(statistics.lengths, lengths.mean(), rtol=1e-6)
    np.testing.assert_allclose(statistics.returns, counts.sum(axis=0).mean(), rtol=1e-6)


def test_padding_is_zero():
    batch, _ = episodes()
    for name in ("observation", "action", "reward", "next_observation"):
        assert not getattr(batch, name)[~batch.valid].any(), name


@pytest.mark.parametrize("limit", [1, 6, 7])
def test_the_time_limit_is_exact(limit):
    batch, _ = episodes(limit=limit)
    assert batch.valid.shape[0] == limit
    assert batch.valid.sum(axis=0).max() == limit
    assert not (batch.terminated & batch.truncated).any()
    assert ((batch.terminated | batch.truncated).sum(axis=0) == 1).all()


def python_return(key, candidate, n, objective, grid, index, deterministic):
    """One episode by a Python loop, with the keys that `sample_returns` gives it."""
    reset_key, act_key, step_key = jax.random.split(key, 3)
    pick = lambda k: jax.random.split(k, grid)[index]  # noqa: E731
    state, observation = ENVIRONMENT.reset(pick(reset_key))
    memory, total, weight = candidate.initial_memory(), 0.0, 1.0
    for time in range(LIMIT):
        distribution, memory = respond(candidate, observation, memory)
        chosen = pick(jax.random.fold_in(act_key, time))
        action = distribution.mode() if deterministic else distribution.sample(chosen)
        state, out = ENVIRONMENT.step(pick(jax.random.fold_in(step_key, time)), state, action)
        total, weight = total + weight * float(out.reward), weight * objective.discount
        observation = out.observation
        if out.terminated:
            break
    return objective.episode_return(total, time + 1), time + 1


P, E = 3, 2
OBJECTIVES = [
    EpisodicReturn(),
    EpisodicReturn(horizon=4),
    DiscountedReturn(0.7),
    AverageReward(),
    AverageValue(0.7),
]


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_returns_are_those_of_a_python_loop(objective):
    with_memory = isinstance(objective, DiscountedReturn)
    policy = Rememberer(jnp.zeros((2, 4)), jnp.zeros(2), 2) if with_memory else POLICY
    candidates = population(jax.random.key(5), policy, P)
    key = jax.random.key(2)
    limit = objective.horizon or LIMIT if isinstance(objective, EpisodicReturn) else LIMIT
    sample = jax.jit(lambda key: sample_returns(key, ENVIRONMENT, candidates, objective, E, limit))
    got, statistics = sample(key)
    for p in range(P):
        one = jax.tree.map(lambda leaf: leaf[p], candidates)  # noqa: B023
        for e in range(E):
            if limit != LIMIT:  # the count is known in closed form
                first = round(float(got.returns[p, e]))
                assert first in {sum(range(s + 1, s + 1 + min(4, 12 - s))) for s in range(10)}
                continue
            value, length = python_return(key, one, e, objective, (P, E), (p, e), False)
            np.testing.assert_allclose(got.returns[p, e], value, rtol=1e-5)
            assert int(got.lengths[p, e]) == length
    assert int(statistics.steps) == int(got.lengths.sum())
    assert int(statistics.episodes) == P * E


class Rewarding(Clock):
    """The reward is the action: returns depend on the randomness of acting."""

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        noise = jax.random.uniform(key)
        return state, out._replace(reward=action + noise)


@pytest.mark.slow
def test_common_random_numbers_are_common_to_candidates_and_differ_between_episodes():
    twins = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (P, *leaf.shape)), POLICY)

    def returns(common):
        return np.asarray(
            sample_returns(
                jax.random.key(0),
                Rewarding(),
                twins,
                EpisodicReturn(),
                E,
                LIMIT,
                common_random_numbers=common,
            )[0].returns
        )

    shared = returns(True)
    np.testing.assert_array_equal(shared, np.broadcast_to(shared[:1], (P, E)))
    assert shared[0, 0] != shared[0, 1]
    assert len(set(returns(False).ravel())) == P * E


@pytest.mark.parametrize("common", [True, False])
def test_the_collection_asks_for_common_random_numbers(common):
    twins = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (P, *leaf.shape)), POLICY)
    spec = EpisodeReturns(P, E, common_random_numbers=common)
    sampler = JaxSampler.create(jax.random.key(0), Rewarding(), spec, EpisodicReturn(LIMIT), POLICY)
    returns = np.asarray(sampler.sample(jax.random.key(1), twins)[0].returns)
    assert (returns == returns[:1]).all() == common
    assert returns[0, 0] != returns[0, 1]


def test_deterministic_returns_act_by_the_mode():
    sure = Affine(jnp.zeros((1, 2, 2)), jnp.asarray([[0.0, 0.1]]))
    got, _ = sample_returns(
        jax.random.key(0),
        Rewarding(end=1e9),
        sure,
        EpisodicReturn(),
        4,
        LIMIT,
        deterministic=True,
    )
    assert (np.asarray(got.returns) >= LIMIT).all()  # action 1 at every step, plus the noise


class Watching(Affine):
    """Normalises nothing, but asks for moments."""

    @property
    def observation_moments(self):
        return ()


def test_moments_are_those_of_the_observations_visited():
    candidates = population(jax.random.key(5), Watching.zeros(2, 2), 1)
    got, _ = sample_returns(jax.random.key(2), ENVIRONMENT, candidates, EpisodicReturn(), 50, LIMIT)
    whole = float(got.moments.count)
    assert whole == int(got.lengths.sum())
    lengths = np.asarray(got.lengths[0])
    # The start is 12 - length where it terminated; where it was cut the returns say it.
    starts = (np.asarray(got.returns[0]) - lengths * (lengths + 1) / 2) / lengths
    seen = np.concatenate([s + np.arange(n) for s, n in zip(starts, lengths, strict=True)])
    np.testing.assert_allclose(got.moments.mean[0], seen.mean(), rtol=1e-4)
    np.testing.assert_allclose(got.moments.variance[0], seen.var(), rtol=1e-3)


class Exploding(Clock):
    """Finite until its end; whoever steps on finds infinities."""

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        over = state[0] > self.end
        observation = jnp.where(over, jnp.inf, out.observation)
        return state, out._replace(observation=observation, reward=jnp.where(over, jnp.nan, 1.0))


@pytest.mark.slow
def test_what_a_world_says_after_its_end_is_not_heard():
    world = Exploding(end=12.0)
    candidates = population(jax.random.key(5), Watching.zeros(2, 2), 2)
    got, said = sample_returns(jax.random.key(2), world, candidates, EpisodicReturn(), 8, LIMIT)
    assert int(said.nonfinite_env) == 0
    np.testing.assert_array_equal(got.returns, got.lengths)
    assert bool(jnp.all(jnp.isfinite(got.moments.mean)))
    _batch, said = sample_episodes(jax.random.key(2), world, POLICY, 8, LIMIT)
    assert int(said.nonfinite_env) == 0
    assert float(said.returns) == float(said.lengths)


def test_first_broken_names_the_environment_and_the_step():
    reward = np.ones((4, 3), np.float32)
    observation = np.zeros((4, 3, 2), np.float32)
    assert [int(x) for x in first_nonfinite(jnp.asarray(reward), jnp.asarray(observation))] == [
        0,
        0,
    ]
    worse = reward.copy()
    worse[2, 1] = np.nan
    said = first_nonfinite(jnp.asarray(worse), jnp.asarray(observation))
    assert [int(x) for x in said] == [2, 2]
    observation[1, 2, 1] = np.inf
    said = first_nonfinite(jnp.asarray(worse), jnp.asarray(observation))
    assert [int(x) for x in said] == [3, 1]
    counted = jnp.zeros((4, 3), int)
    assert [int(x) for x in first_nonfinite(jnp.asarray(reward), counted)] == [0, 0]


class Faulty(Clock):
    """A NaN reward on reaching count 11."""

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        return state, out._replace(reward=jnp.where(state[0] == 11, jnp.nan, out.reward))


@pytest.mark.slow
@pytest.mark.parametrize("spec", [Steps(3, 6), Episodes(3), EpisodeReturns(3, 2)], ids=str)
def test_every_collection_reports_what_broke(spec):
    policy = population(jax.random.key(0), POLICY, 3)
    if not isinstance(spec, EpisodeReturns):
        policy = POLICY
    for world, broken in ((Clock(), False), (Faulty(time_limit=12), True)):
        sampler = JaxSampler.create(jax.random.key(1), world, spec, EpisodicReturn(), policy)
        for call in range(3):
            _, sampler = sampler.sample(jax.random.key(call), policy)
            if int(sampler.statistics.nonfinite_env):
                break
        assert bool(int(sampler.statistics.nonfinite_env)) == broken


@pytest.mark.slow
@pytest.mark.parametrize("spec", [Steps(3, 9), Episodes(3), EpisodeReturns(3, 2)], ids=str)
def test_seeds_side_by_side_are_the_seeds_one_by_one(spec):
    """Loops that end together for all seeds change nothing in any of them."""
    objective = DiscountedReturn(0.9)
    policy = population(jax.random.key(0), POLICY, 3)
    if not isinstance(spec, EpisodeReturns):
        policy = POLICY

    def one(key):
        start, go = jax.random.split(key)
        sampler = JaxSampler.create(start, ENVIRONMENT, spec, objective, policy)
        experience, sampler = sampler.sample(go, policy)
        return experience, sampler.statistics

    keys = jax.random.split(jax.random.key(9), 4)
    together, alone = jax.jit(jax.vmap(one))(keys), jax.jit(one)
    together = jax.tree.map(np.asarray, together)
    for i, key in enumerate(keys):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a[i], np.asarray(b), rtol=1e-6),  # noqa: B023
            together,
            alone(key),
        )


def test_whole_episodes_need_an_end():
    with pytest.raises(UpslopeError, match="time_limit"):
        JaxSampler.create(
            jax.random.key(0), Endless(time_limit=None), Episodes(2), DiscountedReturn(0.9), POLICY
        )
    JaxSampler.create(
        jax.random.key(0), Endless(time_limit=None), Episodes(2), EpisodicReturn(horizon=3), POLICY
    )


@pytest.mark.parametrize("objective", [EpisodicReturn(), DiscountedReturn(0.9)])
def test_a_sum_without_a_discount_needs_an_end_however_it_is_sampled(objective):
    """Streams of steps may run for ever under a discount, and under no other sum."""
    create = lambda world: JaxSampler.create(  # noqa: E731
        jax.random.key(0), world, Steps(2, 3), objective, POLICY
    )
    create(Endless())
    if objective.discount < 1:
        create(Endless(time_limit=None))
    else:
        with pytest.raises(UpslopeError, match=r"gamma = 1.*time_limit"):
            create(Endless(time_limit=None))


@pytest.mark.parametrize("objective", [EpisodicReturn(horizon=5), AverageReward()])
def test_a_horizon_or_an_average_needs_no_time_limit(objective):
    refuse_endless(Endless(time_limit=None), Steps(2, 3), objective)


class Long(Clock):
    """A reward that single precision cannot hold, step after step."""

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        return state, out._replace(reward=jnp.asarray(0.1), terminated=jnp.asarray(False))


def test_a_long_return_is_not_the_sum_of_its_rounding_errors():
    """A plain sum in single precision is 1 % off after a million steps."""
    candidates = population(jax.random.key(5), Affine.zeros(2, 2), 1)
    world, limit = Long(), 200_000
    got, _ = sample_returns(jax.random.key(2), world, candidates, EpisodicReturn(), 1, limit)
    np.testing.assert_allclose(np.asarray(got.returns), 0.1 * limit, rtol=1e-6)
    plain = np.cumsum(np.full(limit, 0.1, np.float32))[-1]
    assert abs(plain / (0.1 * limit) - 1) > 1e-5
