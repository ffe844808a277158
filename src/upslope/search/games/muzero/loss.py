"""MuZero's loss: predictions along an unrolled model against their targets."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from upslope.core.annotations import Observation
from upslope.models.latent_model import LatentModel
from upslope.search.games.muzero.targets import UnrolledTargets

# What of a gradient flows on from each step of the dynamics into the one before.
BETWEEN_STEPS = 0.5


class Unrolled(NamedTuple):
    """Logits of a root and of the K steps after it."""

    policy: Float[Array, "K+1 M A"]
    value: Float[Array, "K+1 M n_atoms"]
    reward: Float[Array, "K M n_atoms"]


class UnrollLoss(NamedTuple):
    """Its terms, means over the batch."""

    loss: Float[Array, ""]
    policy_loss: Float[Array, ""]
    value_loss: Float[Array, ""]
    reward_loss: Float[Array, ""]


def scale_gradient(x: Float[Array, "*shape"], scale: float) -> Float[Array, "*shape"]:
    """x itself, whose gradient is multiplied by `scale`."""
    return scale * x + (1.0 - scale) * jax.lax.stop_gradient(x)


def unroll(model: LatentModel, observation: Observation, actions: Int[Array, "K M"]) -> Unrolled:
    """What a model predicts from observations [M, ...] along the actions that were taken.

    The gradient is halved at the entrance of the dynamics, so that what reaches a step does not
    grow with the number of steps after it.
    """
    predict, transition = jax.vmap(model.predict), jax.vmap(model.transition)

    def step(hidden: Array, action: Array) -> tuple[Array, tuple[Array, Array, Array]]:
        hidden, reward = transition(scale_gradient(hidden, BETWEEN_STEPS), action)
        policy, value = predict(hidden)
        return hidden, (policy, value, reward)

    root = jax.vmap(model.represent)(observation)
    policy, value = predict(root)
    _, (policies, values, reward) = jax.lax.scan(step, root, actions)
    return Unrolled(
        policy=jnp.concatenate([policy[None], policies]),
        value=jnp.concatenate([value[None], values]),
        reward=reward,
    )


def unroll_loss(
    model: LatentModel,
    predicted: Unrolled,
    targets: UnrolledTargets,
    weights: Float[Array, " M"],
    vf_coef: float | Array,
) -> UnrollLoss:
    r"""The mean over windows of

    .. math:: l_0 + \frac{1}{K} \sum_{k=1}^K l_k, \qquad
              l_k = \ell^p(\pi_k, p_k) + c_v \, \ell^v(z_k, v_k) + \ell^r(u_k, r_k)

    each a cross-entropy, weighed by the windows' importance weights. Without a reward the root's
    l_0 has two terms.

    References:
      Schrittwieser et al. (2020), equation 1 and appendix G.
    """
    n_steps = predicted.reward.shape[0]
    later = jnp.full((n_steps, 1), 1.0 / n_steps)
    scale = jnp.concatenate([jnp.ones((1, 1)), later])
    cross_entropy = model.support.cross_entropy
    log_policy = jax.nn.log_softmax(predicted.policy, axis=-1)
    of_policy = -jnp.sum(targets.policy * log_policy, axis=-1) * targets.policy_weight
    of_value = cross_entropy(predicted.value, targets.value) * targets.value_weight
    of_reward = cross_entropy(predicted.reward, targets.reward) * targets.reward_weight

    def mean(terms: Array, scale: Array) -> Array:
        return jnp.mean(weights * jnp.sum(scale * terms, axis=0))

    policy_loss = mean(of_policy, scale)
    value_loss = mean(of_value, scale)
    reward_loss = mean(of_reward, later)
    return UnrollLoss(
        loss=policy_loss + vf_coef * value_loss + reward_loss,
        policy_loss=policy_loss,
        value_loss=value_loss,
        reward_loss=reward_loss,
    )
