"""PPO's surrogate: golden numbers, and where its gradient is exactly zero."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from small_policies import Affine
from upslope.policies.critics import state_value
from upslope.search.gradient.clipped_surrogate import clipped_surrogate, policy_surrogate
from upslope.search.gradient.on_policy_batch import OnPolicyBatch

# rlax, `policy_gradients_test.py` (Apache-2.0), clipped_surrogate_pg_loss with eps = .2.
LOGITS = np.array([[1.0, 1, 1], [2, 0, 0], [-1, -2, -3]])
OLD_LOGITS = np.array([[1.0, 1, 1], [2, 0, 0], [-3, -2, -1]])
ACTIONS = np.array([0, 1, 2])
ADVANTAGES = np.array([0.3, 0.2, 0.1])


@pytest.mark.parametrize(("sign", "golden"), [(1, -0.17117467), (-1, 0.19333333)])
def test_golden_values(sign, golden):
    new, old = (
        jax.nn.log_softmax(jnp.asarray(logits))[np.arange(3), ACTIONS]
        for logits in (LOGITS, OLD_LOGITS)
    )
    gain = policy_surrogate(new - old, jnp.asarray(sign * ADVANTAGES), 0.2)
    np.testing.assert_allclose(-gain.mean(), golden, atol=1e-4)


@pytest.mark.parametrize(
    ("ratio", "advantage", "moves"),
    [
        (1.3, 1.0, False),  # clipped, pushing outward
        (0.7, -1.0, False),
        (1.3, -1.0, True),  # clipped, pushing back
        (0.7, 1.0, True),
        (1.1, 1.0, True),  # inside
        (0.9, -1.0, True),
        (1.0, 1.0, True),
    ],
)
def test_the_gradient_is_zero_exactly_where_clipped_and_pushing_outward(ratio, advantage, moves):
    log_ratio = float(np.log(ratio))
    gradient = jax.grad(lambda x: policy_surrogate(x, advantage, 0.2))(log_ratio)
    np.testing.assert_allclose(gradient, ratio * advantage if moves else 0.0, rtol=1e-5)


def test_an_absurd_ratio_cannot_overflow():
    for log_ratio in (1e3, -1e3):
        for advantage in (1.0, -1.0):
            value, slope = jax.value_and_grad(policy_surrogate)(log_ratio, advantage, 0.2)
            assert np.isfinite(value)
            assert np.isfinite(slope)


def batch(rows=12, seed=0):
    rng = np.random.default_rng(seed)
    policy = Affine(jnp.asarray(rng.normal(size=(2, 3))), jnp.asarray(rng.normal(size=2)))
    critic = state_value(jax.random.key(0), policy)
    observation = jnp.asarray(rng.normal(size=(rows, 3)))
    action = jnp.asarray(rng.integers(2, size=rows))
    log_prob = jax.vmap(lambda o, a: policy(o).log_prob(a))(observation, action)
    floats = [jnp.asarray(rng.normal(size=rows)) for _ in range(3)]
    valid = jnp.asarray(np.arange(rows) != 5)
    ended = jnp.zeros(rows, bool)
    return (
        policy,
        critic,
        OnPolicyBatch(observation, observation, action, ended, valid, log_prob, *floats),
    )


@pytest.mark.slow
def test_the_first_gradient_is_the_plain_policy_gradient(x64):
    """Before anything has moved: mean of A grad log pi over the valid rows, and nothing else."""
    policy, critic, rows = batch()
    loss = clipped_surrogate(0.2, None, 0.0, 0.0, normalize_advantage=False)
    got, losses = jax.grad(loss, has_aux=True)((policy, critic), rows, ())

    def plain(policy):
        log_prob = jax.vmap(lambda o, a: policy(o).log_prob(a))(rows.observation, rows.action)
        return jnp.sum(jnp.where(rows.valid, rows.advantage * log_prob, 0.0)) / rows.valid.sum()

    expected = jax.grad(plain)(policy)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10), got[0], expected)
    assert float(losses.approx_kl) == 0.0
    assert float(losses.clip_fraction) == 0.0


def test_losses_by_numpy(x64):
    """Advantages standardised over the valid rows, value clipping, entropy, KL."""
    policy, critic, rows = batch()
    rows = rows._replace(log_prob=rows.log_prob - 0.3)
    loss = clipped_surrogate(0.2, 0.1, 0.01, 0.5, normalize_advantage=True)
    objective, losses = loss((policy, critic), rows, ())
    keep = np.asarray(rows.valid)
    a, v, target = (np.asarray(x)[keep] for x in (rows.advantage, rows.value, rows.target))
    a = (a - a.mean()) / (a.std() + 1e-8)
    ratio = np.exp(0.3)
    gain = np.minimum(ratio * a, np.clip(ratio, 0.8, 1.2) * a).mean()
    near = v + np.clip(0.0 - v, -0.1, 0.1)  # the critic says 0
    error = np.maximum(target**2, (near - target) ** 2).mean()
    np.testing.assert_allclose(losses.policy, -gain, rtol=1e-7)
    np.testing.assert_allclose(losses.value, error, rtol=1e-7)
    np.testing.assert_allclose(losses.approx_kl, ratio - 1 - 0.3, rtol=1e-7)
    np.testing.assert_allclose(losses.clip_fraction, 1.0)
    np.testing.assert_allclose(objective, gain - 0.5 * error + 0.01 * losses.entropy, rtol=1e-7)


@pytest.mark.slow
def test_equal_advantages_give_a_finite_zero_gradient():
    policy, critic, rows = batch()
    rows = rows._replace(advantage=jnp.ones_like(rows.advantage))
    loss = clipped_surrogate(0.2, None, 0.0, 0.0, normalize_advantage=True)
    got, _ = jax.grad(loss, has_aux=True)((policy, critic), rows, ())
    assert all(float(jnp.abs(leaf).max()) < 1e-6 for leaf in jax.tree.leaves(got[0]))
