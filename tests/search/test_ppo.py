"""PPO's machinery: minibatches, schedules, the KL stop, bootstraps, reward scale, memory."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from small_policies import Affine, Rememberer, Table
from small_worlds import Endless, Recall
from upslope.objectives import AverageReward, DiscountedReturn, EpisodicReturn
from upslope.policies import RecurrentSoftmax
from upslope.sampling import JaxSampler, Steps
from upslope.search import PPO
from upslope.search.gradient.minibatches import minibatches
from upslope.search.gradient.reward_scale import RewardScale
from upslope.search.iteration import iterate


@jax.jit
def scan(method, objective, state, sampler, keys):
    """Numbers of the method are arguments: one program serves many settings."""

    def body(carry, key):
        state, sampler, diagnostics = iterate(key, method, objective, *carry)
        return (state, sampler), diagnostics

    (state, _), diagnostics = jax.lax.scan(body, (state, sampler), keys)
    return state, diagnostics


def train(method, world, policy, objective, iterations, seed=0):
    """The state after some iterations, and the diagnostics of all of them."""
    make, start, go = jax.random.split(jax.random.key(seed), 3)
    state = method.init(start, policy, objective)
    sampler = JaxSampler.create(make, world, method.experience, objective, policy)
    return scan(method, objective, state, sampler, jax.random.split(go, iterations))


def endless_value(objective=DiscountedReturn(0.9), world=Endless(), **settings):  # noqa: B008
    settings = {
        "learning_rate": 0.3,
        "normalize_advantage": False,
        "max_grad_norm": 100.0,
    } | settings
    method = PPO(4, 16, 4, 64, **settings)
    state, _ = train(method, world, Table(jnp.zeros((1, 2))), objective, 150)
    return float(state.critic(jnp.asarray(0)))


def test_a_cut_episode_goes_on_in_the_value():
    """Constant reward 1, time limit 8: V is 1 / (1 - gamma) = 10, as if nothing had been cut."""
    np.testing.assert_allclose(endless_value(), 10.0, rtol=0.02)


class EndingAtTheLimit(Endless):
    """Wrong on purpose: the limit of 8 steps ends the process instead of cutting it."""

    def reset(self, key):
        return jnp.zeros((), int), jnp.zeros((), int)

    def step(self, key, state, action):
        _, out = super().step(key, state, action)
        return state + 1, out._replace(observation=jnp.zeros((), int), terminated=state == 7)


@pytest.mark.slow
def test_taking_the_limit_for_an_end_is_seen():
    assert endless_value(world=EndingAtTheLimit(time_limit=None)) < 7.0


@pytest.mark.slow
def test_an_episodic_objective_ends_where_the_episode_is_cut():
    """J counts 8 rewards and no more: without a discount the value stays below 8."""
    value = endless_value(objective=EpisodicReturn())
    assert 1.0 < value < 8.0


@pytest.mark.slow
def test_differential_values_of_a_constant_reward_are_zero():
    assert abs(endless_value(objective=AverageReward())) < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("streams", [False, True])
def test_every_step_is_used_once_in_every_epoch(streams):
    batch = jnp.arange(4 * 6).reshape(4, 6)
    size = 2 if streams else 8
    used = []

    def update(carry, minibatch):
        rows, memories = minibatch
        if streams:
            np.testing.assert_array_equal(memories, rows[0])
        used.append(np.asarray(rows).ravel())
        return carry, None

    with jax.disable_jit():
        _, last = minibatches(
            jax.random.key(0), update, (), batch, batch[0], 3, size, streams, 9 if streams else 3
        )
    epochs = np.concatenate(used).reshape(3, 24)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(24), (3, 1)))
    assert not (epochs[0] == epochs[1]).all()
    # Given back are the last minibatches: as many as hold the steps asked for.
    expected = np.concatenate(used).reshape(-1, 4, 2)[-2:] if streams else used[-1]
    given = np.asarray(last[0])
    if streams:
        given = given.reshape(4, 2, 2).transpose(1, 0, 2)
    np.testing.assert_array_equal(given, expected)


class TestSteps:
    """What one call of `tell` does with its hyper-parameters."""

    world, policy, objective = Recall(), Affine.zeros(2, 1), DiscountedReturn(0.9)

    def run(self, iterations=4, **settings):
        method = PPO(4, 8, 4, 16, **settings)
        return train(method, self.world, self.policy, self.objective, iterations)

    @pytest.mark.slow
    def test_linear_schedules_fall_to_zero(self):
        _, seen = self.run(
            learning_rate=0.1, learning_rate_schedule="linear", total_timesteps=4 * 32
        )
        np.testing.assert_allclose(
            seen.learning_rate, 0.1 * np.array([1, 0.75, 0.5, 0.25]), rtol=1e-6
        )
        _, seen = self.run(iterations=6, learning_rate_schedule="linear", total_timesteps=64)
        np.testing.assert_allclose(seen.learning_rate[2:], 0.0)

    def test_a_clip_range_that_falls_clips_more(self):
        method = PPO(4, 8, 4, 16, clip_range_schedule="linear", total_timesteps=100)
        _, clip_range = method.scheduled(jnp.asarray(0.25))
        np.testing.assert_allclose(clip_range, 0.05)

    @pytest.mark.slow
    def test_the_kl_stop_ends_the_updates_of_an_iteration(self):
        _, free = self.run(learning_rate=0.3)
        _, stopped = self.run(learning_rate=0.3, target_kl=1e-4)
        np.testing.assert_array_equal(free.updates, 8)
        assert (np.asarray(stopped.updates) < 8).all()
        assert (np.asarray(stopped.updates) >= 1).all()  # the first minibatch has no KL yet
        assert (
            np.asarray(stopped.approx_kl) > 1.5e-4
        ).all()  # it had moved too far: hence the stop
        _, patient = self.run(learning_rate=0.3, target_kl=10.0)
        np.testing.assert_array_equal(patient.updates, 8)

    def test_the_steps_are_counted(self):
        state, _ = self.run()
        assert float(state.steps.value) == 4 * 32


def test_reward_scale_is_a_numpy_loop():
    rng = np.random.default_rng(0)
    scale, running, history = RewardScale.start(3), np.zeros(3), []
    for _ in range(3):
        reward = rng.normal(size=(6, 3)).astype(np.float32) * 5
        ended = rng.random((6, 3)) < 0.3
        got, scale = scale(jnp.asarray(reward), jnp.asarray(ended), jnp.ones((6, 3), bool), 0.9)
        for t in range(6):
            running = 0.9 * running + reward[t]
            history.append(running)
            running = np.where(ended[t], 0.0, running)
        expected = np.clip(reward / np.sqrt(np.var(history) + 1e-8), -10, 10)
        np.testing.assert_allclose(got, expected, rtol=1e-4)
    np.testing.assert_allclose(scale.running, 0.9 * running, rtol=1e-4)  # what the next adds to


@pytest.mark.slow
def test_a_recurrent_policy_remembers_and_a_memoryless_one_cannot():
    """The cue is shown once and asked for two steps later: 1 a episode, against 0 by chance.

    About one search in twenty settles without memory, and rounding decides which: of five, three
    fail in one of a thousand.
    """
    objective = DiscountedReturn(0.99)
    method = PPO(16, 12, 4, 48, learning_rate=0.02, ent_coef=0.001)

    @jax.jit
    def score(policy):
        state, _ = train(method, Recall(), policy, objective, 60)
        sampler = JaxSampler.create(
            jax.random.key(7), Recall(), Steps(64, 30), objective, state.policy
        )
        _, sampler = sampler.sample(jax.random.key(8), method.solution(state))
        return sampler.statistics.returns

    remembering = [score(RecurrentSoftmax(jax.random.key(seed), 1, 2, (8, 8))) for seed in range(5)]
    assert np.median(remembering) > 0.9, remembering
    # 640 episodes: five standard errors.
    assert abs(score(Affine.zeros(2, 1))) < 0.2


def test_minibatches_of_a_recurrent_policy_are_whole_streams():
    from upslope.core.checks import UpslopeError

    policy = Rememberer(jnp.zeros((2, 2)), jnp.zeros(2), 1)
    with pytest.raises(UpslopeError, match="multiple of n_steps=12"):
        PPO(16, 12, 4, 32).init(jax.random.key(0), policy, DiscountedReturn(0.9))
