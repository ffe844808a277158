"""What a policy says along trajectories it (or another one) has taken."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from upslope.core import tree
from upslope.core.annotations import Memory, Observation, PyTree
from upslope.core.unbatched_reductions import any_across_batch
from upslope.policies.policy import Policy, ValueFunction, respond


def unroll(
    model: Policy | ValueFunction,
    observation: Observation,
    ended: Bool[Array, "T N"],
    memory: Memory,
) -> tuple[PyTree, Memory]:
    """Calls a policy or a value function at every step of streams.

    Args:
      model: a `Policy` or a `ValueFunction`.
      observation: [T, N, ...].
      ended: booleans [T, N]; the memory starts anew after such a step.
      memory: [N, ...] before the first step; `()` without memory.

    Returns:
      What the model says, leaves [T, N, ...], and its memory after the last step, [N, ...].
    """
    if not model.has_memory:
        return jax.vmap(jax.vmap(model))(observation), memory
    first = jax.tree.map(jnp.asarray, model.initial_memory())

    def step(memory: Memory, inputs: tuple[Observation, Array]) -> tuple[Memory, PyTree]:
        observation, ended = inputs
        said, memory = jax.vmap(respond, in_axes=(None, 0, 0))(model, observation, memory)
        restart = jax.tree.map(lambda new, old: jnp.broadcast_to(old, new.shape), memory, first)
        return tree.where(ended, restart, memory), said

    memory, said = jax.lax.scan(step, memory, (observation, ended))
    return said, memory


def successor_values(
    critic: ValueFunction,
    observation: Observation,
    successor: Observation,
    terminated: Bool[Array, "T N"],
    truncated: Bool[Array, "T N"],
    memory: Memory,
) -> tuple[Float[Array, "T N"], Float[Array, "T N"], Memory]:
    """V at every step and at every step's true successor.

    The value after a terminated step is nobody's: whatever is returned there must not be used.

    Args:
      critic: a `ValueFunction`.
      observation: [T, N, ...], as the critic reads it (normalised).
      successor: [T, N, ...], the true next observations, normalised likewise.
      terminated: booleans [T, N].
      truncated: booleans [T, N].
      memory: the critic's memory before the first step, [N, ...].

    Returns:
      V(s_t) [T, N], V(s_{t+1}) [T, N], and the memory after the last step.
    """
    if not critic.has_memory:
        value_of = jax.vmap(jax.vmap(critic))
        value = value_of(observation)
        # Where a stream goes on, the successor is the next observation: its value is known.
        last = value_of(jax.tree.map(lambda leaf: leaf[-1:], successor))
        shifted = jnp.concatenate([value[1:], last])
        following = jax.lax.cond(
            any_across_batch(truncated),
            lambda: jnp.where(truncated, value_of(successor), shifted),
            lambda: shifted,
        )
        return value, following, memory
    ended = terminated | truncated
    first = jax.tree.map(jnp.asarray, critic.initial_memory())

    def step(
        memory: Memory, inputs: tuple[Observation, Observation, Array]
    ) -> tuple[Memory, tuple[Array, Array]]:
        observation, successor, ended = inputs
        call = jax.vmap(respond, in_axes=(None, 0, 0))
        value, memory = call(critic, observation, memory)
        following, _ = call(critic, successor, memory)
        restart = jax.tree.map(lambda new, old: jnp.broadcast_to(old, new.shape), memory, first)
        return tree.where(ended, restart, memory), (value, following)

    memory, (value, following) = jax.lax.scan(step, memory, (observation, successor, ended))
    return value, following, memory
