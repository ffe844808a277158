"""Affine dynamics with a quadratic cost: what a linear-quadratic regulator is asked."""

from __future__ import annotations

from typing import Protocol, cast

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Float

from upslope.core.checks import UpslopeError
from upslope.core.positive_part import positive_part
from upslope.environments.linear_quadratic import LinearQuadratic
from upslope.environments.linear_quadratic_gaussian import LinearQuadraticGaussian

# Cost of a control in a fitted problem, as a share of the mean cost of states and controls.
LEAST_COST = 1e-5
# Where nothing is known to cost anything: enough to divide by.
NO_COST = 1e-20


class LinearQuadraticProblem(eqx.Module):
    r"""Affine dynamics, Gaussian noise, and a quadratic cost with linear terms.

    .. math:: x' = A x + B u + c + w, \qquad w \sim \mathcal N(0, W)

    .. math:: \ell(x, u) = x^\top Q x + u^\top R u + 2 x^\top N u + 2 q^\top x + 2 r^\top u + d

    Attributes:
      A: [n, n].
      B: [n, m].
      Q: [n, n], symmetric.
      R: [m, m], symmetric.
      N: [n, m], the cross term, SciPy's `s`.
      offset: c [n], the intercept of the dynamics.
      state_slope: q [n].
      action_slope: r [m].
      constant: d, scalar.
      noise: W [n, n], the covariance of the noise.

    Args:
      A: see above; so are the others. What is left out is zero.

    Raises:
      UpslopeError: shapes that do not fit together, or an entry that is not finite.

    References:
      Bertsekas (2017), section 3.1; Anderson and Moore (1990), sections 2.4 and 3.4.
    """

    A: Float[Array, "n n"]
    B: Float[Array, "n m"]
    Q: Float[Array, "n n"]
    R: Float[Array, "m m"]
    N: Float[Array, "n m"]
    offset: Float[Array, " n"]
    state_slope: Float[Array, " n"]
    action_slope: Float[Array, " m"]
    constant: Float[Array, ""]
    noise: Float[Array, "n n"]

    def __init__(
        self,
        A: ArrayLike,
        B: ArrayLike,
        Q: ArrayLike,
        R: ArrayLike,
        N: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        state_slope: ArrayLike | None = None,
        action_slope: ArrayLike | None = None,
        constant: ArrayLike = 0.0,
        noise: ArrayLike | None = None,
    ):
        n = np.shape(A)[0] if np.ndim(A) == 2 else 0
        m = np.shape(B)[1] if np.ndim(B) == 2 else 0
        shapes = {
            "A": ("[n, n]", A, (n, n)),
            "B": ("[n, m]", B, (n, m)),
            "Q": ("[n, n]", Q, (n, n)),
            "R": ("[m, m]", R, (m, m)),
            "N": ("[n, m]", N, (n, m)),
            "offset": ("[n]", offset, (n,)),
            "state_slope": ("[n]", state_slope, (n,)),
            "action_slope": ("[m]", action_slope, (m,)),
            "constant": ("a number", constant, ()),
            "noise": ("[n, n]", noise, (n, n)),
        }
        for name, (form, value, shape) in shapes.items():
            array = jnp.zeros(shape) if value is None else jnp.asarray(value, float)
            if n == 0 or m == 0 or array.shape != shape:
                raise UpslopeError(
                    f"LinearQuadraticProblem got {name} of shape {array.shape}: it must be {form} "
                    f"with n={n} states (the size of A) and m={m} controls (the columns of B)."
                )
            if not isinstance(array, Tracer) and not np.isfinite(np.asarray(array)).all():
                raise UpslopeError(
                    f"LinearQuadraticProblem got {name} with an entry that is not finite."
                )
            setattr(self, name, array)


