"""Replay on simulators: fresh steps go into a ring in host memory, batches come out."""

from __future__ import annotations

import warnings

import jax
import numpy as np
import pytest
from host_policies import linear
from small_simulators import Drift, Spaces, world

from upslope.objectives.objective import EpisodicReturn
from upslope.sampling.experience import Replay, Steps
from upslope.sampling.simulators.gymnasium_sampler import GymnasiumSampler

S, N, T = 2, 3, 4
KEYS = [jax.random.split(jax.random.key(k), S) for k in range(8)]
SPEC = Replay(Steps(N, T), 60, 2, 16, 2, prioritized=True)


def sampler(spec=SPEC, **settings):
    options = {"n_seeds": S, "seed": 11, "workers": 0, **settings}
    return GymnasiumSampler(world(Drift), spec, EpisodicReturn(), **options)


def iterated(many, keys):
    """Samples and sets priorities as the engine does."""
    drawn = None
    for key in keys:
        drawn, _ = many.sample(key, linear(S))
        many.set_priorities(drawn, 0.1 + drawn.indices % 7, np.ones(S, bool))
    return drawn


def part(state):
    """What of a state is the ring's."""
    return {name: leaf for name, leaf in state.items() if name.startswith("replay.")}


def same(got, expected):
    jax.tree.map(np.testing.assert_array_equal, got, expected)


@pytest.mark.parametrize("prioritized", [False, True])
def test_batches_are_windows_of_what_happened(prioritized):
    many = sampler(Replay(Steps(N, T), 60, 2, 16, 2, prioritized))
    seen = set()
    for key in KEYS:
        drawn, _ = many.sample(key, linear(S))
        fresh, batches = drawn.fresh, drawn.batches
        seen |= {row.tobytes() for row in fresh.observation.reshape(-1, 3)}
        assert batches.observation.shape == (S, 2, 2, 16, 3)
        valid = batches.valid
        assert valid[:, :, 0].all()
        assert all(row.tobytes() in seen for row in batches.observation[valid])
        np.testing.assert_array_equal(batches.reward[valid], batches.next_observation[valid][:, 0])
        ages = batches.next_observation[..., 2] - batches.observation[..., 2]
        assert (ages[valid] == 1).all()
        both = valid.all(axis=2)
        np.testing.assert_array_equal(
            batches.next_observation[:, :, 0][both], batches.observation[:, :, 1][both]
        )
    assert (drawn.filled > len(KEYS) * T * N * 0.6).all()
    assert many.statistics.steps.tolist() == [T * N] * S


def test_a_seed_draws_the_same_beside_others():
    alone = sampler(n_seeds=1)
    both = sampler()
    for key in KEYS[:3]:
        one, _ = alone.sample(key[:1], linear(1))
        two, _ = both.sample(key, jax.tree.map(lambda leaf: np.stack([leaf[0]] * S), linear(1)))
        same(jax.tree.map(lambda leaf: leaf[:1], two.batches), one.batches)


def test_priorities_of_seeds_that_have_stopped_stay():
    many = sampler()
    drawn, _ = many.sample(KEYS[0], linear(S))
    before = many.replay.tree.leaves().copy()
    many.set_priorities(drawn, np.full((S, 2, 16), 5.0), np.array([True, False]))
    after = many.replay.tree.leaves()
    assert (before[0] != after[0]).any()
    same(after[1], before[1])


@pytest.mark.parametrize("calls", [1, 7])
def test_a_restored_sampler_draws_the_same(calls):
    whole, cut = sampler(), sampler()
    iterated(whole, KEYS[:calls])
    expected = iterated(whole, KEYS[calls:])
    iterated(cut, KEYS[:calls])
    state = cut.state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second = sampler(workers=1)
        try:
            second.restore(state)
            assert any(name.startswith("replay.row") for name in state)
            same(part(second.state()), part(state))
            same(iterated(second, KEYS[calls:]), expected)
        finally:
            second.close()
    same(part(second.state()), part(whole.state()))


def test_a_ring_that_is_not_saved_is_filled_anew_and_that_is_said():
    first, second = (sampler() for _ in range(2))
    iterated(first, KEYS[:3])
    iterated(second, KEYS[3:])
    state = first.state(replay=False)
    assert not any(name.startswith("replay.") for name in state)
    with pytest.warns(UserWarning, match="the buffer is filled anew"):
        second.restore(state)
    drawn, _ = second.sample(KEYS[3], linear(S))
    expected, _ = first.sample(KEYS[3], linear(S))
    same(drawn.fresh, expected.fresh)
    assert (drawn.filled < expected.filled).all()


def test_images_stay_bytes_and_trees_stay_trees():
    for name, size in (("image", 90), ("dict", 7)):
        spec = Replay(Steps(N, T), 20, 1, 8)
        many = GymnasiumSampler(
            world(Spaces, observation=name, action="box"),
            spec,
            EpisodicReturn(),
            n_seeds=1,
            seed=0,
            workers=0,
        )
        drawn, _ = many.sample(KEYS[0][:1], linear(1, size=size, actions=6))
        if name == "image":
            assert drawn.batches.observation.dtype == np.uint8
            assert many.replay.rows.observation.dtype == np.uint8
        else:
            assert set(drawn.batches.observation) == {"a", "b"}
