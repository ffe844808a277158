"""Linear-quadratic-Gaussian control: the regulator on the Kalman filter's mean, and its cost."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.checks import UpslopeError
from upslope.environments.linear_quadratic_gaussian import LinearQuadraticGaussian
from upslope.exact.kalman_filter import GaussianBelief, KalmanFilter, kalman_filter_of
from upslope.exact.linear_loop import symmetric
from upslope.exact.quadratic_problem import linear_quadratic_problem
from upslope.exact.regulator import Regulator, linear_quadratic_regulator

# Steps after which the filter's covariance is taken to be that of the long run.
SETTLED = 1000


class LQGSolution(eqx.Module):
    """The best control of a linear system that is seen through noise.

    Attributes:
      regulator: u = K m + k of the filter's mean m after the present observation.
      filter: the Kalman filter.
      value: J of the two together: the expected (discounted) return from the environment's
        starts, or the reward per step in the long run.
      value_when_seen: J of the regulator where the state itself is seen.
    """

    regulator: Regulator
    filter: KalmanFilter
    value: Float[Array, ""]
    value_when_seen: Float[Array, ""]


def linear_quadratic_gaussian_control(
    environment: LinearQuadraticGaussian, gamma: float | Array = 1.0, horizon: int | None = None
) -> LQGSolution:
    r"""The best control of a system that is seen through noise, and what it earns, exactly.

    .. math:: J = J_{\text{seen}} - \sum_t \gamma^t \operatorname{tr}(\Gamma_t \Sigma_t), \qquad
              \Gamma_t = K_t^\top (R + \gamma B^\top P_{t+1} B) K_t

    with Sigma the filter's covariance after the observation of the step: filter and regulator are
    best apart (the separation principle). Without a discount and a horizon the sum is its mean
    over time.

    Args:
      environment: system and observations.
      gamma: discount.
      horizon: number of controls; None for no end.

    Raises:
      UpslopeError: as `linear_quadratic_regulator` and `KalmanFilter.steady_state`.

    References:
      Wonham (1968); Bertsekas (2017), section 4.3.
    """
    if not isinstance(environment, LinearQuadraticGaussian):
        raise UpslopeError(
            f"linear_quadratic_gaussian_control got {type(environment).__name__}: it must be a "
            "LinearQuadraticGaussian, a linear-quadratic system with noisy observations."
        )
    system = environment.system
    problem = linear_quadratic_problem(system)
    regulator = linear_quadratic_regulator(problem, gamma, horizon)
    kalman = kalman_filter_of(environment)
    steady = kalman.steady_state() if horizon is None else None
    start = system.initial_factor @ system.initial_factor.T
    P = regulator.cost_to_go.matrix
    R, B = symmetric(problem.R), problem.B
    if horizon is None and not float(gamma) < 1 and steady is not None:
        seen = -regulator.average_cost
        lost = jnp.sum(_unseen(regulator.gain, R + B.T @ P @ B) * steady.updated)
        return LQGSolution(regulator, kalman, seen - lost, seen)
    n_steps = SETTLED if horizon is None else int(horizon)
    covariances = _covariances(kalman, n_steps)
    if horizon is None:
        ahead = jnp.broadcast_to(P[None], (n_steps, *P.shape))
        gains = jnp.broadcast_to(regulator.gain[None], (n_steps, *regulator.gain.shape))
        first = regulator.cost_to_go
    else:
        ahead = jnp.concatenate([P[1:], jnp.zeros_like(P[:1])])
        gains, first = regulator.gain, regulator.at(0).cost_to_go
    weights = jnp.asarray(gamma, P.dtype) ** jnp.arange(n_steps)
    curvatures = R[None] + gamma * jnp.einsum("im,hij,jk->hmk", B, ahead, B)
    costs = jnp.sum(jax.vmap(_unseen)(gains, curvatures) * covariances, axis=(1, 2))
    lost = jnp.sum(weights * costs)
    if horizon is None:
        lost = lost + weights[-1] * gamma / (1 - gamma) * costs[-1]
    seen = -(jnp.sum(first.matrix * start) + first.constant)
    return LQGSolution(regulator, kalman, seen - lost, seen)


def _unseen(gain: Array, curvature: Array) -> Array:
    """What an error of the mean costs, as a quadratic form."""
    return gain.T @ curvature @ gain


def _covariances(kalman: KalmanFilter, n_steps: int) -> Array:
    """After the observation of each step, [T, n, n]: they do not depend on what is observed."""
    nothing_seen = jnp.zeros(kalman.C.shape[0])
    nothing_done = jnp.zeros(kalman.B.shape[1])

    def step(belief: GaussianBelief, _: None) -> tuple[GaussianBelief, Array]:
        updated, _log = kalman.update(belief, nothing_seen)
        return kalman.predict(updated, nothing_done), updated.covariance

    return jax.lax.scan(step, kalman.initial(), length=n_steps)[1]
