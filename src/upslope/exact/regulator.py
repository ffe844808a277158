"""The linear-quadratic regulator: affine dynamics, quadratic costs, exactly."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from upslope.core.checks import UpslopeError, check_number
from upslope.core.dense_systems import solve
from upslope.exact.linear_loop import spectral_radius, symmetric
from upslope.exact.linear_quadratic import push_sum, sum_of_powers
from upslope.exact.quadratic_problem import LinearQuadraticProblem
from upslope.exact.regulator_checks import check_regulator
from upslope.exact.riccati_equation import discrete_riccati, riccati_gain, riccati_step
from upslope.exact.tables import known
from upslope.exact.values import check_horizon

# Axes of each array of a problem that does not change over time.
RANKS = {"A": 2, "B": 2, "Q": 2, "R": 2, "N": 2, "noise": 2} | {
    "offset": 1,
    "state_slope": 1,
    "action_slope": 1,
    "constant": 0,
}


class QuadraticCost(NamedTuple):
    """x'Px + 2 p'x + v: what is still to be paid from x on."""

    matrix: Float[Array, "n n"]  # P
    slope: Float[Array, " n"]  # p
    constant: Float[Array, ""]  # v

    def __call__(self, x: Float[Array, " n"]) -> Float[Array, ""]:
        """The cost at a state."""
        return x @ self.matrix @ x + 2 * self.slope @ x + self.constant


class Regulator(eqx.Module):
    r"""The best controls of a linear-quadratic problem, u = K x + k, and their cost.

    Under a horizon H every array has a leading axis [H], a row for each step; `regulator.at(t)` is
    the one of a step.

    Attributes:
      gain: K [m, n].
      offset: k [m], which a target, a linear cost or an intercept of the dynamics asks for.
      cost_to_go: x'Px + 2 p'x + v, the expected cost from a state on. Without discount and
        horizon it is relative to the average cost: v is zero.
      average_cost: expected cost per step in the long run; NaN with a discount or a horizon.
      residual: the largest entry of the Riccati equation's residual at P, relative to P's largest.
      bound: how far P is from the solution at most, in the largest entry and to first order in the
        residual; zero under a horizon, where P is exact but for rounding.
    """

    gain: Float[Array, "*H m n"]
    offset: Float[Array, "*H m"]
    cost_to_go: QuadraticCost
    average_cost: Float[Array, ""]
    residual: Float[Array, ""]
    bound: Float[Array, ""]

    def __call__(self, x: Float[Array, " n"]) -> Float[Array, " m"]:
        """The best control of a state, under an infinite horizon."""
        return self.gain @ x + self.offset

    def at(self, step: int | Array) -> Regulator:
        """The regulator of one step of a finite horizon."""
        gain, offset, cost = jax.tree.map(
            lambda leaf: leaf[step], (self.gain, self.offset, self.cost_to_go)
        )
        return Regulator(gain, offset, cost, self.average_cost, self.residual, self.bound)


def linear_quadratic_regulator(
    problem: LinearQuadraticProblem,
    gamma: float | Array = 1.0,
    horizon: int | None = None,
    final_cost: QuadraticCost | None = None,
) -> Regulator:
    r"""The controls that no others beat, in every state.

    .. math:: u = -(R + \gamma B^\top P B)^{-1} \big((N + \gamma A^\top P B)^\top x
              + r + \gamma B^\top (P c + p)\big)

    Infinite horizons by the doubling algorithm, finite ones by the backward recursion. The noise
    changes costs, not controls (certainty equivalence). Differentiable in every number of the
    problem: by the implicit function theorem through the Riccati equation, so that its cost does
    not grow with the horizon. Nothing calls LAPACK: it may be vmapped.

    Args:
      problem: dynamics and costs. Under a horizon each of its arrays may have a leading axis [H],
        for costs and dynamics that change over time (`jax.vmap(LinearQuadraticProblem)` or
        `eqx.tree_at` make one).
      gamma: discount, above 0 and up to 1. With 1 and no horizon the cost per step is minimised.
      horizon: number of controls; None for no end.
      final_cost: of the state after the last control; None for none.

    Raises:
      UpslopeError: gamma out of its range, a horizon below 1, a final cost without a horizon; and
        unless the numbers are traced: R is not positive definite, costs that are not positive
        semidefinite, (A, B) that cannot be stabilised, (A, Q) that is not detectable.

    References:
      Bertsekas (2017), sections 3.1 and 4.2; Anderson and Moore (1990), chapters 2 to 4.

    Example:
      >>> import jax.numpy as jnp
      >>> from upslope.exact import LinearQuadraticProblem, linear_quadratic_regulator
      >>> one = jnp.eye(1)
      >>> golden = linear_quadratic_regulator(LinearQuadraticProblem(one, one, one, one))
      >>> print(f"{golden.cost_to_go.matrix[0, 0]:.4f}")
      1.6180
    """
    owner = "linear_quadratic_regulator"
    check_number(owner, "gamma", gamma, above=0.0, at_most=1.0)
    if horizon is not None:
        check_horizon("A linear-quadratic regulator", horizon)
        problems = _over_time(problem, int(horizon))
        check_regulator(problem, gamma, horizon)
        return _finite(problems, jnp.asarray(gamma, problem.A.dtype), final_cost)
    if final_cost is not None:
        raise UpslopeError(f"{owner} got a final_cost without a horizon at whose end it is paid.")
    if _changes(problem):
        raise UpslopeError(f"{owner} got arrays that change over time: give their horizon.")
    check_regulator(problem, gamma, None)
    gamma = jnp.asarray(gamma, problem.A.dtype)
    found = _infinite(problem, gamma)
    loop = problem.A + problem.B @ found.gain
    if known(loop, gamma):
        radius = float(gamma) ** 0.5 * spectral_radius(loop)
        if not (np.isfinite(found.gain).all() and radius < 1.0):
            raise UpslopeError(
                "The Riccati equation of this problem has no stabilising solution in "
                f"{8 * loop.dtype.itemsize} bits (A has spectral radius "
                f"{spectral_radius(problem.A):.6g}, the closed loop {radius:.6g}): a mode that "
                "does not decay is barely reached by B or barely seen by Q. Scale the states, use "
                "float64, discount more, or give a horizon."
            )
    return found


@jax.jit
def _infinite(problem: LinearQuadraticProblem, gamma: Array) -> Regulator:
    root = jnp.sqrt(gamma)
    A, B, N = root * problem.A, root * problem.B, problem.N
    P = discrete_riccati(A, B, problem.Q, problem.R, N)
    K = riccati_gain(A, B, problem.R, N, P)
    F = problem.A + problem.B @ K
    pull = problem.state_slope + K.T @ problem.action_slope + gamma * F.T @ P @ problem.offset
    p = push_sum(gamma * F.T, pull)
    k, left = _offset(problem, gamma, QuadraticCost(P, p, jnp.zeros_like(problem.constant)))
    endless = gamma < 1
    constant = jnp.where(endless, left / jnp.where(endless, 1 - gamma, 1.0), 0.0)
    average = jnp.where(endless, jnp.nan, left)
    again, _ = riccati_step(A, B, problem.Q, problem.R, N, jax.lax.stop_gradient(P))
    wrong = jax.lax.stop_gradient(jnp.max(jnp.abs(again - P)))
    size = jnp.maximum(jnp.max(jnp.abs(P)), jnp.finfo(P.dtype).tiny)
    reach = sum_of_powers((root * F).T, jnp.eye(len(P), dtype=P.dtype))
    # |E| <= n max|E| I as quadratic forms.
    bound = jax.lax.stop_gradient(len(P) * wrong * jnp.max(jnp.abs(reach)))
    cost = QuadraticCost(P, p, constant)
    return Regulator(K, k, cost, average, wrong / jax.lax.stop_gradient(size), bound)


def _offset(
    problem: LinearQuadraticProblem, gamma: Array, ahead: QuadraticCost
) -> tuple[Array, Array]:
    """k, and what a step adds to the constant of the cost to go, for a given cost ahead."""
    B, c = problem.B, problem.offset
    pressed = ahead.matrix @ c + ahead.slope
    push = problem.action_slope + gamma * B.T @ pressed
    curvature = symmetric(problem.R) + gamma * B.T @ ahead.matrix @ B
    k = -solve(curvature, push[:, None])[:, 0]
    noise = jnp.sum(ahead.matrix * problem.noise)
    left = problem.constant + gamma * (c @ (pressed + ahead.slope) + noise) + push @ k
    return k, left


@jax.jit
def _finite(
    problems: LinearQuadraticProblem, gamma: Array, final_cost: QuadraticCost | None
) -> Regulator:
    n, dtype = problems.A.shape[-1], problems.A.dtype
    if final_cost is None:
        final_cost = QuadraticCost(jnp.zeros((n, n)), jnp.zeros(n), jnp.zeros(()))
    start = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), final_cost)

    def back(ahead: QuadraticCost, now: LinearQuadraticProblem) -> tuple[QuadraticCost, tuple]:
        root = jnp.sqrt(gamma)
        P, K = riccati_step(root * now.A, root * now.B, now.Q, now.R, now.N, ahead.matrix)
        k, left = _offset(now, gamma, ahead)
        F = now.A + now.B @ K
        pull = now.state_slope + K.T @ now.action_slope
        p = pull + gamma * F.T @ (ahead.matrix @ now.offset + ahead.slope)
        cost = QuadraticCost(P, p, left + gamma * ahead.constant)
        return cost, (K, k, cost)

    _, (gains, offsets, costs) = jax.lax.scan(back, start, problems, reverse=True)
    zero = jnp.zeros((), dtype)
    return Regulator(gains, offsets, costs, jnp.full((), jnp.nan, dtype), zero, zero)


def _changes(problem: LinearQuadraticProblem) -> bool:
    return any(getattr(problem, name).ndim > rank for name, rank in RANKS.items())


def _over_time(problem: LinearQuadraticProblem, horizon: int) -> LinearQuadraticProblem:
    """Every array with a leading axis [H]."""
    leaves: list[Array] = []
    for name, rank in RANKS.items():
        leaf = getattr(problem, name)
        if leaf.ndim == rank:
            leaf = jnp.broadcast_to(leaf[None], (horizon, *leaf.shape))
        elif leaf.ndim != rank + 1 or leaf.shape[0] != horizon:
            raise UpslopeError(
                f"linear_quadratic_regulator got {name} of shape {leaf.shape} under "
                f"horizon={horizon}: a leading axis must have a row for each of its steps."
            )
        leaves.append(leaf)
    return eqx.tree_at(lambda p: [getattr(p, name) for name in RANKS], problem, leaves)
