"""What PPO computes before it improves: restarts, the environment's own discount, sizes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from upslope.core.checks import UpslopeError
from upslope.core.records import Trajectories
from upslope.objectives import DiscountedReturn
from upslope.policies import default_policy
from upslope.policies.critics import state_value
from upslope.search.gradient.gradient_ascent import reinforce
from upslope.search.gradient.on_policy_batch import on_policy_batch
from upslope.search.gradient.ppo import PPO, nearest_divisor
from upslope.search.gradient.reward_scale import RewardScale
from upslope.training.config import resolve

T, N = 5, 3
SPACES = (spaces.Box(-1.0, 1.0, (2,)), spaces.Discrete(2))


def policy(kind=None):
    hidden = (4, 4) if kind == "recurrent" else (4,)
    return default_policy(jax.random.key(0), *SPACES, kind=kind, hidden=hidden)


def streams(actor, **fields):
    draw = np.random.default_rng(0)
    memory = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (N, *jnp.shape(leaf))), actor.initial_memory()
    )
    steps = Trajectories(
        observation=jnp.asarray(draw.uniform(-1, 1, (T, N, 2)), jnp.float32),
        action=jnp.asarray(draw.integers(0, 2, (T, N))),
        reward=jnp.asarray(draw.normal(size=(T, N)), jnp.float32),
        next_observation=jnp.asarray(draw.uniform(-1, 1, (T, N, 2)), jnp.float32),
        terminated=jnp.zeros((T, N), bool),
        truncated=jnp.zeros((T, N), bool),
        valid=jnp.ones((T, N), bool),
        memory=memory,
    )
    return steps._replace(**fields)


@pytest.mark.slow
def test_restarted_streams_begin_with_a_fresh_memory_and_a_fresh_return():
    actor = policy("recurrent")
    critic = state_value(jax.random.key(1), actor)
    fresh = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (N, *jnp.shape(leaf))), critic.initial_memory()
    )
    used = jax.tree.map(lambda leaf: leaf + 0.7, fresh)
    scale = RewardScale.start(N)
    scale = eqx.tree_at(lambda s: s.running, scale, jnp.full(N, 9.0))

    def values(memory, scale, restarted):
        done = on_policy_batch(
            actor,
            critic,
            streams(actor, restarted=restarted),
            DiscountedReturn(0.9),
            0.95,
            critic_memory=memory,
            reward_scale=scale,
        )
        return done.batch.value, done.reward_scale.running

    which = jnp.asarray([True, False, True])
    value, running = values(used, scale, which)
    begun, zero = values(fresh, RewardScale.start(N), None)
    going, nine = values(used, scale, None)
    np.testing.assert_array_equal(value[:, ::2], begun[:, ::2])
    np.testing.assert_array_equal(value[:, 1], going[:, 1])
    np.testing.assert_allclose(running[::2], zero[::2], rtol=1e-6)
    np.testing.assert_allclose(running[1], nine[1], rtol=1e-6)
    assert not np.allclose(begun, going)
    assert not np.allclose(zero, nine)


@pytest.mark.slow
def test_the_environments_own_discount_enters_the_advantage_and_the_reward_scale():
    actor = policy()
    critic = state_value(jax.random.key(1), actor)
    own = jnp.where(jnp.arange(T)[:, None] == 2, -1.0, 0.5) * jnp.ones((T, N))
    steps = streams(actor, discount=own)
    gamma, lam = 0.9, 0.8
    done = on_policy_batch(
        actor,
        critic,
        steps,
        DiscountedReturn(gamma),
        lam,
        critic_memory=(),
        reward_scale=RewardScale.start(N),
    )
    reward = np.asarray(steps.reward, float)
    total, sums = np.zeros(N), []
    for t in range(T):
        sums.append(total + reward[t])
        total = gamma * np.asarray(own[t]) * sums[-1]
    scaled = np.clip(reward / np.sqrt(np.var(sums) + 1e-8), -10, 10)
    value = np.asarray(jax.vmap(jax.vmap(critic))(steps.observation), float)
    last = np.asarray(jax.vmap(critic)(steps.next_observation[-1]), float)
    following, advantage, later = [*value[1:], last], np.zeros((T, N)), 0.0
    for t in reversed(range(T)):
        discount = gamma * np.asarray(own[t], float)
        later = scaled[t] + discount * following[t] - value[t] + discount * lam * later
        advantage[t] = later
    np.testing.assert_allclose(done.batch.advantage, advantage, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(
    ("total", "wanted", "got"), [(2048, 64, 64), (800, 64, 80), (127, 64, 127), (1, 64, 1)]
)
def test_the_divisor_nearest_in_ratio(total, wanted, got):
    assert nearest_divisor(total, wanted) == got


def test_only_a_minibatch_that_the_user_gave_is_refused():
    assert PPO(n_steps=100).minibatch_size == 80
    assert PPO().minibatch_size == 64
    with pytest.raises(UpslopeError, match="batch_size=64"):
        PPO(n_steps=100, batch_size=64)
    recurrent = policy("recurrent")
    for n_steps, streams_wanted in ((256, 1), (16, 4), (24, 2)):
        method = PPO(n_steps=n_steps)
        method.check_memory(recurrent)
        assert method.streams_per_minibatch() == streams_wanted


def test_a_presets_minibatch_gives_way_to_the_users_other_sizes():
    assert resolve("CartPole-v1", "ppo").method_settings["batch_size"] == 128
    changed = resolve("CartPole-v1", "ppo", {"n_steps": 100, "n_envs": 3}).method_settings
    assert "batch_size" not in changed
    assert PPO(n_envs=3, n_steps=100).minibatch_size == 60
    kept = resolve("CartPole-v1", "ppo", {"n_steps": 256}).method_settings
    assert kept["batch_size"] == 128
    given = resolve("CartPole-v1", "ppo", {"n_steps": 100, "n_envs": 3, "batch_size": 128})
    assert given.method_settings["batch_size"] == 128


@pytest.mark.parametrize(
    "sizes", [dict(n_envs=1, n_steps=1), dict(n_envs=4, n_steps=8, batch_size=1)]
)
def test_minibatches_of_one_standardised_advantage_are_refused(sizes):
    with pytest.raises(UpslopeError, match=r"minibatches of one step.*normalize_advantage"):
        PPO(**sizes)
    PPO(**sizes, normalize_advantage=False)


def test_one_episode_less_its_own_mean_is_refused():
    with pytest.raises(UpslopeError, match=r"n_episodes=1.*'mean'"):
        reinforce(n_episodes=1, baseline="mean")
    for baseline in ("none", "value", "leave-one-out"):
        reinforce(n_episodes=1, baseline=baseline)
