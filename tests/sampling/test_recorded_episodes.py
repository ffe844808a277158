"""Episodes that are recorded are those that are played without."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from small_policies import Affine, population
from small_worlds import Clock
from upslope.objectives import EpisodicReturn
from upslope.sampling.episode_returns import Recording, episode_rollout, sample_returns

E, LIMIT = 3, 7
ENVIRONMENT = Clock(end=12.0)
POLICIES = population(jax.random.key(2), Affine.zeros(2, 2), 4)


def recorded(steps, candidates=(3, 1)):
    recording = Recording(candidates, steps, state=True)
    rollout = episode_rollout(
        jax.random.key(5), ENVIRONMENT, POLICIES, EpisodicReturn(), E, LIMIT, recording=recording
    )
    return jax.tree.map(np.asarray, jax.jit(rollout)(jnp.arange(4)))


def test_recording_changes_nothing_and_ends_at_the_return():
    plain, _ = sample_returns(jax.random.key(5), ENVIRONMENT, POLICIES, EpisodicReturn(), E, LIMIT)
    end = recorded(LIMIT)
    np.testing.assert_array_equal(end["plain"], plain.returns)
    record = end["record"]
    assert record.returns.shape == (LIMIT + 1, 2, E)
    for place, candidate in enumerate((3, 1)):
        for episode in range(E):
            length = int(plain.lengths[candidate, episode])
            assert record.returns[length, place, episode] == plain.returns[candidate, episode]
            assert record.lengths[: length + 1, place, episode].tolist() == [*range(length + 1)]


def test_a_record_is_cut_where_it_was_asked_to_be():
    whole, short = recorded(LIMIT), recorded(2)
    np.testing.assert_array_equal(whole["plain"], short["plain"])
    for long, cut in zip(
        jax.tree.leaves(whole["record"]), jax.tree.leaves(short["record"]), strict=True
    ):
        np.testing.assert_array_equal(long[:3], cut)


def test_rows_are_of_the_candidates_that_were_named():
    both, one = recorded(LIMIT)["record"], recorded(LIMIT, (1,))["record"]
    np.testing.assert_array_equal(both.observation[:, 1], one.observation[:, 0])
    assert not np.array_equal(both.observation[:, 0], one.observation[:, 0])
