"""Simulators side by side do what single simulators do, one after the other."""

from __future__ import annotations

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from host_policies import counting, linear
from small_simulators import Breach, Drift, Failing, world

from small_policies import Affine
from upslope.core.checks import NumericalError, UpslopeError
from upslope.core.moments import Moments
from upslope.environments.adaptors.gymnasium import GymnasiumSpec
from upslope.objectives.objective import DiscountedReturn, EpisodicReturn
from upslope.policies.normalized import NormalizedPolicy
from upslope.sampling.experience import Dynamics, EpisodeReturns, Episodes, Steps
from upslope.sampling.simulators.episode_seeds import EpisodeSeeds
from upslope.sampling.simulators.gymnasium_sampler import GymnasiumSampler

S, N, T = 2, 3, 20
KEYS = jax.random.split(jax.random.key(0), S)


def sampler(simulators, spec, objective=None, **settings):
    settings = {"n_seeds": S, "seed": 11, "workers": 0, **settings}
    return GymnasiumSampler(simulators, spec, objective or EpisodicReturn(), **settings)


def replayed(env, seeds, index, slot, actions):
    """What one simulator shows when it is stepped alone with these actions."""
    row = np.array([index * N + slot])
    observation, _ = env.reset(seed=int(seeds.next(row)[0]))
    for action in actions:
        clipped = np.clip(action, env.action_space.low, env.action_space.high)
        successor, reward, terminated, truncated, _ = env.step(clipped)
        yield observation, reward, successor, terminated, truncated and not terminated
        observation = successor
        if terminated or truncated:
            observation, _ = env.reset(seed=int(seeds.next(row)[0]))


@pytest.mark.parametrize("end", ["terminated", "truncated", "both"])
def test_vector_equals_singles_with_staggered_ends(end):
    many = sampler(world(Drift, end=end), Steps(N, T))
    batches = [
        many.sample(jax.vmap(jax.random.fold_in, (0, None))(KEYS, k), linear(S))[0] for k in (1, 2)
    ]
    both = [np.concatenate(pair, axis=1) for pair in zip(*[b[:7] for b in batches], strict=True)]
    observation, action, reward, successor, terminated, truncated, valid = both
    assert valid.all()
    assert (action > 0.25).any()  # beyond the bounds, as drawn
    ends = (terminated | truncated).sum(axis=1)
    assert ends.min() > 2
    assert len(np.unique(np.argmax(terminated | truncated, axis=1))) > 2  # staggered
    assert truncated.any() == (end == "truncated")
    for s in range(S):
        for n in range(N):
            seeds = EpisodeSeeds(11, "training", (S, N))
            single = replayed(Drift(end=end), seeds, s, n, action[s, :, n])
            for t, expected in enumerate(single):
                got = [x[s, t, n] for x in (observation, reward, successor, terminated, truncated)]
                for value, wanted in zip(got, expected, strict=True):
                    np.testing.assert_array_equal(value, np.asarray(wanted, value.dtype))


def test_statistics_count_episodes_that_ended():
    many = sampler(world(Drift, end="truncated"), Steps(N, T))
    batches = []
    for k in (1, 2):
        keys = jax.vmap(jax.random.fold_in, (0, None))(KEYS, k)
        batches.append(many.sample(keys, linear(S))[0])
    reward = np.concatenate([b.reward for b in batches], axis=1)
    ended = np.concatenate([b.truncated for b in batches], axis=1)
    for s in range(S):
        returns, lengths = [], []
        for n in range(N):
            last = 0
            for t in np.flatnonzero(ended[s, :, n]) + 1:
                if t > T:  # it ended in the second call, wherever it began
                    returns.append(reward[s, last:t, n].sum())
                    lengths.append(t - last)
                last = t
        got = many.statistics
        assert got.episodes[s] == len(returns)
        assert got.steps[s] == N * T
        np.testing.assert_allclose(got.returns[s], np.mean(returns), rtol=1e-5)
        np.testing.assert_allclose(got.lengths[s], np.mean(lengths), rtol=1e-6)


def test_whole_episodes_are_padded_with_nothing():
    episodes, many = sampler(world(Drift), Episodes(N)).sample(KEYS, linear(S))
    lengths = episodes.valid.sum(axis=1)
    assert 3 <= lengths.min() < lengths.max() <= 9
    assert episodes.reward.shape == (S, 16, N)  # the power of two above the longest
    assert (episodes.valid == (np.arange(16)[:, None] < lengths[:, None, :])).all()
    last = np.arange(16)[:, None] == lengths[:, None, :] - 1
    assert (episodes.terminated == last).all()
    assert not episodes.truncated.any()
    for column in (episodes.observation, episodes.action, episodes.next_observation):
        assert (column[~episodes.valid] == 0).all()
    assert (episodes.observation[:, 0, :, 2] == 0).all()
    np.testing.assert_array_equal(many.statistics.steps, lengths.sum(axis=1))
    again, _ = many.sample(KEYS, linear(S))
    assert (again.observation[:, 0, :, 0] != episodes.observation[:, 0, :, 0]).all()


