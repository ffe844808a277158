"""The updates of AlphaGo's networks, each on whole games [T, N]."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Bool, Float, Int

from upslope.core.annotations import Observation
from upslope.core.tree import ravel_parameters
from upslope.planning.mcts.two_networks import value_of
from upslope.policies.bodies import Body
from upslope.policies.network import NetworkPolicy
from upslope.search.gradient.ascent import clip_by_norm
from upslope.search.gradient.optimizer import ascend, start_ascent


class Learner(NamedTuple):
    """A network and its optimizer's state."""

    network: NetworkPolicy | Body
    optimizer: optax.OptState

    @classmethod
    def fresh(cls, network: NetworkPolicy | Body, adam_eps: float) -> Learner:
        """Before its first update."""
        theta, _ = ravel_parameters(network)
        return cls(network, start_ascent("adam", theta, adam_eps))

    def improved(
        self,
        objective: Callable[..., Array],
        learning_rate: float | Array,
        n_steps: int,
        max_grad_norm: float | Array,
        adam_eps: float,
    ) -> tuple[Learner, Array]:
        """After steps of Adam up an objective of the network; its value before them."""
        theta, unravel = ravel_parameters(self.network)

        def step(carry: tuple, _: None) -> tuple[tuple, Array]:
            theta, optimizer = carry
            value, slope = jax.value_and_grad(lambda theta: objective(unravel(theta)))(theta)
            slope, _norm = clip_by_norm(slope, max_grad_norm)
            return ascend("adam", optimizer, theta, slope, learning_rate, adam_eps), value

        (theta, optimizer), values = jax.lax.scan(
            step, (theta, self.optimizer), None, length=n_steps
        )
        return Learner(unravel(theta), optimizer), values[0]


def imitation(
    policy: NetworkPolicy,
    observation: Observation,
    target: Int[Array, " M"],
    weight: Float[Array, " M"],
) -> Float[Array, ""]:
    """The mean log-probability of the expert's moves, nats."""
    log_prob = jax.vmap(lambda seen, action: policy(seen).log_prob(action))(observation, target)
    return jnp.sum(jnp.where(weight > 0, weight * log_prob, 0.0)) / jnp.maximum(jnp.sum(weight), 1)


def agreement(
    policy: NetworkPolicy,
    observation: Observation,
    target: Int[Array, " M"],
    weight: Float[Array, " M"],
) -> Float[Array, ""]:
    """How often the policy's first choice is the expert's move."""
    same = jax.vmap(lambda seen: policy(seen).mode())(observation) == target
    return jnp.sum(weight * same) / jnp.maximum(jnp.sum(weight), 1)


def reinforcement(
    policy: NetworkPolicy,
    observation: Observation,
    action: Int[Array, " M"],
    outcome: Float[Array, " M"],
    weight: Float[Array, " M"],
) -> Float[Array, ""]:
    r"""What REINFORCE ascends: its gradient is the estimate of grad J.

    .. math:: \hat g = \frac1M \sum \nabla \ln \pi(a \mid s) \, (z - b)

    with z the game's outcome from the mover's side and b the batch's mean of it: a constant,
    because games are independent and the policy is the same on both sides.
    """
    mean = jnp.sum(weight * outcome) / jnp.maximum(jnp.sum(weight), 1)
    log_prob = jax.vmap(lambda seen, action: policy(seen).log_prob(action))(observation, action)
    credit = jnp.where(weight > 0, weight * (outcome - mean) * log_prob, 0.0)
    return jnp.sum(credit) / jnp.maximum(jnp.sum(weight), 1)


def value_fit(
    network: Body,
    observation: Observation,
    outcome: Float[Array, " M"],
    weight: Float[Array, " M"],
) -> Float[Array, ""]:
    """Minus the mean squared error of the values."""
    error = outcome - jax.vmap(lambda seen: value_of(network, seen))(observation)
    return -jnp.sum(weight * jnp.square(error)) / jnp.maximum(jnp.sum(weight), 1)


def as_rows(tree: Observation, keep: Bool[Array, "T N"]) -> tuple[Observation, Float[Array, " M"]]:
    """Games [T, N, ...] as rows [T N, ...], and their weights: 1 where kept."""
    flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), tree)
    return flat, keep.reshape(-1).astype(float)
