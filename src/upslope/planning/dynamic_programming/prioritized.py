"""Updates of one state at a time, the one that may be off by most."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from upslope.planning.dynamic_programming.backup import Backup, DenseBackup, SparseBackup
from upslope.planning.dynamic_programming.solver import Iterate, Stop


class Predecessors(NamedTuple):
    """Who leads to each state: row s is `state[first[s] : first[s + 1]]`."""

    first: Int[Array, " S+1"]
    state: Int[Array, " E"]
    weight: Float[Array, " E"]  # max over a of P(s | p, a)


def predecessors(backup: Backup) -> Predecessors:
    """The states that lead to each state, and with what probability at most."""
    n_states, n_actions = backup.reward.shape
    if isinstance(backup, DenseBackup):
        largest = np.asarray(jnp.max(backup.transition, axis=1))  # [S, S']
        source, target = np.nonzero(largest)
        weight = largest[source, target]
    else:
        assert isinstance(backup, SparseBackup)
        probability = np.asarray(backup.probability, backup.reward.dtype)
        probability = probability / np.asarray(backup.total)[..., None]
        successor = np.asarray(backup.successor, np.int64)
        states = np.arange(n_states)[:, None, None]
        actions = np.arange(n_actions)[None, :, None]
        # Duplicates of one (s, a, s') add up; of the actions the largest counts.
        triple = (successor * n_states + states) * n_actions + actions
        triples, inverse = np.unique(triple[probability > 0], return_inverse=True)
        summed = np.bincount(inverse, probability[probability > 0])
        pairs, start = np.unique(triples // n_actions, return_index=True)
        weight = np.maximum.reduceat(summed, start)
        target, source = np.divmod(pairs, n_states)
    order = np.argsort(target, kind="stable")
    counts = np.bincount(target, minlength=n_states)
    first = np.concatenate([[0], np.cumsum(counts)])
    return Predecessors(
        jnp.asarray(first, jnp.int32),
        jnp.asarray(source[order], jnp.int32),
        jnp.asarray(weight[order], backup.reward.dtype),
    )


def prioritized_sweeps(backup: Backup, gamma: Array, iterate: Iterate, stop: Stop) -> Iterate:
    r"""Updates by priority, S of which count as one sweep.

    A state's priority bounds its residual: after a value has changed by delta, those of its
    predecessors grow by :math:`\gamma \max_a P(s \mid p, a) |\delta|`, and its own is 0. At the
    end `change` is the largest priority.

    References:
      Moore and Atkeson (1993); Wingate and Seppi (2005).
    """
    return _updates(backup, predecessors(backup), gamma, iterate, stop)


@jax.jit
def _updates(
    backup: Backup,
    before: Predecessors,
    gamma: Array,
    iterate: Iterate,
    stop: Stop,
) -> Iterate:
    n_states = iterate.values.shape[0]
    residual = jnp.max(backup.action_values(iterate.values, gamma), axis=1) - iterate.values
    budget = (stop.last - iterate.iterations) * n_states

    def going(carry: tuple[Array, Array, Array]) -> Array:
        _, priority, count = carry
        return (jnp.max(priority) > stop.goal) & (count < budget)

    def update(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        values, priority, count = carry
        state = jnp.argmax(priority)
        best = jnp.max(backup.state_action_values(state, values, gamma))
        delta = gamma * jnp.abs(best - values[state])
        priority = priority.at[state].set(0.0)

        def grow(edge: Array, priority: Array) -> Array:
            return priority.at[before.state[edge]].add(before.weight[edge] * delta)

        priority = jax.lax.fori_loop(before.first[state], before.first[state + 1], grow, priority)
        return values.at[state].set(best), priority, count + 1

    start = (iterate.values, jnp.abs(residual), jnp.zeros((), budget.dtype))
    values, priority, count = jax.lax.while_loop(going, update, start)
    sweeps = ((count + n_states - 1) // n_states).astype(jnp.int32)
    done = iterate.iterations + sweeps
    return iterate._replace(values=values, iterations=done, change=jnp.max(priority))