def tracking_problem(
    A: ArrayLike,
    B: ArrayLike,
    Q: ArrayLike,
    R: ArrayLike,
    target_state: ArrayLike,
    target_action: ArrayLike | None = None,
    N: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    noise: ArrayLike | None = None,
) -> LinearQuadraticProblem:
    r"""The cost of being away from a state x* and an action u*.

    .. math:: \ell = (x - x^*)^\top Q (x - x^*) + (u - u^*)^\top R (u - u^*)
              + 2 (x - x^*)^\top N (u - u^*)

    x* need not be a rest of the system under u*: the regulator's offset is then the best
    compromise.

    Args:
      A: as are the others, of `LinearQuadraticProblem`.
      target_state: x* [n].
      target_action: u* [m]; None for zero.

    Raises:
      UpslopeError: as `LinearQuadraticProblem`.
    """
    problem = LinearQuadraticProblem(A, B, Q, R, N=N, offset=offset, noise=noise)
    x = jnp.asarray(target_state, float)
    u = (
        jnp.zeros(problem.B.shape[1])
        if target_action is None
        else jnp.asarray(target_action, float)
    )
    for name, value, like in [
        ("target_state", x, problem.offset),
        ("target_action", u, problem.action_slope),
    ]:
        if value.shape != like.shape:
            raise UpslopeError(
                f"tracking_problem got {name} of shape {value.shape}: it must be {like.shape}, "
                "one number for each row of A (a state) or column of B (an action)."
            )
    Qx, Ru = problem.Q @ x + problem.N @ u, problem.R @ u + problem.N.T @ x
    return eqx.tree_at(
        lambda p: (p.state_slope, p.action_slope, p.constant), problem, (-Qx, -Ru, x @ Qx + u @ Ru)
    )


class HasLinearSystem(Protocol):
    """An environment that says which linear-quadratic problem it is."""

    def linear_system(self) -> LinearQuadraticProblem:
        """The problem, in the environment's own states and actions."""
        ...


class FittedSystem(Protocol):
    """x' = A x + B u + c + L z, and r = -(x'Qx + 2 x'Su + u'Ru + q'x + p'u + k)."""

    A: Array
    B: Array
    c: Array
    noise_factor: Array
    Q: Array
    R: Array
    S: Array
    q: Array
    p: Array
    k: Array


class HasFittedSystem(Protocol):
    """A model whose dynamics and rewards were fitted: `LinearGaussianModel`."""

    def system(self) -> FittedSystem:
        """The matrices."""
        ...


def linear_quadratic_problem(environment: object) -> LinearQuadraticProblem:
    """The problem that an environment poses.

    The costs of a fitted model are those of the nearest convex problem: noise in the data gives
    them small negative eigenvalues, and leaves costs of controls that were hardly tried at zero,
    of which a regulator would make much.

    Args:
      environment: a `LinearQuadratic`, a `LinearQuadraticGaussian` (its system), a
        `LinearQuadraticProblem`, a fitted `LinearGaussianModel`, or anything with a method
        `linear_system()` that gives a `LinearQuadraticProblem`.

    Raises:
      UpslopeError: it is none of these.
    """
    if isinstance(environment, LinearQuadraticProblem):
        return environment
    if isinstance(environment, LinearQuadraticGaussian):
        environment = environment.system
    if isinstance(environment, LinearQuadratic):
        noise = environment.noise_factor @ environment.noise_factor.T
        return LinearQuadraticProblem(
            environment.A, environment.B, environment.Q, environment.R, noise=noise
        )
    if hasattr(environment, "linear_system"):
        return cast(HasLinearSystem, environment).linear_system()
    if hasattr(environment, "system"):
        return _convex(cast(HasFittedSystem, environment).system())
    raise UpslopeError(
        f"{type(environment).__name__} is not known to be linear-quadratic: give a "
        "LinearQuadratic, a LinearGaussianModel, or an environment with a method linear_system() "
        "that gives its LinearQuadraticProblem. For other dynamics take the planner 'ilqr'."
    )


def _convex(fitted: FittedSystem) -> LinearQuadraticProblem:
    n, m = fitted.B.shape
    above = jnp.concatenate([fitted.Q, fitted.S], axis=1)
    below = jnp.concatenate([fitted.S.T, fitted.R], axis=1)
    costs = positive_part(jnp.concatenate([above, below]))
    floor = LEAST_COST * jnp.trace(costs) / (n + m) + NO_COST
    return LinearQuadraticProblem(
        fitted.A,
        fitted.B,
        costs[:n, :n],
        costs[n:, n:] + floor * jnp.eye(m, dtype=costs.dtype),
        costs[:n, n:],
        fitted.c,
        fitted.q / 2,
        fitted.p / 2,
        fitted.k,
        fitted.noise_factor @ fitted.noise_factor.T,
    )
