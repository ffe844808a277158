"""Updates of a network of policy and value from positions of games."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Bool, Float

from upslope.core.annotations import Key, Observation
from upslope.core.records import Trajectories
from upslope.core.tree import ravel_parameters
from upslope.environments.games.symmetries import MASK, Symmetries
from upslope.policies.heads.discrete import PolicyValueHead
from upslope.policies.network import NetworkPolicy
from upslope.search.games.losses import entropy, policy_loss, value_loss, weight_penalty
from upslope.search.games.targets import value_targets
from upslope.search.gradient.ascent import clip_by_norm
from upslope.search.gradient.optimizer import ascend


class Positions(NamedTuple):
    """M positions and what the network is to say of them."""

    observation: Observation  # [M, ...], from the side of who is to move
    policy: Float[Array, "M A"]  # pi, the search's
    value: Float[Array, " M"]  # z
    weight: Float[Array, " M"]  # 0 while there is nothing to draw


class LearningReport(NamedTuple):
    """Means over the batches of an iteration."""

    policy_loss: Array
    value_loss: Array
    value_error: Array  # mean |z - v|
    policy_entropy: Array  # of the network, nats
    gradient_norm: Array  # before clipping


class Rates(NamedTuple):
    """The numbers of an update."""

    learning_rate: float | Array
    vf_coef: float | Array  # weight of the value's loss
    l2: float | Array  # c of c |theta|^2
    max_grad_norm: float | Array


def positions_of(
    windows: Trajectories, weights: Float[Array, " M"], gamma: float | Array, mix: float | Array
) -> Positions:
    """The first positions of windows [L, M, ...] with their targets.

    Args:
      windows: of self-play in a `FullyObserved` game; `extras` are `SelfPlayExtras`.
      weights: of the windows.
      gamma: the objective's discount.
      mix: lambda of `value_targets`.
    """
    extras = windows.extras
    # A move at random ends what a window says of the position before it: whose value was it?
    explored = extras.explored  # pyright: ignore[reportAttributeAccessIssue]
    earlier = jnp.cumsum(explored, axis=0) - explored
    value = value_targets(
        windows.reward,
        windows.discount,
        windows.terminated & ~explored,
        windows.valid & (earlier == 0),
        extras.value,  # pyright: ignore[reportAttributeAccessIssue]
        gamma,
        mix,
    )
    seen = jax.tree.map(lambda leaf: leaf[0], windows.observation.observation)  # pyright: ignore
    return Positions(seen, extras.weights[0], value, weights)  # pyright: ignore


def mirrored(key: Key, symmetries: Symmetries, positions: Positions) -> Positions:
    """Every position in one of its symmetries, drawn evenly; what it is worth stays. The key is
    consumed."""
    index = jax.random.randint(key, positions.value.shape, 0, len(symmetries))
    return positions._replace(
        observation=jax.vmap(symmetries.of_observation)(index, positions.observation),
        policy=jax.vmap(symmetries.of_actions)(index, positions.policy),
    )


def network_loss(
    network: NetworkPolicy, positions: Positions, vf_coef: float | Array
) -> tuple[Array, tuple[Array, ...]]:
    r"""The mean loss of positions, and what it is made of.

    .. math:: \frac1M \sum \big( c_v (z - v)^2 - \pi^T \ln p \big)
    """
    head = network.head
    assert isinstance(head, PolicyValueHead)

    def look(observation: Observation) -> tuple[Array, Array]:
        output, _ = network.body(observation)
        return output[: head.n_actions], head.value(output)

    logits, value = jax.vmap(look)(positions.observation)
    legal = legal_in(positions.observation)
    of_policy = jnp.mean(positions.weight * policy_loss(logits, legal, positions.policy))
    of_value = jnp.mean(positions.weight * value_loss(value, positions.value))
    error = jnp.mean(jnp.abs(value - positions.value))
    spread = jnp.mean(entropy(logits, legal))
    return of_policy + vf_coef * of_value, (of_policy, of_value, error, spread)


def legal_in(observation: Observation) -> Bool[Array, "M A"]:
    """Which actions are legal in M positions."""
    return observation[MASK] != 0  # pyright: ignore[reportIndexIssue]


def learn(
    network: NetworkPolicy,
    optimizer: optax.OptState,
    batches: Positions,
    rates: Rates,
    adam_eps: float,
) -> tuple[NetworkPolicy, optax.OptState, LearningReport]:
    """One step of Adam for each batch, leaves [B, M, ...], one after the other."""
    theta, unravel = ravel_parameters(network)

    def loss(theta: Array, positions: Positions) -> tuple[Array, tuple[Array, ...]]:
        total, parts = network_loss(unravel(theta), positions, rates.vf_coef)
        return total + weight_penalty(theta, rates.l2), parts

    def update(
        carry: tuple[Array, optax.OptState], positions: Positions
    ) -> tuple[tuple[Array, optax.OptState], tuple[Array, ...]]:
        theta, optimizer = carry
        slope, parts = jax.grad(loss, has_aux=True)(theta, positions)
        clipped, norm = clip_by_norm(-slope, rates.max_grad_norm)
        theta, optimizer = ascend("adam", optimizer, theta, clipped, rates.learning_rate, adam_eps)
        return (theta, optimizer), (*parts, norm)

    (theta, optimizer), seen = jax.lax.scan(update, (theta, optimizer), batches)
    return unravel(theta), optimizer, LearningReport(*(jnp.mean(column) for column in seen))
