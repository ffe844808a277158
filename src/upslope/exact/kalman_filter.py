"""The Kalman filter: what noisy observations say of a linear system's state."""

from __future__ import annotations

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Float

from upslope.core.checks import UpslopeError
from upslope.core.dense_systems import positive_solve, solve
from upslope.environments.linear_quadratic_gaussian import LinearQuadraticGaussian
from upslope.exact.linear_loop import symmetric
from upslope.exact.regulator_checks import TOLERANCES, hidden_mode
from upslope.exact.riccati_equation import discrete_riccati
from upslope.exact.tables import known


class GaussianBelief(NamedTuple):
    """A state that is known up to a normal distribution."""

    mean: Float[Array, "*T n"]
    covariance: Float[Array, "*T n n"]


class FilteredBeliefs(NamedTuple):
    """What was believed at each step of a recording."""

    predicted: GaussianBelief  # [T] before the observation of the step
    updated: GaussianBelief  # [T] after it
    log_likelihood: Float[Array, ""]  # of all observations


class SteadyFilter(NamedTuple):
    """The filter in the long run."""

    gain: Float[Array, "n p"]  # L: mean + L (y - C mean)
    predicted: Float[Array, "n n"]  # covariance before an observation
    updated: Float[Array, "n n"]  # and after it


class KalmanFilter(eqx.Module):
    r"""The distribution of a linear system's state, given what was observed.

    .. math:: x_0 \sim \mathcal N(m, P), \quad x_{t+1} = A x_t + B u_t + c + w_t, \quad
              y_t = C x_t + v_t, \quad w \sim \mathcal N(0, W), \quad v \sim \mathcal N(0, V)

    Exact for such systems; of all linear estimates the best where the noise is not normal.
    Covariances are updated in Joseph's form, a sum of squares, which rounding leaves positive
    semidefinite. Differentiable in every number, the log-likelihood too. Nothing calls LAPACK.

    Attributes:
      A: [n, n].
      B: [n, m].
      C: [p, n].
      process_noise: W [n, n].
      observation_noise: V [p, p], positive definite.
      initial_mean: m [n], before any observation; None in the constructor for zero.
      initial_covariance: P [n, n]; None in the constructor for W.
      offset: c [n]; None in the constructor for zero.

    Raises:
      UpslopeError: shapes that do not fit together, an entry that is not finite, a V that is not
        positive definite, a W or P that is not positive semidefinite.

    References:
      Kalman (1960); Anderson and Moore (1979), "Optimal Filtering", chapters 3 and 4; Rauch, Tung
      and Striebel (1965); Bucy and Joseph (1968).
    """

    A: Float[Array, "n n"]
    B: Float[Array, "n m"]
    C: Float[Array, "p n"]
    process_noise: Float[Array, "n n"]
    observation_noise: Float[Array, "p p"]
    initial_mean: Float[Array, " n"]
    initial_covariance: Float[Array, "n n"]
    offset: Float[Array, " n"]

    def __init__(
        self,
        A: ArrayLike,
        B: ArrayLike,
        C: ArrayLike,
        process_noise: ArrayLike,
        observation_noise: ArrayLike,
        initial_mean: ArrayLike | None = None,
        initial_covariance: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ):
        n = np.shape(A)[0] if np.ndim(A) == 2 else 0
        m = np.shape(B)[1] if np.ndim(B) == 2 else 0
        p = np.shape(C)[0] if np.ndim(C) == 2 else 0
        given = {
            "A": (A, (n, n)),
            "B": (B, (n, m)),
            "C": (C, (p, n)),
            "process_noise": (process_noise, (n, n)),
            "observation_noise": (observation_noise, (p, p)),
            "initial_mean": (jnp.zeros(n) if initial_mean is None else initial_mean, (n,)),
            "initial_covariance": (
                process_noise if initial_covariance is None else initial_covariance,
                (n, n),
            ),
            "offset": (jnp.zeros(n) if offset is None else offset, (n,)),
        }
        for name, (value, shape) in given.items():
            array = jnp.asarray(value, float)
            if 0 in (n, m, p) or array.shape != shape:
                raise UpslopeError(
                    f"KalmanFilter got {name} of shape {array.shape}: it must be {shape} with "
                    f"n={n} states (the size of A), m={m} controls (the columns of B) and p={p} "
                    "observations (the rows of C)."
                )
            if not isinstance(array, Tracer):
                _check_covariance(name, np.asarray(array, float))
            setattr(self, name, array)

    def initial(self) -> GaussianBelief:
        """What is believed before the first observation."""
        return GaussianBelief(self.initial_mean, symmetric(self.initial_covariance))

    def update(
        self, belief: GaussianBelief, y: Float[Array, " p"]
    ) -> tuple[GaussianBelief, Float[Array, ""]]:
        r"""The belief after an observation, and log p(y) before it.

        .. math:: L = P C^\top S^{-1}, \quad S = C P C^\top + V, \quad
                  P' = (I - L C) P (I - L C)^\top + L V L^\top
        """
        mean, P = belief
        S = symmetric(self.C @ P @ self.C.T + self.observation_noise)
        seen = self.C @ P
        L = solve(S, seen).T
        surprise = y - self.C @ mean
        weighed, pivots = positive_solve(S, surprise[:, None])
        log_density = -0.5 * (
            len(surprise) * math.log(2 * math.pi)
            + jnp.sum(jnp.log(pivots))
            + surprise @ weighed[:, 0]
        )
        kept = jnp.eye(len(mean), dtype=P.dtype) - L @ self.C
        covariance = kept @ P @ kept.T + L @ self.observation_noise @ L.T
        return GaussianBelief(mean + L @ surprise, symmetric(covariance)), log_density

    def predict(self, belief: GaussianBelief, u: Float[Array, " m"]) -> GaussianBelief:
        """The belief of the next state, after a control."""
        mean = self.A @ belief.mean + self.B @ u + self.offset
        covariance = self.A @ belief.covariance @ self.A.T + self.process_noise
        return GaussianBelief(mean, symmetric(covariance))

    def filter(self, ys: Float[Array, "T p"], us: Float[Array, "T m"]) -> FilteredBeliefs:
        """The beliefs along a recording.

        Args:
          ys: y_t, of the state before the control of the step.
          us: u_t.
        """

        def step(
            belief: GaussianBelief, inputs: tuple[Array, Array]
        ) -> tuple[GaussianBelief, tuple[GaussianBelief, GaussianBelief, Array]]:
            updated, log_density = self.update(belief, inputs[0])
            return self.predict(updated, inputs[1]), (belief, updated, log_density)

        _, (predicted, updated, log_densities) = jax.lax.scan(step, self.initial(), (ys, us))
        return FilteredBeliefs(predicted, updated, jnp.sum(log_densities))

    def smooth(self, ys: Float[Array, "T p"], us: Float[Array, "T m"]) -> GaussianBelief:
        r"""The beliefs [T] given the whole recording: Rauch, Tung and Striebel's smoother.

        .. math:: J = P_{t|t} A^\top P_{t+1|t}^{-1}, \qquad
                  m_t = m_{t|t} + J (m_{t+1} - m_{t+1|t})

        P_{t+1|t} must be invertible, which a positive definite W grants. Arguments as for
        `filter`.
        """
        found = self.filter(ys, us)

        def back(
            later: GaussianBelief, inputs: tuple[GaussianBelief, GaussianBelief]
        ) -> tuple[GaussianBelief, GaussianBelief]:
            updated, ahead = inputs
            J = solve(ahead.covariance, self.A @ updated.covariance).T
            mean = updated.mean + J @ (later.mean - ahead.mean)
            covariance = updated.covariance + J @ (later.covariance - ahead.covariance) @ J.T
            belief = GaussianBelief(mean, symmetric(covariance))
            return belief, belief

        last = jax.tree.map(lambda leaf: leaf[-1], found.updated)
        before = jax.tree.map(lambda leaf: leaf[:-1], found.updated)
        ahead = jax.tree.map(lambda leaf: leaf[1:], found.predicted)
        _, smoothed = jax.lax.scan(back, last, (before, ahead), reverse=True)
        return jax.tree.map(lambda a, b: jnp.concatenate([a, b[None]]), smoothed, last)

    def steady_state(self) -> SteadyFilter:
        """The gain and the covariances that do not change any more, by the Riccati equation.

        Raises:
          UpslopeError: a mode that does not decay is not observed; not checked when traced.
        """
        if known(self):
            tolerance = TOLERANCES[self.A.dtype.itemsize]
            mode = hidden_mode(np.asarray(self.A, float), np.asarray(self.C, float), tolerance)
            if mode is not None:
                raise UpslopeError(
                    f"(A, C) is not detectable: the mode of A with the eigenvalue {mode[0]}, along "
                    f"{mode[1]}, does not decay and no observation shows it, so that what is known "
                    "of it gets worse without bound. Observe it (a row of C)."
                )
        return _steady(self)


