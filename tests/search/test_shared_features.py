"""A policy that looks at images lends its convolutional network to the value function of PPO."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from upslope.core.records import Trajectories
from upslope.objectives import DiscountedReturn
from upslope.policies import default_policy
from upslope.policies.critics import FeatureValue, StateValue, state_value
from upslope.policies.unroll import unroll
from upslope.search.gradient.clipped_surrogate import clipped_surrogate
from upslope.search.gradient.on_policy_batch import on_policy_batch
from upslope.search.gradient.ppo import PPO

T, N = 5, 3
OBJECTIVE = DiscountedReturn(0.9)
FIELDS = {"image": spaces.Box(0, 255, (6, 5, 2), np.uint8), "action_mask": spaces.MultiBinary(4)}


def image_policy(masked=False):
    space = spaces.Dict(FIELDS) if masked else FIELDS["image"]
    return default_policy(
        jax.random.key(0), space, spaces.Discrete(4), kind="convolutional", dense_size=16
    )


def steps(masked=False):
    random = np.random.default_rng(0)

    def look():
        image = jnp.asarray(random.integers(0, 256, (T, N, 6, 5, 2)), jnp.uint8)
        mask = jnp.asarray(random.integers(0, 2, (T, N, 4)).astype(np.int8)).at[..., 0].set(1)
        return {"action_mask": mask, "image": image} if masked else image

    return Trajectories(
        observation=look(),
        action=jnp.zeros((T, N), int),
        reward=jnp.asarray(random.normal(size=(T, N)), jnp.float32),
        next_observation=look(),
        terminated=jnp.asarray(random.random((T, N)) < 0.2),
        truncated=jnp.asarray(random.random((T, N)) < 0.2),
        valid=jnp.ones((T, N), bool),
    )


def surrogate(policy, critic, experience):
    """What PPO ascends, on all of the steps at once, as a function of both models."""
    batch = on_policy_batch(policy, critic, experience, OBJECTIVE, 0.9, critic_memory=()).batch
    rows = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), batch)
    loss = clipped_surrogate(0.2, None, 0.01, 0.5, normalize_advantage=True)
    return batch, lambda models: loss(models, rows, ((), ()))[0]


@pytest.mark.slow
@pytest.mark.parametrize("masked", [False, True])
def test_values_and_gradients_are_those_of_two_separate_looks(masked):
    policy, experience = image_policy(masked), steps(masked)
    shared = state_value(jax.random.key(1), policy, share_features=True)
    assert isinstance(shared, FeatureValue)

    class Separate(StateValue):
        """The same function, which looks for itself."""

        def __call__(self, observation, memory=()):
            return shared.output(self.body.extract_features(observation))[0]

    separate = Separate(policy.body)
    batch, objective = surrogate(policy, shared, experience)
    other, separate_objective = surrogate(policy, separate, experience)
    np.testing.assert_allclose(batch.value, other.value, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(batch.target, other.target, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(batch.log_prob, other.log_prob, rtol=1e-5, atol=1e-6)
    ours = jax.jit(jax.grad(objective))((policy, shared))[0]
    theirs = jax.jit(jax.grad(separate_objective))((policy, separate))
    both = jax.tree.map(jnp.add, theirs[0].body.network.dense, theirs[1].body.network.dense)
    np.testing.assert_allclose(ours.body.network.dense.weight, both.weight, rtol=1e-3, atol=1e-6)
    alone = theirs[0].body.network.dense.weight  # the value's part is no rounding error
    assert (
        np.abs(both.weight - alone).max()
        > 100 * np.abs(ours.body.network.dense.weight - both.weight).max()
    )


@pytest.mark.slow
def test_from_features_is_the_policy():
    policy, experience = image_policy(True), steps(True)
    look = jax.tree.map(lambda leaf: leaf[0, 0], experience.observation)
    np.testing.assert_allclose(
        policy.from_features(policy.extract_features(look), look).logits,
        policy(look).logits,
        rtol=1e-6,
    )


@pytest.mark.slow
def test_ppo_shares_by_default_and_not_where_it_is_told_to_leave_it():
    def critic(policy, **settings):
        return (
            PPO(n_envs=2, n_steps=4, **settings).init(jax.random.key(2), policy, OBJECTIVE).critic
        )

    image = image_policy()
    assert isinstance(critic(image), FeatureValue)
    assert isinstance(critic(image, share_features_extractor=False), StateValue)
    dense = default_policy(jax.random.key(0), spaces.Box(-1, 1, (3,)), spaces.Discrete(2))
    assert isinstance(critic(dense), StateValue)


@pytest.mark.slow
def test_an_update_costs_one_pass_through_the_convolutions():
    policy, experience = image_policy(), steps()
    costs = {}
    for share in (False, True):
        critic = state_value(jax.random.key(1), policy, share_features=share)
        _, objective = surrogate(policy, critic, experience)
        program = jax.jit(jax.grad(objective)).lower((policy, critic)).compile()
        costs[share] = program.cost_analysis()["flops"]
    assert costs[True] < 0.6 * costs[False]


@pytest.mark.slow
def test_a_policy_with_memory_or_without_features_keeps_a_critic_of_its_own():
    recurrent = default_policy(
        jax.random.key(0),
        spaces.Box(-1, 1, (3,)),
        spaces.Discrete(2),
        kind="recurrent",
        hidden=(4, 4),
    )
    assert not recurrent.shares_features
    value, _ = unroll(
        state_value(jax.random.key(1), recurrent, share_features=True),
        jnp.zeros((T, N, 3)),
        jnp.zeros((T, N), bool),
        jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, (N, *leaf.shape)), recurrent.initial_memory()
        ),
    )
    assert value.shape == (T, N)
