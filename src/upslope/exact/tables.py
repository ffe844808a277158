"""A policy as the table of its action probabilities over the states of a finite MDP."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Float

from upslope.core.annotations import Observation, PyTree
from upslope.core.checks import UpslopeError
from upslope.core.distributions import Distribution
from upslope.environments.adaptors.gymnasium import GymnasiumSpec
from upslope.environments.environment import Environment
from upslope.environments.tabular.finite_mdp import FiniteMDP
from upslope.environments.tabular.sparse_mdp import SparseMDP
from upslope.environments.tabular.tabular_environment import TOLERANCE
from upslope.policies.tabular_softmax import TabularSoftmax

if TYPE_CHECKING:
    from typing_extensions import TypeIs


class FiniteEnvironment(Protocol):
    """An environment with a finite MDP underneath, whatever it shows of the state."""

    def finite_mdp(self) -> FiniteMDP:
        """The MDP."""
        ...


# What has finitely many states: a `FiniteMDP`, an environment with `finite_mdp()`, or a simulator
# with a table. Whether an environment is one is checked where it is used.
Tabular: TypeAlias = Environment | FiniteEnvironment | GymnasiumSpec

# What is seen of the present state to a distribution over the actions.
MemorylessPolicy: TypeAlias = Callable[[Observation], Distribution]

# A policy, or its probabilities [S, A] themselves.
PolicyOrTable: TypeAlias = MemorylessPolicy | ArrayLike

P = TypeVar("P", bound=PolicyOrTable)


def known(*trees: PyTree) -> bool:
    """Whether no number in these trees is traced, so that it may be looked at."""
    return not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(trees))


def as_finite_mdp(environment: Tabular) -> FiniteMDP:
    """The `FiniteMDP` that an environment is, or is underneath.

    Args:
      environment: a `FiniteMDP`, anything with a method `finite_mdp()`, or a simulator with a table
        (FrozenLake, Taxi, CliffWalking: `make("FrozenLake-v1")`).

    Raises:
      UpslopeError: it is none of them.
    """
    if isinstance(environment, FiniteMDP):
        return environment
    if isinstance(environment, GymnasiumSpec):
        from upslope.environments.adaptors.toy_text import finite_mdp_of

        return finite_mdp_of(environment)
    finite_mdp = getattr(environment, "finite_mdp", None)
    if finite_mdp is None:
        raise UpslopeError(
            f"{type(environment).__name__} is not a finite MDP: exact values need a FiniteMDP, or "
            "an environment with a method finite_mdp()."
        )
    return finite_mdp()


def tabular(environment: Tabular) -> FiniteMDP | SparseMDP:
    """`as_finite_mdp`, with sparse ones as they are.

    Raises:
      UpslopeError: it is none.
    """
    return environment if isinstance(environment, SparseMDP) else as_finite_mdp(environment)


def observations(environment: Tabular) -> Array:
    """What a policy sees in each state, [S, ...]: `environment.observation(state)`.

    An environment without that method shows the state's number.
    """
    states = jnp.arange(tabular(environment).n_states)
    observation = getattr(environment, "observation", None)
    return states if observation is None else jax.vmap(observation)(states)


def as_differentiable(policy: P) -> P:
    """The policy as it is; a table as an array of floats."""
    return policy if callable(policy) else cast(P, jnp.asarray(policy, float))


def policy_table(policy: PolicyOrTable, environment: Tabular) -> Float[Array, "S A"]:
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


def checked_table(
    policy: PolicyOrTable, mdp: FiniteMDP | SparseMDP, seen: Array
) -> Float[Array, "S A"]:
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


def log_policy_table(policy: PolicyOrTable, environment: Tabular) -> Float[Array, "S A"]:
    r""":math:`\log \pi_\theta(a \mid o(s))`, [S, A]; minus infinity where an action is impossible.

    Its derivative is the score. Arguments and errors as for `policy_table`.
    """
    if _is_table(policy):
        table = policy_table(policy, environment)
        possible = table > 0
        return jnp.where(possible, jnp.log(jnp.where(possible, table, 1.0)), -jnp.inf)
    return _log_probabilities(policy, as_finite_mdp(environment), observations(environment))


def _is_table(policy: PolicyOrTable) -> TypeIs[ArrayLike]:
    return not callable(policy)


def _log_probabilities(policy: MemorylessPolicy, mdp: FiniteMDP | SparseMDP, seen: Array) -> Array:
    if getattr(policy, "has_memory", False):
        raise UpslopeError(
            f"{_name(policy)} has memory: exact values need a policy of the present state alone."
        )

    _check_table_size(policy, seen)
    # A run's policies hold NumPy arrays, which a traced state cannot index.
    policy = jax.tree.map(_as_jax, policy)

    def row(observation: Array) -> Array:
        distribution = policy(observation)
        logs = getattr(distribution, "log_probs", None)
        if logs is None:
            logs = jax.vmap(distribution.log_prob)(jnp.arange(mdp.n_actions))
        return logs

    return jax.vmap(row)(seen)


def _as_jax(leaf: object) -> object:
    return jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf


def _check_table_size(policy: MemorylessPolicy, seen: Array) -> None:
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


def _check_rows(policy: PolicyOrTable, table: np.ndarray) -> None:
    wrong = no_distributions(table)
    if wrong.any():
        state = int(np.argmax(wrong))
        raise UpslopeError(
            f"{_name(policy)} gives the actions of state {state} the probabilities "
            f"{np.array2string(table[state], precision=4, threshold=8)}, which sum to "
            f"{table[state].sum():.6g}: they must be a distribution over the {table.shape[1]} "
            "actions of the MDP."
        )


def _name(policy: PolicyOrTable) -> str:
    return "The table" if _is_table(policy) else type(policy).__name__
