"""The linear-quadratic system: the control problem whose optimum is known in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jaxtyping import Float
from numpy.typing import ArrayLike

from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError
from upslope.core.records import Step
from upslope.environments.environment import Environment

if TYPE_CHECKING:
    from gymnasium import spaces


class LinearQuadratic(Environment):
    r"""Linear dynamics with Gaussian noise and a quadratic cost.

    .. math:: x_0 = L_0 z_0, \qquad x_{t+1} = A x_t + B u_t + L z_t, \qquad
              r_t = -(x_t^\top Q x_t + u_t^\top R u_t), \qquad z_t \sim N(0, I)

    State and observation are x [n]; the action is u [m], unbounded. It never terminates.

    Attributes:
      A: [n, n].
      B: [n, m].
      Q: [n, n], the cost of states.
      R: [m, m], the cost of controls.
      noise_factor: L [n, k]; the noise has covariance L L^T.
      initial_factor: L_0 [n, j]; the start has mean zero and covariance L_0 L_0^T.
      time_limit: steps. Static.

    Args:
      A: without it the system is the three-dimensional, slightly unstable one of Dean et al.,
        whose other matrices are then the defaults.
      B: default the identity.
      Q: default the identity (0.001 times it for the system of Dean et al.).
      R: default the identity.
      noise_factor: default the identity.
      initial_factor: default the identity.
      time_limit: see above.

    Raises:
      UpslopeError: shapes that do not fit together, or an entry that is not finite.

    References:
      Bertsekas (2017), section 3.1; Dean et al. (2020), section 6 (the default system).
    """

    name: ClassVar[str] = "linear-quadratic"
    A: Float[Array, "n n"]
    B: Float[Array, "n m"]
    Q: Float[Array, "n n"]
    R: Float[Array, "m m"]
    noise_factor: Float[Array, "n k"]
    initial_factor: Float[Array, "n j"]
    time_limit: int | None = eqx.field(static=True)

    def __init__(
        self,
        A: ArrayLike | None = None,
        B: ArrayLike | None = None,
        Q: ArrayLike | None = None,
        R: ArrayLike | None = None,
        noise_factor: ArrayLike | None = None,
        initial_factor: ArrayLike | None = None,
        time_limit: int | None = 300,
    ):
        if A is None:
            A = np.array([[1.01, 0.01, 0.0], [0.01, 1.01, 0.01], [0.0, 0.01, 1.01]])
            Q = 1e-3 * np.eye(3) if Q is None else Q
        n = np.shape(A)[0] if np.ndim(A) == 2 else 0
        given: dict[str, Any] = {"A": A, "B": B, "Q": Q, "noise_factor": noise_factor}
        given |= {"initial_factor": initial_factor}
        for name, matrix in given.items():
            given[name] = np.eye(n) if matrix is None else matrix
        m = np.shape(given["B"])[1] if np.ndim(given["B"]) == 2 else 0
        given["R"] = np.eye(m) if R is None else R
        _check_matrices(given, n, m)
        for name, matrix in given.items():
            setattr(self, name, jnp.asarray(matrix, float))
        self.time_limit = time_limit

    def reset(self, key: Key) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        state = self.initial_factor @ jax.random.normal(key, (self.initial_factor.shape[-1],))
        return state, state

    def step(
        self, key: Key, state: Float[Array, " n"], action: Float[Array, " m"]
    ) -> tuple[Float[Array, " n"], Step]:
        cost = state @ self.Q @ state + action @ self.R @ action
        noise = self.noise_factor @ jax.random.normal(key, (self.noise_factor.shape[-1],))
        state = self.A @ state + self.B @ action + noise
        return state, Step(state, -cost, jnp.zeros((), bool))

    def without_noise(self) -> LinearQuadratic:
        return eqx.tree_at(lambda e: e.noise_factor, self, jnp.zeros_like(self.noise_factor))

    @property
    def observation_space(self) -> spaces.Box:
        from gymnasium import spaces

        return spaces.Box(-np.inf, np.inf, (self.A.shape[-1],), np.float32)

    @property
    def action_space(self) -> spaces.Box:
        from gymnasium import spaces

        return spaces.Box(-np.inf, np.inf, (self.B.shape[-1],), np.float32)


def _check_matrices(given: dict[str, Any], n: int, m: int) -> None:
    wanted = {
        "A": ("[n, n]", lambda shape: n > 0 and shape == (n, n)),
        "B": ("[n, m]", lambda shape: len(shape) == 2 and shape[0] == n and m > 0),
        "Q": ("[n, n]", lambda shape: shape == (n, n)),
        "R": ("[m, m]", lambda shape: shape == (m, m)),
        "noise_factor": ("[n, k]", lambda shape: len(shape) == 2 and shape[0] == n),
        "initial_factor": ("[n, j]", lambda shape: len(shape) == 2 and shape[0] == n),
    }
    for name, (form, fits) in wanted.items():
        shape = np.shape(given[name])
        if not fits(shape):
            raise UpslopeError(
                f"LinearQuadratic got {name} of shape {shape}: it must be {form} with n={n} states "
                f"(the size of A) and m={m} controls (the columns of B)."
            )
        traced = isinstance(given[name], Tracer)
        if not traced and not np.isfinite(np.asarray(given[name], float)).all():
            raise UpslopeError(f"LinearQuadratic got a {name} with an entry that is not finite.")
