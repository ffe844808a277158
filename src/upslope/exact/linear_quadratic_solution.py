"""A linear-quadratic environment, solved: the answer of `upslope solve linear-quadratic`."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.networks import Linear
from upslope.environments.linear_quadratic import LinearQuadratic
from upslope.exact.quadratic_problem import LinearQuadraticProblem, linear_quadratic_problem
from upslope.exact.regulator import Regulator, linear_quadratic_regulator
from upslope.exact.riccati_equation import DOUBLINGS
from upslope.policies.bodies.linear import LinearBody
from upslope.policies.heads.deterministic import PointHead
from upslope.policies.network import NetworkPolicy


class LinearQuadraticSolution(eqx.Module):
    """The best policy of a linear-quadratic environment, and what it is worth.

    Attributes:
      policy: u = K x + k as a policy like any other; under a horizon, the one of the first step.
      regulator: K, k and the cost to go of every state.
      value: J from the environment's distribution of starts: the expected (discounted) return, or
        the reward per step in the long run without discount and horizon. NaN where the
        environment does not say how it starts.
      residual: of the Riccati equation, relative to the largest entry of P.
      bound: how far an entry of P is from the solution at most, to first order in the residual.
      iterations: doublings of the horizon, or steps of the backward recursion. Static.
    """

    policy: NetworkPolicy
    regulator: Regulator
    value: Float[Array, ""]
    residual: Float[Array, ""]
    bound: Float[Array, ""]
    iterations: int = eqx.field(static=True)


def solve_linear_quadratic(
    environment: LinearQuadratic | LinearQuadraticProblem | object,
    gamma: float | Array = 1.0,
    horizon: int | None = None,
) -> LinearQuadraticSolution:
    """The best policy of a linear-quadratic environment, by its Riccati equation.

    Args:
      environment: as for `linear_quadratic_problem`.
      gamma: discount; with 1 and no horizon the reward per step counts.
      horizon: number of controls; None for no end.

    Raises:
      UpslopeError: as `linear_quadratic_problem` and `linear_quadratic_regulator`.

    Example:
      >>> from upslope.environments import LinearQuadratic
      >>> from upslope.exact import solve_linear_quadratic
      >>> solution = solve_linear_quadratic(LinearQuadratic())
      >>> print(f"{solution.value:.4f}")
      -0.1373
    """
    problem = linear_quadratic_problem(environment)
    regulator = linear_quadratic_regulator(problem, gamma, horizon)
    first = regulator if horizon is None else regulator.at(0)
    policy = NetworkPolicy(
        LinearBody(Linear(first.gain.T, first.offset)), PointHead((problem.B.shape[-1],))
    )
    value = -regulator.average_cost
    if horizon is not None or float(gamma) < 1:
        cost = first.cost_to_go
        if isinstance(environment, LinearQuadratic):
            factor = environment.initial_factor
            value = -(jnp.sum(cost.matrix * (factor @ factor.T)) + cost.constant)
        else:
            value = jnp.full_like(cost.constant, jnp.nan)
    return LinearQuadraticSolution(
        policy,
        regulator,
        value,
        regulator.residual,
        regulator.bound,
        DOUBLINGS if horizon is None else int(horizon),
    )
