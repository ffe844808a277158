"""Acting by NumPy twins on simulators: the same policies as the compiled call, other draws."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from small_simulators import Drift, Masked, world

from upslope.core.actor import Actor
from upslope.environments.adaptors.gymnasium import GymnasiumSpec
from upslope.objectives.objective import EpisodicReturn
from upslope.policies import default_policy
from upslope.policies.epsilon_greedy import EpsilonGreedy
from upslope.sampling.experience import EpisodeReturns, Episodes, Steps
from upslope.sampling.simulators import twin_sampler
from upslope.sampling.simulators.action_sampler import JaxActionSampler
from upslope.sampling.simulators.gymnasium_sampler import GymnasiumSampler
from upslope.sampling.simulators.gymnasium_spaces import policy_spaces
from upslope.sampling.simulators.twin_sampler import TwinActionSampler, action_sampler

S, N, T = 2, 3, 9
KEYS = [jax.random.split(jax.random.key(k), S) for k in range(4)]
BOX, FOUR = spaces.Box(-1.0, 1.0, (3,), np.float32), spaces.Discrete(4)


def policies(observations, actions, lead=(S,), **settings):
    """Policies with leading axes, of weights large enough to matter."""
    keys = jax.random.split(jax.random.key(0), lead)
    make = lambda key: default_policy(key, observations, actions, out_gain=1.0, **settings)  # noqa: E731
    for _ in lead:
        make = jax.vmap(make)
    return make(keys)


def both(actors, grid, keys=KEYS[0], **settings):
    twins = twin_sampler.twins_of(actors, len(grid) - 1)
    options = {"deterministic": False, "common_keys": False, **settings}
    return TwinActionSampler(keys, twins, grid, **options), JaxActionSampler(
        keys, actors, grid, **options
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["softmax", "recurrent", "gaussian", "beta"])
@pytest.mark.parametrize("grid", [(S, N), (S, 2, N)])
def test_greedy_actions_and_memories_are_those_of_the_compiled_call(kind, grid):
    discrete = kind in ("softmax", "recurrent")
    actors = policies(BOX, FOUR if discrete else BOX, grid[:-1], kind=kind)
    twin, compiled = both(actors, grid, deterministic=True)
    memories = [sampler.initial_memory() for sampler in (twin, compiled)]
    rng = np.random.default_rng(0)
    for time in range(5):
        observation = rng.normal(size=(*grid, 3)).astype(np.float32)
        fresh, seen = rng.random(grid) < 0.3, np.ones(grid, bool)
        outs = []
        for index, sampler in enumerate((twin, compiled)):
            action, memories[index], extras = sampler.act(
                time, observation, memories[index], fresh, seen
            )
            assert extras == ()
            outs.append(action)
        assert outs[0].dtype == outs[1].dtype
        if discrete:
            np.testing.assert_array_equal(*outs)
        else:
            np.testing.assert_allclose(*outs, rtol=1e-4, atol=1e-5)
        assert jax.tree.structure(memories[0]) == jax.tree.structure(memories[1])
        for a, b in zip(*map(jax.tree.leaves, memories), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_draws_follow_the_distribution_of_the_compiled_policy():
    """|z| < 4.5 for each of 2 x 4 actions: false alarm 6e-5."""
    count = 20_000
    actors = policies(BOX, FOUR)
    observation = np.broadcast_to(np.float32([0.5, -1.0, 2.0]), (S, count, 3))
    twin, _ = both(actors, (S, count))
    never, seen = np.zeros((S, count), bool), np.ones((S, count), bool)
    action, _, _ = twin.act(0, observation, (), never, seen)
    for seed in range(S):
        policy = jax.tree.map(lambda leaf, seed=seed: leaf[seed], actors)
        expected = np.asarray(policy(jnp.asarray(observation[seed, 0])).probs)
        share = np.bincount(action[seed], minlength=4) / count
        z = (share - expected) / np.sqrt(expected * (1 - expected) / count)
        assert np.abs(z).max() < 4.5
        uniform = (0.25 - expected) / np.sqrt(expected * (1 - expected) / count)
        assert np.abs(uniform).max() > 4.5  # the wrong variant is told apart


def test_epsilon_greedy_explores_what_is_allowed():
    """Of three allowed actions the best has 1 - epsilon + epsilon / 3; |z| < 4.5."""
    count = 20_000
    masked = spaces.Dict({"o": BOX, "action_mask": spaces.MultiBinary(4)})
    actors = jax.vmap(lambda policy: EpsilonGreedy(policy, jnp.asarray(0.3), 4))(
        policies(masked, FOUR)
    )
    chosen = action_sampler(KEYS[0], actors, (S, count))
    assert isinstance(chosen, TwinActionSampler)
    point = np.float32([0.5, -1.0, 2.0])
    observation = {
        "o": np.broadcast_to(point, (S, count, 3)),
        "action_mask": np.broadcast_to(np.int32([1, 0, 1, 1]), (S, count, 4)),
    }
    never, seen = np.zeros((S, count), bool), np.ones((S, count), bool)
    action, _, _ = chosen.act(0, observation, (), never, seen)
    for seed in range(S):
        policy = jax.tree.map(lambda leaf, seed=seed: leaf[seed], actors).policy
        one = {"o": jnp.asarray(point), "action_mask": jnp.asarray([1, 0, 1, 1])}
        best = int(policy(one).mode())
        expected = np.array([0.1, 0.0, 0.1, 0.1])
        expected[best] += 0.7
        share = np.bincount(action[seed], minlength=4) / count
        assert share[1] == 0
        z = (share - expected)[[0, 2, 3]] / np.sqrt(0.1 * 0.9 / count)
        assert np.abs(z).max() < 4.5


def test_a_draw_depends_on_seed_step_and_slot_alone():
    actors = policies(BOX, BOX)
    never, seen = np.zeros((S, N), bool), np.ones((S, N), bool)
    zeros = np.zeros((S, N, 3), np.float32)
    twin, again = both(actors, (S, N))[0], both(actors, (S, N))[0]
    first, second = (twin.act(time, zeros, (), never, seen)[0] for time in (0, 1))
    np.testing.assert_array_equal(again.act(1, zeros, (), never, seen)[0], second)
    assert len(np.unique(np.concatenate([first, second]))) == 2 * first.size
    alone = policies(BOX, BOX)
    alone = jax.tree.map(lambda leaf: leaf[1:], alone)
    one = both(alone, (1, N), KEYS[0][1:])[0]
    np.testing.assert_array_equal(one.act(1, zeros[1:], (), never[1:], seen[1:])[0], second[1:])
    other = both(actors, (S, N), KEYS[1])[0]
    assert (other.act(1, zeros, (), never, seen)[0] != second).all()


@pytest.mark.parametrize("common", [False, True])
def test_common_random_numbers_are_those_of_the_episode(common):
    grid = (S, 2, N)
    actors = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf], axis=1), policies(BOX, BOX))
    twin, _ = both(actors, grid, common_keys=common)
    flags = np.zeros(grid, bool)
    action, _, _ = twin.act(3, np.zeros((*grid, 3), np.float32), (), flags, flags)
    assert (action[:, 0] == action[:, 1]).all() == common


class Bare(Actor):
    """An actor without a twin."""

    start: jax.Array

    def act(self, noise, observation, memory):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("actors", "grid", "counted", "twins"),
    [
        (policies(BOX, FOUR), (S, N), False, True),
        (policies(BOX, FOUR, (S, 1)), (S, 1, N), False, True),
        (policies(BOX, FOUR), (S, N), True, False),
        (policies(BOX, FOUR, (S, 5)), (S, 5, N), False, False),
        (policies(BOX, FOUR, hidden=(400, 300)), (S, N), False, False),
        (Bare(jnp.zeros(S)), (S, N), False, False),
    ],
)
def test_sizes_alone_choose(actors, grid, counted, twins):
    chosen = action_sampler(KEYS[0], actors, grid, count_moments=counted)
    assert isinstance(chosen, TwinActionSampler) == twins


@pytest.mark.slow
@pytest.mark.parametrize("spec", [Steps(N, T), Episodes(N), EpisodeReturns(1, N)])
def test_worker_processes_change_nothing(spec):
    lead = (S, 1) if isinstance(spec, EpisodeReturns) else (S,)
    actors = policies(*policy_spaces(world(Drift)), lead, kind="gaussian")
    batches = []
    for workers in (0, 2):
        many = GymnasiumSampler(
            world(Drift), spec, EpisodicReturn(), n_seeds=S, seed=1, workers=workers
        )
        try:
            batches.append([many.sample(key, actors)[0] for key in KEYS])
        finally:
            many.close()
    jax.tree.map(np.testing.assert_array_equal, *batches)


def test_masks_are_honoured(monkeypatch):
    """The simulator raises on a masked action; with the compiled call it sees the same trees."""
    spec = GymnasiumSpec.built_by(Masked)
    actors = policies(*policy_spaces(spec), normalize_observations=True)
    for limit in (twin_sampler.MAX_ACTORS, 0):
        monkeypatch.setattr(twin_sampler, "MAX_ACTORS", limit)
        many = GymnasiumSampler(spec, Steps(N, 40), EpisodicReturn(), n_seeds=S, seed=1, workers=0)
        batch, _ = many.sample(KEYS[0], actors)
        assert batch.action.dtype == np.int32
        mask = batch.observation["action_mask"]
        assert np.take_along_axis(mask, batch.action[..., None], axis=-1).all()