def test_time_limits_are_exact():
    # By Gymnasium's own wrapper, and by the objective's horizon.
    cart = GymnasiumSpec.registered("CartPole-v1", {"time_limit": 5})
    policy = Affine(jnp.zeros((S, 2, 4)), jnp.zeros((S, 2)))
    episodes, _ = sampler(cart, Episodes(N)).sample(KEYS, policy)
    assert episodes.reward.shape[1] == 5
    assert episodes.valid.all()
    assert episodes.truncated[:, 4].all()
    assert not episodes.truncated[:, :4].any()
    short = EpisodicReturn(horizon=4)
    episodes, _ = sampler(world(Drift, shortest=6), Episodes(N), short).sample(KEYS, linear(S))
    assert episodes.reward.shape[1] == 4
    assert episodes.truncated[:, 3].all()
    assert not episodes.terminated.any()
    streams, _ = sampler(world(Drift, shortest=6), Steps(N, T), short).sample(KEYS, linear(S))
    assert (streams.truncated == (np.arange(T) % 4 == 3)[None, :, None]).all()
    assert (streams.observation[..., 2] == (np.arange(T) % 4)[None, :, None]).all()


def test_returns_are_those_of_the_objective():
    P, E = 3, 2
    candidates = linear(S, P)
    many = sampler(world(Drift), EpisodeReturns(P, E), DiscountedReturn(0.9), deterministic=True)
    experience, _ = many.sample(KEYS, candidates)
    seeds = EpisodeSeeds(11, "training", (S, P * E))
    env = Drift()
    for s, p, e in np.ndindex(S, P, E):
        row = np.array([(s * P + p) * E + e])
        observation, _ = env.reset(seed=int(seeds.next(row)[0]))
        total, length, over = 0.0, 0, False
        while not over:
            action = np.asarray(candidates.weights[s, p]) @ observation
            action = np.clip(action, env.action_space.low, env.action_space.high)
            observation, reward, over, _, _ = env.step(action)
            total, length = total + 0.9**length * reward, length + 1
        assert experience.lengths[s, p, e] == length
        np.testing.assert_allclose(experience.returns[s, p, e], total, rtol=2e-5, atol=1e-5)
    np.testing.assert_array_equal(many.statistics.steps, experience.lengths.sum(axis=(1, 2)))


def test_common_random_numbers_give_equal_candidates_equal_returns():
    same = jax.tree.map(lambda leaf: jnp.repeat(leaf[:, None], 3, axis=1), linear(S))
    for common in (True, False):
        many = sampler(
            world(Drift),
            EpisodeReturns(3, 2),
            deterministic=True,
            common_random_numbers=common,
        )
        returns = np.asarray(many.sample(KEYS, same)[0].returns)
        assert (returns == returns[:, :1]).all() == common
        assert (returns[:, :, 0] != returns[:, :, 1]).all()


@pytest.mark.parametrize("common", [True, False])
def test_the_collection_asks_for_common_random_numbers(common):
    """Random policies too: seeds of episodes and keys of actions are shared by the candidates."""
    same = jax.tree.map(lambda leaf: jnp.repeat(leaf[:, None], 3, axis=1), linear(S))
    many = sampler(world(Drift), EpisodeReturns(3, 2, common_random_numbers=common))
    returns = np.asarray(many.sample(KEYS, same)[0].returns)
    assert (returns == returns[:, :1]).all() == common
    assert (returns[:, :, 0] != returns[:, :, 1]).all()
    assert (returns[0] != returns[1]).all()


def test_memory_begins_anew_with_every_episode_and_lasts_between_calls():
    many = sampler(world(Drift), Steps(N, T))
    for _ in range(2):
        batch, _ = many.sample(KEYS, counting(S))
        np.testing.assert_array_equal(batch.memory, batch.observation[:, 0, :, 2])
        np.testing.assert_allclose(batch.action[..., 0], batch.observation[..., 2], atol=1e-6)
    assert batch.memory.max() > 0


def test_moments_are_those_of_the_observations_visited():
    nothing = Moments(jnp.zeros((S, 1)), jnp.zeros((S, 1, 3)), jnp.zeros((S, 1, 3)))
    normalising = NormalizedPolicy(linear(S, 1), nothing)
    experience, _ = sampler(world(Drift), EpisodeReturns(1, 4)).sample(KEYS, normalising)
    lengths = np.asarray(experience.lengths).reshape(S, -1)
    assert experience.moments is not None
    np.testing.assert_allclose(experience.moments.count, lengths.sum(axis=1))
    times = [np.concatenate([np.arange(n) for n in row]) for row in lengths]
    np.testing.assert_allclose(experience.moments.mean[:, 2], [t.mean() for t in times], rtol=1e-5)
    spread = [t.var() * len(t) for t in times]
    np.testing.assert_allclose(experience.moments.squares[:, 2], spread, rtol=1e-5)
    assert sampler(world(Drift), EpisodeReturns(1, 4)).sample(KEYS, linear(S, 1))[0].moments is None


