"""Deep Q-learning: targets by hand, exact values on a chain, and the mistakes that are made."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

import upslope
from upslope.core.checks import UpslopeError
from upslope.core.distributions import Categorical
from upslope.core.records import Trajectories
from upslope.environments import ConstantProbe, FiniteMDP
from upslope.objectives.objective import DiscountedReturn
from upslope.policies import EpsilonGreedy, SoftmaxNetwork, TabularSoftmax, default_policy
from upslope.policies.heads.discrete import DuelingHead
from upslope.sampling import JaxSampler
from upslope.search import DQN
from upslope.search.iteration import iterate
from upslope.search.value_based.targets import bootstrap_values, huber, n_step_returns

GAMMA = 0.9


def window(rewards, *, terminated=None, truncated=None, valid=None, discount=None):
    """One window [L, 1] whose observation is its number, and the one after it the next."""
    n = len(rewards)
    flags = lambda at: np.array([i == at for i in range(n)])[:, None]  # noqa: E731
    column = lambda x: jnp.asarray(x, jnp.float32)[:, None]  # noqa: E731
    return Trajectories(
        observation=column(np.arange(n))[..., None],
        action=jnp.zeros((n, 1), int),
        reward=column(rewards),
        next_observation=column(np.arange(n) + 1)[..., None],
        terminated=jnp.asarray(flags(terminated)),
        truncated=jnp.asarray(flags(truncated)),
        valid=jnp.ones((n, 1), bool) if valid is None else jnp.asarray(valid)[:, None],
        discount=None if discount is None else column(discount),
    )


@pytest.mark.parametrize(
    ("made", "returns", "discount", "after"),
    [
        (window([1.0, 2.0, 4.0]), 1 + 0.9 * 2 + 0.81 * 4, 0.729, 3),
        # The episode terminates at the second step: nothing is bootstrapped.
        (window([1.0, 2.0, 4.0], terminated=1, valid=[True, True, False]), 2.8, 0.0, 2),
        # Truncated there: the true successor's value, two steps ahead.
        (window([1.0, 2.0, 4.0], truncated=1, valid=[True, True, False]), 2.8, 0.81, 2),
        (window([1.0, 2.0, 4.0], terminated=0, valid=[True, False, False]), 1.0, 0.0, 1),
        (window([1.0, 2.0, 4.0], truncated=0, valid=[True, False, False]), 1.0, 0.9, 1),
        (window([1.0, 2.0, 4.0], terminated=2), 1 + 1.8 + 3.24, 0.0, 3),
        (window([1.0, 2.0, 4.0], truncated=2), 1 + 1.8 + 3.24, 0.729, 3),
        (window([3.0]), 3.0, 0.9, 1),
        (window([3.0], terminated=0), 3.0, 0.0, 1),
        # A move of the other side: the rest counts with the other sign.
        (window([1.0, 2.0], discount=[-1.0, 1.0]), 1 - 0.9 * 2, -0.81, 2),
    ],
)
def test_returns_of_n_steps_by_hand(made, returns, discount, after):
    """At every place where an episode can end in a window."""
    got = n_step_returns(made, GAMMA)
    np.testing.assert_allclose(got.returns, [returns], rtol=1e-6)
    np.testing.assert_allclose(got.discount, [discount], rtol=1e-6)
    assert float(got.observation[0, 0]) == after


def test_returns_that_run_on_into_the_next_episode_are_detected():
    made = window([1.0, 2.0, 4.0], terminated=1, valid=[True, True, False])
    blind = made._replace(valid=jnp.ones((3, 1), bool), terminated=jnp.zeros((3, 1), bool))
    right, wrong = (n_step_returns(one, GAMMA) for one in (made, blind))
    assert abs(float(right.returns[0] - wrong.returns[0])) > 1


class TestBootstrap:
    target = Categorical(jnp.array([[1.0, 5.0, 3.0]]))
    online = Categorical(jnp.array([[2.0, 0.0, 1.0]]))

    def test_the_largest_target_value(self):
        np.testing.assert_array_equal(bootstrap_values(self.target), [5.0])

    def test_double_q_takes_the_choice_of_the_online_network(self):
        np.testing.assert_array_equal(bootstrap_values(self.target, self.online), [1.0])

    def test_actions_that_are_not_allowed_have_no_value(self):
        mask = jnp.array([[False, False, True]])
        target = Categorical(self.target.logits, mask)
        online = Categorical(self.online.logits, mask)
        np.testing.assert_array_equal(bootstrap_values(target), [3.0])
        np.testing.assert_array_equal(bootstrap_values(target, online), [3.0])


def test_hubers_loss():
    np.testing.assert_allclose(huber(jnp.array([0.5, -1.0, 3.0])), [0.125, 0.5, 2.5])


def test_a_dueling_head_adds_value_and_advantages():
    values = DuelingHead(3)(jnp.array([10.0, 1.0, 2.0, 6.0])).logits
    np.testing.assert_allclose(values, [10 - 2, 10 - 1, 10 + 3])


class TestEpsilonGreedy:
    policy = TabularSoftmax(jnp.array([[0.0, 3.0, 1.0]]))

    def actions(self, epsilon, n=4000):
        actor = EpsilonGreedy(self.policy, epsilon, 3)
        noise = jax.vmap(actor.noise)(jax.random.split(jax.random.key(0), n))
        return np.asarray(jax.vmap(lambda x: actor.act(x, jnp.array(0), ()).action)(noise))

    def test_greedy_but_for_epsilon(self):
        """Frequencies within 4.5 standard errors: false alarm 7e-6 each."""
        counts = np.bincount(self.actions(0.3), minlength=3) / 4000
        expected = np.array([0.1, 0.8, 0.1])
        error = np.sqrt(expected * (1 - expected) / 4000)
        assert (np.abs(counts - expected) < 4.5 * error).all()

    def test_the_ends(self):
        assert (self.actions(0.0) == 1).all()
        assert len(set(self.actions(1.0).tolist())) == 3
        greedy = EpsilonGreedy(self.policy, 1.0, 3).greedy()
        assert int(greedy.act((), jnp.array(0), ()).action) == 1

    @pytest.mark.slow
    def test_actions_that_are_not_allowed_are_not_explored(self):
        seen = spaces.Dict({"x": spaces.Box(-1.0, 1.0, (2,)), "action_mask": spaces.MultiBinary(3)})
        policy = default_policy(jax.random.key(0), seen, spaces.Discrete(3))
        actor = EpsilonGreedy(policy, 1.0, 3)
        observation = {"x": jnp.zeros(2), "action_mask": jnp.array([True, False, True])}
        noise = jax.vmap(actor.noise)(jax.random.split(jax.random.key(1), 500))
        actions = jax.vmap(lambda x: actor.act(x, observation, ()).action)(noise)
        assert set(np.asarray(actions).tolist()) == {0, 2}


def chain():
    """Three states in a row; right of the last one the episode terminates with reward 1."""
    transition = np.zeros((4, 2, 4))
    reward = np.zeros((4, 2))
    for s in range(3):
        transition[s, 0, max(s - 1, 0)] = 1
        transition[s, 1, s + 1] = 1
    reward[2, 1] = 1.0
    transition[3, :, 3] = 1
    return FiniteMDP(transition, reward, np.array([1.0, 0, 0, 0]), time_limit=20)


SETTINGS = {
    "n_envs": 2,
    "train_freq": 2,
    "buffer_size": 400,
    "batch_size": 32,
    "learning_starts": 20,
    "learning_rate": 0.02,
    "target_update_interval": 40,
    "total_timesteps": 4000.0,
    "exploration_fraction": 1.0,
    "exploration_final_eps": 0.5,
}


def searched(method, objective, state, sampler, keys):
    """State and sampler after an iteration per key."""

    def body(carry, key):
        state, sampler, _ = iterate(key, method, objective, *carry)
        return (state, sampler), None

    return jax.lax.scan(body, (state, sampler), keys)[0]


def learnt(environment, iterations=1000, method=DQN, **changes):
    """The action values after a search from a table of zeros."""
    made = method(**(SETTINGS | changes))
    objective = DiscountedReturn(GAMMA)
    policy = TabularSoftmax(jnp.zeros((4, 2)))
    state = made.init(jax.random.key(0), policy, objective)
    actor = made.ask(jax.random.key(1), state)
    sampler = JaxSampler.create(jax.random.key(2), environment, made.experience, objective, actor)

    keys = jax.random.split(jax.random.key(3), iterations)
    state, _ = jax.jit(partial(searched, made, objective))(state, sampler, keys)
    return np.asarray(made.solution(state).logits)


def exact_values():
    """q* of the chain: gamma^(steps to the end - 1)."""
    values = np.array([GAMMA**2, GAMMA, 1.0])
    right = np.array([GAMMA**2, GAMMA, 1.0])
    left = GAMMA * np.array([values[0], values[0], values[1]])
    return np.stack([left, right], 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"double_q": True},
        {"prioritized": True},
        {"tau": 0.1, "target_update_interval": 4},
    ],
    ids=["plain", "double", "prioritized", "soft target"],
)
def test_the_values_of_a_chain(changes):
    """Terminal values too: what stands after the end is worth nothing."""
    np.testing.assert_allclose(learnt(chain(), **changes)[:3], exact_values(), atol=0.03)


@pytest.mark.slow
def test_n_step_returns_are_of_the_policy_that_acted():
    """Uncorrected: exact for the greedy policy once exploration has ended, as in Hessel et al."""
    got = learnt(chain(), n_step=3, exploration_final_eps=0.0, exploration_fraction=0.5)
    np.testing.assert_allclose(got[:3, 1], exact_values()[:, 1], atol=0.05)


class ThroughTheEnd(DQN):
    """Wrong on purpose: bootstraps after a terminated step."""

    def tell(self, key, state, candidates, experience, objective):
        batches = experience.batches
        lost = batches._replace(terminated=jnp.zeros_like(batches.terminated))
        experience = experience._replace(batches=lost)
        return super().tell(key, state, candidates, experience, objective)


class OnlineTarget(DQN):
    """Wrong on purpose: the network chases itself, whatever target_update_interval says."""

    def tell(self, key, state, candidates, experience, objective):
        state = state._replace(target=state.policy)
        return super().tell(key, state, candidates, experience, objective)


@pytest.mark.slow
def test_a_bootstrap_through_termination_is_detected():
    """Every step ends its episode with reward 1 and shows the same thing again."""
    objective = DiscountedReturn(GAMMA)
    values = []
    for method in (DQN, ThroughTheEnd):
        made = method(**(SETTINGS | {"target_update_interval": 20}))
        environment, policy = ConstantProbe(), SoftmaxNetwork(jax.random.key(3), 1, 2, (8,))
        state = made.init(jax.random.key(0), policy, objective)
        actor = made.ask(jax.random.key(1), state)
        sampler = JaxSampler.create(
            jax.random.key(2), environment, made.experience, objective, actor
        )
        keys = jax.random.split(jax.random.key(3), 300)
        state, _ = jax.jit(partial(searched, made, objective))(state, sampler, keys)
        values.append(float(jnp.max(made.solution(state)(jnp.zeros(1)).logits)))
    assert abs(values[0] - 1.0) < 0.05
    assert values[1] > 3.0  # towards 1 / (1 - gamma)


@pytest.mark.slow
def test_a_target_that_does_not_lag_is_detected():
    """One iteration apart, the lagging target has not moved and the other one has."""
    objective = DiscountedReturn(GAMMA)
    policy = TabularSoftmax(jnp.zeros((4, 2)))
    targets = []
    for method in (DQN, OnlineTarget):
        made = method(**(SETTINGS | {"target_update_interval": 10_000, "learning_starts": 0}))
        state = made.init(jax.random.key(0), policy, objective)
        actor = made.ask(jax.random.key(1), state)
        sampler = JaxSampler.create(jax.random.key(2), chain(), made.experience, objective, actor)
        for k in range(6):
            state, sampler, _ = iterate(jax.random.key(k), made, objective, state, sampler)
        targets.append(np.asarray(state.target.logits))
    assert (targets[0] == 0).all()
    assert np.abs(targets[1]).max() > 0


def test_random_until_learning_starts_then_linear():
    method = DQN(
        train_freq=10,
        learning_starts=100,
        total_timesteps=1000.0,
        exploration_fraction=0.5,
        exploration_initial_eps=0.8,
        exploration_final_eps=0.1,
    )
    at = lambda steps: float(method._epsilon(jnp.asarray(steps // 10)))  # noqa: E731
    assert at(0) == at(90) == 1.0
    np.testing.assert_allclose(
        [at(100), at(250), at(500), at(900)], [0.66, 0.45, 0.1, 0.1], rtol=1e-5
    )


class TestRefused:
    def test_actions_that_are_numbers(self):
        with pytest.raises(UpslopeError, match="choices from one list"):
            upslope.train("Pendulum-v1", "dqn", total_timesteps=1000, policy="gaussian")

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"buffer_size": 4, "n_envs": 8}, "not one window"),
            ({"tau": 0.0}, "tau"),
            ({"gradient_steps": 0}, "gradient_steps"),
            ({"exploration_final_eps": 1.5}, "exploration_final_eps"),
            ({"n_step": 1.5}, "n_step"),
        ],
    )
    def test_numbers_that_make_no_sense(self, settings, said):
        with pytest.raises(UpslopeError, match=said):
            DQN(**settings)


@pytest.mark.slow
def test_a_buffer_that_was_left_out_is_filled_again_before_anything_is_learnt():
    """Long after `learning_starts`, with a buffer that holds less than that."""
    method = DQN(learning_starts=100, batch_size=4, total_timesteps=1000)
    environment = upslope.make("CartPole-v1")
    spaces_of = environment.observation_space, environment.action_space
    policy = default_policy(jax.random.key(0), *spaces_of, hidden=(4,))
    state = method.init(jax.random.key(1), policy, DiscountedReturn(0.9))
    state = state._replace(iterations=jnp.asarray(10_000))
    sampler = JaxSampler.create(
        jax.random.key(2),
        environment,
        method.experience,
        DiscountedReturn(0.9),
        method.ask(jax.random.key(3), state),
    )

    @jax.jit
    def step(key, state, sampler):
        return iterate(key, method, DiscountedReturn(0.9), state, sampler)

    losses = []
    for number in range(26):
        state, sampler, diagnostics = step(jax.random.key(number), state, sampler)
        losses.append(float(diagnostics.loss))
    assert np.isnan(losses[:23]).all()  # below 100 rows of steps and ends
    assert np.isfinite(losses[-1])


def test_a_run_too_short_to_learn_says_so():
    assert DQN().advice({"loss": 0.3}) is None
    assert "learning_starts=1000" in DQN().advice({"loss": float("nan")})
