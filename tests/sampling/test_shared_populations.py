"""A population in slices and on several devices: what it returns is what one device returns."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

import upslope
from upslope.core.moments import Moments
from upslope.engine.devices import layout_for
from upslope.environments import make
from upslope.objectives import EpisodicReturn
from upslope.policies import default_policy
from upslope.sampling.episode_returns import sample_returns
from upslope.training.build import tries_populations
from upslope.training.config import resolve

WORLD = make("CartPole-v1")
LIMIT = 60


@functools.cache
def population(size):
    """Networks that normalise what they see and draw their actions."""
    build = lambda key: default_policy(  # noqa: E731
        key,
        WORLD.observation_space,
        WORLD.action_space,
        kind="softmax",
        hidden=(8,),
        normalize_observations=True,
    )
    return jax.jit(jax.vmap(build))(jax.random.split(jax.random.key(1), size))


def sampled(candidates, *, devices=1, common=False, **settings):
    axis = "population" if devices > 1 else None
    mesh = Mesh(np.asarray(jax.devices()[:devices]), ("population",))

    def sample(key, candidates):
        return sample_returns(
            key, WORLD, candidates, EpisodicReturn(), 3, LIMIT, axis=axis,
            common_random_numbers=common, **settings,
        )  # fmt: skip

    if axis is not None:
        whole = PartitionSpec()
        sample = jax.shard_map(
            sample, mesh=mesh, in_specs=(whole, whole), out_specs=whole, check_vma=False
        )
    return jax.tree.map(np.asarray, jax.jit(sample)(jax.random.key(0), candidates))


@functools.cache
def whole(size, common):
    """Of one device, without slices."""
    return sampled(population(size), common=common)


@pytest.mark.slow
@pytest.mark.parametrize("common", [False, True])
@pytest.mark.parametrize("size", [1, 2, 7])
@pytest.mark.parametrize(
    "settings",
    [{"slice_size": 6}, {"slice_size": 1}, {"devices": 2}, {"devices": 2, "slice_size": 6}],
)
def test_nothing_changes(size, common, settings):
    """Odd populations leave padding on a device or in a slice: it is nobody's."""
    one = whole(size, common)
    other = sampled(population(size), common=common, **settings)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    np.testing.assert_array_equal(one[0].returns, other[0].returns)
    np.testing.assert_array_equal(one[0].lengths, other[0].lengths)
    assert float(one[0].moments.count) == one[0].lengths.sum() == int(one[1].steps)


@pytest.mark.slow
def test_slices_bound_the_memory():
    """What a program needs besides its arguments and results, of 4,096 candidates."""
    candidates = population(4096)

    def needed(size):
        run = lambda key, candidates: sample_returns(  # noqa: E731
            key, WORLD, candidates, EpisodicReturn(), 4, LIMIT, slice_size=size
        )
        program = jax.jit(run).lower(jax.random.key(0), candidates).compile()
        return program.memory_analysis().temp_size_in_bytes

    whole, sliced = needed(2**16), needed(2**10)
    print(f"{whole:,} bytes, in slices {sliced:,}")
    assert sliced < whole / 3


def test_episodes_are_of_their_own():
    """Two candidates alike, all of whose episodes differ; with common numbers none does."""
    alike = jax.tree.map(lambda leaf: jnp.concatenate([leaf[:1]] * 2), population(1))
    own, common = sampled(alike)[0].returns, sampled(alike, common=True)[0].returns
    assert len(set(own.ravel())) > 3
    np.testing.assert_array_equal(common[0], common[1])


def test_moments_of_streams_together_are_those_of_all_samples():
    rng = np.random.default_rng(0)
    parts = [rng.normal(3.0, 2.0, size=(size, 2)).astype(np.float32) for size in (4, 1, 30)]
    each = [Moments.of(jnp.asarray(part)) for part in parts]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)
    together, every = stacked.together(), np.concatenate(parts)
    np.testing.assert_allclose(together.count, 35)
    np.testing.assert_allclose(together.mean, every.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(together.variance, every.var(axis=0), rtol=1e-5)


class TestDevices:
    def test_seeds_come_first(self):
        assert layout_for(2, 64) == (2, 1)
        assert layout_for(4, 64) == (2, 1)

    def test_what_seeds_leave_shares_the_population(self):
        assert layout_for(1, 64) == (1, 2)
        assert layout_for(3, 64) == (1, 2)

    def test_one_candidate_is_not_shared(self):
        assert layout_for(1, 1) == (1, 1)

    @pytest.mark.parametrize(("method", "does"), [("cem", True), ("ppo", False)])
    def test_who_tries_populations(self, method, does):
        assert tries_populations(resolve("CartPole-v1", method, {})) is does


@pytest.mark.slow
def test_a_seed_alone_is_the_first_of_two():
    """One seed has both devices for its population, two have one each."""
    settings = {"total_timesteps": 3000, "evaluations": 1, "final_episodes": 4, "out": None}
    settings |= {"policy": "deterministic", "hidden": (8,), "normalize_observations": True}
    alone, both = (upslope.train("CartPole-v1", "cem", seeds=n, **settings) for n in (1, 2))
    for a, b in zip(jax.tree.leaves(alone.policy(0)), jax.tree.leaves(both.policy(0)), strict=True):
        np.testing.assert_array_equal(a, b)