@jax.jit
def _steady(kalman: KalmanFilter) -> SteadyFilter:
    P = discrete_riccati(
        kalman.A.T,
        kalman.C.T,
        kalman.process_noise,
        kalman.observation_noise,
        jnp.zeros_like(kalman.C.T),
    )
    S = symmetric(kalman.C @ P @ kalman.C.T + kalman.observation_noise)
    L = solve(S, kalman.C @ P).T
    updated, _ = kalman.update(
        GaussianBelief(jnp.zeros_like(kalman.initial_mean), P), jnp.zeros(len(S), P.dtype)
    )
    return SteadyFilter(L, P, updated.covariance)


def kalman_filter_of(environment: LinearQuadraticGaussian) -> KalmanFilter:
    """The filter of an environment: its own dynamics and noise."""
    system = environment.system
    return KalmanFilter(
        system.A,
        system.B,
        environment.C,
        system.noise_factor @ system.noise_factor.T,
        environment.observation_factor @ environment.observation_factor.T,
        initial_covariance=system.initial_factor @ system.initial_factor.T,
    )


def _check_covariance(name: str, array: np.ndarray) -> None:
    if not np.isfinite(array).all():
        raise UpslopeError(f"KalmanFilter got {name} with an entry that is not finite.")
    if name not in ("process_noise", "observation_noise", "initial_covariance"):
        return
    values = np.linalg.eigvalsh((array + array.T) / 2)
    size = max(np.abs(values).max(), np.finfo(float).tiny)
    if name == "observation_noise" and values[0] <= 1e-7 * size:
        raise UpslopeError(
            f"KalmanFilter got observation_noise with the eigenvalue {values[0]:.6g}: it must be "
            "positive definite, because an observation without noise leaves nothing to weigh. Add "
            "a small variance to its diagonal."
        )
    if values[0] < -1e-5 * size:
        raise UpslopeError(
            f"KalmanFilter got {name} with the eigenvalue {values[0]:.6g}: a covariance must be "
            "positive semidefinite."
        )
