"""Streams of steps: what a learner is told at the border of two episodes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from small_policies import Affine, Rememberer
from small_worlds import Clock
from upslope.objectives import DiscountedReturn
from upslope.sampling import JaxSampler, Steps
from upslope.sampling.streams import sample_steps, start_streams

N, T = 5, 40
POLICY = Affine.zeros(2, 2)


def run(environment, n_steps=T, policy=POLICY, calls=1, n_envs=N):
    """`calls` batches of one sampler, and the statistics of each."""
    sampler = JaxSampler.create(
        jax.random.key(0), environment, Steps(n_envs, n_steps), DiscountedReturn(0.9), policy
    )
    sample = jax.jit(lambda sampler, key: sampler.sample(key, policy))
    batches, statistics = [], []
    for call in range(calls):
        batch, sampler = sample(sampler, jax.random.key(call + 1))
        batches.append(jax.tree.map(np.asarray, batch))
        statistics.append(sampler.statistics)
    return batches, statistics


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1, 7, 40, 41])
def test_the_time_limit_is_exact(limit):
    """An episode has exactly `limit` steps: not one more, not one fewer."""
    (batch,), _ = run(Clock(time_limit=limit))
    times = np.arange(1, T + 1)
    np.testing.assert_array_equal(batch.truncated, np.tile((times % limit == 0)[:, None], (1, N)))
    assert not batch.terminated.any()
    assert batch.valid.all()


@pytest.mark.slow
def test_no_time_limit_means_no_end():
    (batch,), _ = run(Clock(time_limit=None))
    assert not batch.truncated.any()


@pytest.mark.parametrize("end", [1e9, 12.0])
def test_the_successor_is_the_true_one_and_the_next_row_is_a_new_episode(end):
    """By truncation (end=1e9) and by termination (end=12) alike."""
    (batch,), _ = run(Clock(end=end))
    ended = batch.terminated | batch.truncated
    assert batch.terminated.any() if end == 12.0 else batch.truncated.any()
    assert not ended.all()
    count, start = batch.observation[..., 0], batch.observation[..., 1]
    np.testing.assert_array_equal(batch.next_observation[..., 0], count + 1)
    np.testing.assert_array_equal(batch.next_observation[..., 1], start)
    np.testing.assert_array_equal(batch.reward, count + 1)
    np.testing.assert_array_equal(batch.terminated, batch.next_observation[..., 0] >= end)
    going = ~ended[:-1]
    np.testing.assert_array_equal(batch.observation[1:][going], batch.next_observation[:-1][going])
    fresh = batch.observation[1:][ended[:-1]]
    np.testing.assert_array_equal(fresh[:, 0], fresh[:, 1])  # count == start: just reset
    assert len(set(fresh[:, 1])) > 3  # and the resets differ


@pytest.mark.slow
def test_an_end_at_the_limit_is_a_termination_and_not_a_truncation():
    (batch,), _ = run(Clock(end=3.0, time_limit=1), n_steps=20)
    assert not (batch.terminated & batch.truncated).any()
    np.testing.assert_array_equal(batch.terminated, batch.observation[..., 0] >= 2.0)


@pytest.mark.slow
def test_statistics_are_those_of_the_episodes_that_ended():
    """Scores and lengths start anew after a truncation and after a termination."""
    batches, statistics = run(Clock(end=12.0), n_steps=11, calls=3)
    score, length = np.zeros(N), np.zeros(N)
    for batch, said in zip(batches, statistics, strict=True):
        scores, lengths = [], []
        for t in range(11):
            score, length = score + batch.reward[t], length + 1
            for n in np.flatnonzero(batch.terminated[t] | batch.truncated[t]):
                scores.append(score[n]), lengths.append(length[n])
                score[n] = length[n] = 0
        assert int(said.episodes) == len(scores) > 0
        np.testing.assert_allclose(said.returns, np.mean(scores), rtol=1e-6)
        np.testing.assert_allclose(said.lengths, np.mean(lengths), rtol=1e-6)
        assert int(said.steps) == 11 * N


@pytest.mark.slow
def test_statistics_are_nan_when_nothing_ended():
    _, (said,) = run(Clock(time_limit=None), n_steps=3)
    assert np.isnan(said.returns)
    assert np.isnan(said.lengths)
    assert int(said.episodes) == 0


@pytest.mark.slow
def test_streams_continue_where_the_last_call_stopped():
    batches, _ = run(Clock(), n_steps=5, calls=3)  # 5 does not divide the limit 7
    first, second = batches[0], batches[1]
    ended = first.truncated[-1]
    np.testing.assert_array_equal(second.observation[0][~ended], first.next_observation[-1][~ended])
    truncated = np.concatenate([batch.truncated for batch in batches])
    np.testing.assert_array_equal(truncated[:, 0], np.arange(1, 16) % 7 == 0)


def test_memory_starts_anew_with_the_episode_and_travels_with_the_batch():
    policy = Rememberer(jnp.zeros((2, 4)), jnp.zeros(2), 2)
    batches, _ = run(Clock(), n_steps=5, calls=3, policy=policy)
    memory = np.zeros((N, 2))
    for batch in batches:
        np.testing.assert_allclose(batch.memory, memory)
        for t in range(5):
            memory = memory + batch.observation[t]
            memory[batch.truncated[t]] = 0.0


def test_many_streams_are_the_single_ones(monkeypatch):
    """Each column is the world stepped alone with the same actions, resets where it ended."""
    environment = Clock(end=12.0)
    (batch,), _ = run(environment)
    for n in range(N):
        state = jnp.asarray(batch.observation[0, n])
        for t in range(T):
            state, out = environment.step(jax.random.key(0), state, batch.action[t, n])
            np.testing.assert_array_equal(out.observation, batch.next_observation[t, n])
            if batch.terminated[t, n] or batch.truncated[t, n]:
                state = jnp.asarray(batch.observation[t + 1, n]) if t + 1 < T else state


def test_resets_inside_the_loop_are_the_resets_before_it(monkeypatch):
    """Large states are reset inside the scan: the numbers are the same."""
    import upslope.sampling.streams as streams

    before, _ = run(Clock(end=12.0))
    monkeypatch.setattr(streams, "SMALL_STATE", 0)
    inside, _ = run(Clock(end=12.0))
    jax.tree.map(np.testing.assert_array_equal, before, inside)


def same_rows(together, alone):
    """Row i of every leaf of `together` equals `alone[i]`."""
    together = jax.tree.map(np.asarray, together)
    for i, one in enumerate(alone):
        jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[i], np.asarray(b)), together, one)  # noqa: B023


@pytest.mark.slow
def test_seeds_side_by_side_are_the_seeds_one_by_one():
    environment = Clock(end=12.0)

    def one(key):
        start, go = jax.random.split(key)
        streams = start_streams(start, environment, N, POLICY)
        return sample_steps(go, environment, POLICY, streams, 12, 7)

    keys = jax.random.split(jax.random.key(3), 3)
    together = jax.jit(jax.vmap(one))(keys)
    alone = jax.jit(one)
    same_rows(together, [alone(key) for key in keys])


class Tenths(Clock):
    """A reward that single precision cannot hold, step after step."""

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        return state, out._replace(reward=jnp.asarray(0.1))


def test_a_long_training_return_is_not_the_sum_of_its_rounding_errors():
    """Carried from batch to batch: 200 batches of 500 steps are one episode."""
    world, limit = Tenths(time_limit=100_000), 100_000

    @jax.jit
    def all_batches(streams):
        def batch(streams, key):
            _, streams, said = sample_steps(key, world, POLICY, streams, 500, limit)
            return streams, said.returns

        return jax.lax.scan(batch, streams, jax.random.split(jax.random.key(1), 200))[1]

    returns = all_batches(start_streams(jax.random.key(0), world, 1, POLICY))
    assert np.isnan(returns[:-1]).all()
    np.testing.assert_allclose(returns[-1], 10_000, rtol=1e-6)
    plain = np.cumsum(np.full(limit, 0.1, np.float32))[-1]
    assert abs(plain / 10_000 - 1) > 1e-5
