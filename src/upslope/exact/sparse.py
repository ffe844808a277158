"""J and grad J of MDPs too large for a matrix: iterations that certify their own error."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.checks import UpslopeError, check_number
from upslope.environments.tabular.sparse_mdp import SparseMDP
from upslope.exact.tables import (
    P,
    PolicyOrTable,
    as_differentiable,
    checked_table,
    observations,
    policy_table,
)
from upslope.objectives import DiscountedReturn, Objective

# Residual asked for, as a share of the largest reward, in double and in single precision.
TOLERANCES = {8: 1e-10, 4: 1e-5}
# Krylov steps at most before plain sweeps finish the work.
KRYLOV_STEPS = 200

# A function of a vector [S].
Operator: TypeAlias = Callable[[Array], Array]


class SparseValues(NamedTuple):
    """V of a policy, and how far it may be from the truth."""

    value: Array  # V [S]
    error: Array  # scalar: no entry of V is further than this from the solution


def sparse_values(policy: PolicyOrTable, mdp: SparseMDP, gamma: float | Array) -> SparseValues:
    r"""V of a policy without a matrix, [S], with a bound on its error.

    .. math:: V = r^\pi + \gamma P^\pi V, \qquad
              \|\hat V - V\|_\infty \le \frac{\|r^\pi + \gamma P^\pi \hat V - \hat V\|_\infty}
              {1 - \gamma}

    BiCGStab steps first, then sweeps of the equation itself, which contract by gamma each, until
    the residual is 1e-10 of the largest reward (1e-5 in single precision).

    Args:
      policy: a memoryless policy, or a table [S, A].
      mdp: of many states.
      gamma: discount, in [0, 1).

    Raises:
      UpslopeError: the policy does not fit, or gamma is outside [0, 1).

    References:
      Puterman (1994), theorem 6.1.1 and section 6.6; van der Vorst (1992).
    """
    check_number("sparse_values", "gamma", gamma, at_least=0.0, below=1.0)
    return _values(policy_table(policy, mdp), mdp, gamma)


def sparse_value_and_gradient(
    policy: P, mdp: SparseMDP, objective: Objective, horizon: int | None = None
) -> tuple[Float[Array, ""], P]:
    """J and grad J of a discounted return; the gradient solves the transposed equation once.

    Args, errors: as for `exact.value`; other objectives and horizons are refused.
    """
    gamma = _posed(objective, horizon)
    return _value_and_gradient(as_differentiable(policy), observations(mdp), mdp, gamma)


def sparse_value(
    policy: PolicyOrTable, mdp: SparseMDP, objective: Objective, horizon: int | None = None
) -> Float[Array, ""]:
    """J of a discounted return, differentiable in the policy and in the MDP's numbers."""
    gamma = _posed(objective, horizon)
    return _value(policy_table(policy, mdp), mdp, gamma)


def _posed(objective: Objective, horizon: int | None) -> float | Array:
    if not isinstance(objective, DiscountedReturn) or horizon is not None:
        what = type(objective).__name__ + ("" if horizon is None else f" over {horizon} steps")
        raise UpslopeError(
            f"A SparseMDP has exact values under DiscountedReturn without a horizon; got {what}. "
            "Use a discount near 1, or a FiniteMDP (up to about 2,000 states)."
        )
    return objective.gamma


def _sum_successors(weight: Array, mdp: SparseMDP, values: Array) -> Array:
    """P^pi v [S], weight = pi(a|s) p(s, a, b) [S, A, B]."""
    return jnp.sum(weight * values[mdp.successor], axis=(1, 2))


def _operator(pi: Array, mdp: SparseMDP, gamma: float | Array) -> Operator:
    weight = pi[:, :, None] * mdp.probability

    def residual(values: Array) -> Array:
        """(I - gamma P^pi) v."""
        return values - gamma * _sum_successors(weight, mdp, values)

    return residual


def _solve(operator: Operator, right: Array, gamma: float | Array, norm: Operator) -> Array:
    """x with operator(x) = right, to the tolerance in a norm in which sweeps contract by gamma."""
    tolerance = TOLERANCES[right.dtype.itemsize]
    goal = tolerance * norm(right)
    # Krylov methods measure in the Euclidean norm, which bounds the others within sqrt(S).
    loose = tolerance / math.sqrt(right.size)
    start, _ = jax.scipy.sparse.linalg.bicgstab(operator, right, tol=loose, maxiter=KRYLOV_STEPS)
    start = jnp.where(jnp.all(jnp.isfinite(start)), start, 0.0)

    def going(carry: tuple[Array, Array, Array]) -> Array:
        _, rest, best = carry
        size = norm(rest)
        return (size > goal) & (size < best)  # rounding stops it where nothing gets better

    def sweep(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        x, rest, _ = carry
        after = x + rest
        return after, right - operator(after), norm(rest) * (1 - 1e-3 * (1 - gamma))

    rest = right - operator(start)
    better = norm(rest) < norm(right)
    start, rest = jnp.where(better, start, 0.0), jnp.where(better, rest, right)
    x, _, _ = jax.lax.while_loop(going, sweep, (start, rest, jnp.asarray(jnp.inf, right.dtype)))
    return x


def _solved(pi: Array, mdp: SparseMDP, gamma: float | Array) -> tuple[Array, Array, Operator]:
    operator = _operator(pi, mdp, gamma)
    reward = jnp.sum(pi * mdp.reward, axis=1)
    largest = lambda v: jnp.max(jnp.abs(v))  # noqa: E731
    summed = lambda v: jnp.sum(jnp.abs(v))  # noqa: E731
    values = jax.lax.custom_linear_solve(
        operator,
        reward,
        solve=lambda operator, right: _solve(operator, right, gamma, largest),
        transpose_solve=lambda operator, right: _solve(operator, right, gamma, summed),
    )
    return values, reward, operator


@jax.jit
def _values(pi: Array, mdp: SparseMDP, gamma: float | Array) -> SparseValues:
    values, reward, operator = _solved(pi, mdp, gamma)
    error = jnp.max(jnp.abs(reward - operator(values))) / (1.0 - gamma)
    return SparseValues(values, error)


@jax.jit
def _value(pi: Array, mdp: SparseMDP, gamma: float | Array) -> Array:
    return jnp.sum(mdp.initial * _solved(pi, mdp, gamma)[0])


@jax.jit
def _value_and_gradient(
    policy: P, seen: Array, mdp: SparseMDP, gamma: float | Array
) -> tuple[Array, P]:
    return jax.value_and_grad(lambda p: _value(checked_table(p, mdp, seen), mdp, gamma))(policy)
