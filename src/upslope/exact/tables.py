"""A policy as the table of its action probabilities over the states of a finite MDP."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from upslope.core.checks import UpslopeError
from upslope.environments.tabular.finite_mdp import FiniteMDP
from upslope.environments.tabular.sparse_mdp import SparseMDP
from upslope.environments.tabular.tabular_environment import TOLERANCE
from upslope.policies.tabular_softmax import TabularSoftmax


def known(*trees: Any) -> bool:
    """Whether no number in these trees is traced, so that it may be looked at."""
    return not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(trees))


def as_finite_mdp(environment: Any) -> FiniteMDP:
    """The `FiniteMDP` that an environment is, or is underneath.

    Args:
      environment: a `FiniteMDP`, or anything with a method `finite_mdp()`.

    Raises:
      UpslopeError: it is neither.
    """
    if isinstance(environment, FiniteMDP):
        return environment
    if not hasattr(environment, "finite_mdp"):
        raise UpslopeError(
            f"{type(environment).__name__} is not a finite MDP: exact values need a FiniteMDP, or "
            "an environment with a method finite_mdp()."
        )
    return environment.finite_mdp()


def tabular(environment: Any) -> FiniteMDP | SparseMDP:
    """`as_finite_mdp`, with sparse ones as they are.

    Raises:
      UpslopeError: it is none.
    """
    return environment if isinstance(environment, SparseMDP) else as_finite_mdp(environment)


def observations(environment: Any) -> Array:
    """What a policy sees in each state, [S, ...]: `environment.observation(state)`.

    An environment without that method shows the state's number.
    """
    states = jnp.arange(tabular(environment).n_states)
    if not hasattr(environment, "observation"):
        return states
    return jax.vmap(environment.observation)(states)


def policy_table(policy: Any, environment: Any) -> Array:
    r"""The probabilities :math:`\pi_\theta(a \mid o(s))`, [S, A], differentiable in theta.

    In an environment that hides its state (`ShortCorridor`) states that look the same get the
    same row, so that gradients are with respect to the policy's own parameters.

    Args:
      policy: a memoryless policy with a distribution over 0..A-1, or a table [S, A], taken as
        it is.
      environment: a `FiniteMDP` or an environment with `finite_mdp()`.

    Raises:
      UpslopeError: the policy has memory, its table is not [S, A], or a row of it is not a
        distribution over the actions (which; not checked when traced).
    """
    return checked_table(policy, tabular(environment), observations(environment))


def checked_table(policy: Any, mdp: FiniteMDP | SparseMDP, seen: Array) -> Array:
    """`policy_table` given what is seen in each state, [S, ...]."""
    if _is_table(policy):
        table = jnp.asarray(policy, mdp.initial.dtype)
    else:
        logs = _log_probabilities(policy, mdp, seen)
        table = jnp.exp(logs)
    shape = (mdp.n_states, mdp.n_actions)
    if table.shape != shape:
        raise UpslopeError(
            f"{_name(policy)} has action probabilities of shape {table.shape}: it must be {shape}, "
            f"for the {shape[0]} states and {shape[1]} actions of the MDP."
        )
    if known(table):
        _check_rows(policy, np.asarray(table))
    return table


def log_policy_table(policy: Any, environment: Any) -> Array:
    r""":math:`\log \pi_\theta(a \mid o(s))`, [S, A]; minus infinity where an action is impossible.

    Its derivative is the score. Arguments and errors as for `policy_table`.
    """
    if _is_table(policy):
        table = policy_table(policy, environment)
        possible = table > 0
        return jnp.where(possible, jnp.log(jnp.where(possible, table, 1.0)), -jnp.inf)
    return _log_probabilities(policy, as_finite_mdp(environment), observations(environment))


def _is_table(policy: Any) -> bool:
    return not callable(policy)


def _log_probabilities(policy: Any, mdp: FiniteMDP | SparseMDP, seen: Array) -> Array:
    if getattr(policy, "has_memory", False):
        raise UpslopeError(
            f"{_name(policy)} has memory: exact values need a policy of the present state alone."
        )

    _check_table_size(policy, seen)

    def row(observation: Array) -> Array:
        distribution = policy(observation)
        logs = getattr(distribution, "log_probs", None)
        if logs is None:
            logs = jax.vmap(distribution.log_prob)(jnp.arange(mdp.n_actions))
        return logs

    return jax.vmap(row)(seen)


def _check_table_size(policy: Any, seen: Array) -> None:
    """JAX reads the last row of a table that is too short: say so instead."""
    if not isinstance(policy, TabularSoftmax) or not known(seen) or seen.ndim != 1:
        return
    rows, wanted = policy.logits.shape[0], int(np.max(np.asarray(seen))) + 1
    if rows != wanted:
        raise UpslopeError(
            f"TabularSoftmax has {rows} rows of logits for {wanted} observations: give it one for "
            "each."
        )


def no_distributions(rows: np.ndarray) -> np.ndarray:
    """Which rows [N, K] are no distributions, booleans [N]."""
    wrong = ~np.isfinite(rows).all(axis=1) | (rows < 0).any(axis=1)
    return wrong | (np.abs(rows.sum(axis=1, dtype=np.float64) - 1.0) > TOLERANCE)


def _check_rows(policy: Any, table: np.ndarray) -> None:
    wrong = no_distributions(table)
    if wrong.any():
        state = int(np.argmax(wrong))
        raise UpslopeError(
            f"{_name(policy)} gives the actions of state {state} the probabilities "
            f"{np.array2string(table[state], precision=4, threshold=8)}, which sum to "
            f"{table[state].sum():.6g}: they must be a distribution over the {table.shape[1]} "
            "actions of the MDP."
        )


def _name(policy: Any) -> str:
    return "The table" if _is_table(policy) else type(policy).__name__