def test_every_action_has_noise_of_its_own():
    silent = jax.tree.map(jnp.zeros_like, linear(S))
    streams, _ = sampler(world(Drift), Steps(N, T)).sample(KEYS, silent)
    again, _ = sampler(world(Drift), Steps(N, T)).sample(KEYS, silent)
    assert len(np.unique(streams.action)) == streams.action.size
    np.testing.assert_array_equal(streams.action, again.action)
    returns = EpisodeReturns(N, 2)
    silent = jax.tree.map(jnp.zeros_like, linear(S, N))
    experience, _ = sampler(world(Drift), returns).sample(KEYS, silent)
    assert len(np.unique(experience.returns)) == experience.returns.size


@pytest.mark.parametrize("spec", [Steps(N, T), Episodes(N), EpisodeReturns(N, 1)])
def test_the_first_nan_is_named(spec, tmp_path):
    candidates = linear(S, N) if isinstance(spec, EpisodeReturns) else linear(S)
    simulators = world(Failing, how="nan", folder=str(tmp_path), at=3)
    many = sampler(simulators, spec)
    many.sample(KEYS, candidates)
    assert many.statistics.nonfinite_env.tolist() == [1, 0]
    assert many.statistics.nonfinite_step.tolist() == [2, 0]
    experience, _ = many.sample(KEYS, candidates)  # and it can go on
    assert many.statistics.nonfinite_env.tolist() == [0, 0]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(experience))


def test_after_a_reseed_only_the_iteration_counts():
    went_on, resumed = (sampler(world(Drift), Steps(N, T)) for _ in range(2))
    went_on.sample(KEYS, linear(S))
    batches = []
    for many in (went_on, resumed):
        many.start_fresh_episodes(5)
        batches.append(many.sample(KEYS, linear(S))[0])
    jax.tree.map(np.testing.assert_array_equal, *batches)
    resumed.start_fresh_episodes(6)
    other, _ = resumed.sample(KEYS, linear(S))
    assert (other.observation != batches[0].observation).any()


def test_every_episode_has_a_seed_of_its_own():
    rows = np.arange(4)
    seen = []
    for stream in ("training", "evaluation-1"):
        for run in (0, 1):
            seeds = EpisodeSeeds(run, stream, (2, 2))
            for iteration in (0, 7):
                seeds.restart(iteration)
                seen += [*seeds.next(rows), *seeds.next(rows)]
    assert len(set(seen)) == len(seen) == 64
    assert max(seen) < 2**31


def test_the_first_seeds_results_do_not_depend_on_how_many_run_beside_it():
    one = GymnasiumSampler(
        world(Drift), Steps(N, T), EpisodicReturn(), n_seeds=1, seed=11, workers=0
    )
    alone, _ = one.sample(KEYS[:1], linear(1))
    weights = jnp.broadcast_to(linear(1).weights, (S, 2, 3))
    beside, _ = sampler(world(Drift), Steps(N, T)).sample(KEYS, type(linear(1))(weights))
    for a, b in zip(alone[:7], beside[:7], strict=True):
        np.testing.assert_allclose(a[0], b[0], rtol=1e-6, atol=1e-6)


def test_what_cannot_work_is_refused():
    with pytest.raises(UpslopeError, match="equations"):
        sampler(world(Drift), Dynamics())
    with pytest.raises(UpslopeError, match="workers=-1"):
        sampler(world(Drift), Steps(N, T), workers=-1)
    with pytest.raises(UpslopeError, match="3 numbers, the simulators take 2"):
        sampler(world(Drift), Steps(N, T)).sample(KEYS, linear(S, actions=3))
    diverged = jax.tree.map(lambda leaf: leaf * jnp.nan, linear(S))
    with pytest.raises(NumericalError, match="seed index 0"):
        sampler(world(Drift), Steps(N, T)).sample(KEYS, diverged)
    lock = threading.Lock()
    with pytest.raises(UpslopeError, match=r"workers=1 needs .*cannot pickle.*workers=0"):
        sampler(GymnasiumSpec.built_by(lambda: lock and Drift()), Steps(N, T), workers=1)


def test_dtypes_are_those_of_a_jax_world():
    batch, _ = sampler(world(Breach), Steps(N, 2)).sample(KEYS, linear(S, size=2))
    assert {str(leaf.dtype) for leaf in batch[:4]} == {"float32"}
    assert {str(leaf.dtype) for leaf in batch[4:7]} == {"bool"}
