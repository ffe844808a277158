"""The optimal controller of a linear-quadratic system."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.checks import UpslopeError
from upslope.environments.linear_quadratic import LinearQuadratic
from upslope.exact.linear_loop import LinearGaussianController, spectral_radius, symmetric
from upslope.exact.linear_quadratic import value_of_gain
from upslope.exact.riccati_equation import discrete_riccati, riccati_gain, riccati_step
from upslope.exact.tables import known
from upslope.exact.values import check_horizon
from upslope.objectives import (
    AverageReward,
    AverageValue,
    DiscountedReturn,
    EpisodicReturn,
    Objective,
)


class OptimalControl(NamedTuple):
    """What is best: u = gain x."""

    gain: Array  # K [m, n]; [H, m, n] under a horizon, one for each step
    cost_to_go: Array  # P [n, n], or [H, n, n]: the quadratic cost from there on
    value: Array  # J of it, scalar: the most that can be had


def optimal_control(
    system: LinearQuadratic, objective: Objective, horizon: int | None = None
) -> OptimalControl:
    r"""The gain that no policy beats, and its J, by the Riccati equation.

    .. math:: P = Q + \gamma A^\top P A - \gamma^2 A^\top P B (R + \gamma B^\top P B)^{-1}
              B^\top P A, \qquad K = -\gamma (R + \gamma B^\top P B)^{-1} B^\top P A

    Infinite horizons by the structure-preserving doubling algorithm, which converges
    quadratically; finite ones by the backward recursion, with a gain for every step. The best
    policy is deterministic, and the noise of the system does not change it.

    Args:
      system: the system, R positive definite.
      objective: which J.
      horizon: as for `value`.

    Raises:
      UpslopeError: R is not positive definite, or R + gamma B' P B at some step is not (which an
        indefinite Q can do: then some control earns without bound); undiscounted episodes without
        a horizon; the best gain leaves the system unstable. Not checked when traced.

    References:
      Bertsekas (2017), sections 3.1 and 4.2; Chu, Fan and Lin (2005), algorithm SDA.
    """
    if known(system) and not np.all(np.linalg.eigvalsh(np.asarray(symmetric(system.R))) > 0):
        raise UpslopeError(
            f"The costs of controls R = {np.asarray(system.R).tolist()} are not positive definite: "
            "some controls would be free and the best gain without bound. Raise R."
        )
    if horizon is not None:
        check_horizon("The optimal control", horizon)
    limits = [h for h in (getattr(objective, "horizon", None), horizon) if h is not None]
    if isinstance(objective, EpisodicReturn) and not limits:
        raise UpslopeError(
            "A linear-quadratic system never ends: the undiscounted return needs a horizon "
            "(EpisodicReturn(horizon=...)), or take a discount or an average."
        )
    gamma = objective.gamma if isinstance(objective, DiscountedReturn) else 1.0
    root = jnp.sqrt(jnp.asarray(gamma, system.A.dtype))
    a, b = root * system.A, root * system.B
    q, r = symmetric(system.Q), symmetric(system.R)
    if limits:
        found = _finite(system, a, b, q, r, gamma, int(min(limits)), objective)
        nothing = jnp.zeros_like(q)[None]
        _check_maximum(b, r, jnp.concatenate([found.cost_to_go[1:], nothing]))
        return found
    nothing = jnp.zeros_like(b)
    ahead = _solution(a, b, q, r, nothing)
    gain = riccati_gain(a, b, r, nothing, ahead)
    # NaN where the doubling diverged.
    if known(gain) and not (np.isfinite(gain).all() and spectral_radius(a + b @ gain) < 1.0):
        raise UpslopeError(
            "No gain that stabilises this system is best (A has spectral radius "
            f"{spectral_radius(system.A):.6g}): B does not reach its unstable directions, or Q "
            "does not see them, so that letting them grow costs nothing. Let Q see every "
            "direction; a horizon or a stronger discount helps, too."
        )
    _check_maximum(b, r, ahead[None])
    m = system.B.shape[-1]
    controller = LinearGaussianController(jnp.pad(gain, ((0, 0), (0, 1))), jnp.zeros(m, gain.dtype))
    return OptimalControl(gain, ahead, value_of_gain(controller, system, objective, None))


def _check_maximum(b: Array, r: Array, ahead: Array) -> None:
    """Raises where the stationary point [H, n, n] is no maximum: R + B'PB must be positive."""
    if not known(b, r, ahead):
        return
    curvature = np.asarray(r) + np.einsum("im,hij,jk->hmk", b, ahead, b)
    least = np.linalg.eigvalsh((curvature + np.swapaxes(curvature, 1, 2)) / 2).min(axis=1)
    if not np.all(least > 0):
        step = int(np.argmax(~(least > 0)))
        where = f" at step {step}" if len(least) > 1 else ""
        raise UpslopeError(
            f"There is no best gain: R + gamma B' P B{where} has the eigenvalue {least[step]:.6g}, "
            "so some control earns without bound. The costs Q must be positive semidefinite."
        )


_solution = jax.jit(discrete_riccati)


def _finite(
    system: LinearQuadratic,
    a: Array,
    b: Array,
    q: Array,
    r: Array,
    gamma: float | Array,
    horizon: int,
    objective: Objective,
) -> OptimalControl:
    noise = system.noise_factor @ system.noise_factor.T
    start = system.initial_factor @ system.initial_factor.T

    def back(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], tuple]:
        ahead, rest = carry
        now, gain = riccati_step(a, b, q, r, jnp.zeros_like(b), ahead)
        rest = gamma * (jnp.sum(ahead * noise) + rest)
        return (now, rest), (gain, now)

    blank = (jnp.zeros_like(q), jnp.zeros((), q.dtype))
    (first, rest), (gains, costs) = jax.lax.scan(back, blank, length=horizon, reverse=True)
    value = -(jnp.sum(first * start) + rest)
    if isinstance(objective, AverageReward | AverageValue):
        value = value / horizon
    if isinstance(objective, AverageValue):
        value = value / (1.0 - objective.gamma)
    return OptimalControl(gains, costs, value)
