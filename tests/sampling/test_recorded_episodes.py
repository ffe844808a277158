"""Episodes that are recorded are those that are played without."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from small_policies import Affine, population
from small_worlds import Clock
from upslope.objectives import EpisodicReturn
from upslope.sampling.episode_returns import Recording, episode_rollout, sample_returns
from upslope.sampling.simulators.filmed import as_bytes

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


@pytest.mark.parametrize(
    ("picture", "pixel"),
    [
        (np.full((2, 3, 3), 7, np.uint8), [7, 7, 7]),
        (np.full((2, 3, 4), 7, np.uint8), [7, 7, 7]),
        (np.full((2, 3), 7, np.uint8), [7, 7, 7]),
        (np.full((2, 3, 1), 7, np.uint8), [7, 7, 7]),
        (np.full((2, 3, 3), 0.5), [127, 127, 127]),
        (np.full((2, 3, 3), 200.0), [200, 200, 200]),
        (np.full((2, 3, 3), 300), [255, 255, 255]),
        (np.ones((2, 3), bool), [255, 255, 255]),
    ],
)
def test_pictures_come_in_bytes_and_colours(picture, pixel):
    found = as_bytes(picture)
    assert (found.shape, found.dtype) == ((2, 3, 3), np.uint8)
    assert found[1, 2].tolist() == pixel


@pytest.mark.parametrize("shape", [(5,), (2, 3, 2), (0, 3, 3), (1, 2, 3, 3)])
def test_what_is_no_picture_is_refused(shape):
    with pytest.raises(ValueError, match=r"not a picture \[H, W, 3\]"):
        as_bytes(np.zeros(shape))


def test_rows_are_of_the_candidates_that_were_named():
    both, one = recorded(LIMIT)["record"], recorded(LIMIT, (1,))["record"]
    np.testing.assert_array_equal(both.observation[:, 1], one.observation[:, 0])
    assert not np.array_equal(both.observation[:, 0], one.observation[:, 0])
