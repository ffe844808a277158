"""The linear-quadratic system whose state is seen through noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Float

from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError
from upslope.core.records import Step
from upslope.environments.environment import Environment
from upslope.environments.linear_quadratic import LinearQuadratic
from upslope.environments.wrappers.wrapper import Wrapper

if TYPE_CHECKING:
    from gymnasium import spaces


class LinearQuadraticGaussian(Wrapper):
    r"""A `LinearQuadratic` of which only y is observed.

    .. math:: y_t = C x_t + D z_t, \qquad z_t \sim \mathcal N(0, I)

    The state is the system's x [n], the observation y [p]. The best policy needs a memory: a
    Kalman filter, whose mean the regulator of the observed system acts on.

    Attributes:
      environment: the system; default `LinearQuadratic()`.
      C: [p, n]; default the identity.
      observation_factor: D [p, k]; the noise has covariance D D^T. Default the identity.

    Raises:
      UpslopeError: shapes that do not fit together, an entry that is not finite, or an environment
        that is not linear-quadratic.

    References:
      Bertsekas (2017), section 4.3; Anderson and Moore (1990), chapter 8.
    """

    name: ClassVar[str] = "linear-quadratic-gaussian"
    environment: Environment
    C: Float[Array, "p n"]
    observation_factor: Float[Array, "p k"]

    def __init__(
        self,
        environment: LinearQuadratic | None = None,
        C: ArrayLike | None = None,
        observation_factor: ArrayLike | None = None,
    ):
        self.environment = LinearQuadratic() if environment is None else environment
        if not isinstance(cast(object, self.environment), LinearQuadratic):
            raise UpslopeError(
                f"LinearQuadraticGaussian got environment={environment!r:.80}: it must be a "
                "LinearQuadratic system."
            )
        n = self.system.A.shape[-1]
        self.C = jnp.asarray(np.eye(n) if C is None else C, float)
        p = self.C.shape[0] if self.C.ndim == 2 else 0
        factor = np.eye(p) if observation_factor is None else observation_factor
        self.observation_factor = jnp.asarray(factor, float)
        for name, array, fits, form in [
            ("C", self.C, p > 0 and self.C.shape == (p, n), f"[p, {n}]"),
            (
                "observation_factor",
                self.observation_factor,
                self.observation_factor.ndim == 2 and self.observation_factor.shape[0] == p,
                f"[{p}, k]",
            ),
        ]:
            if not fits:
                raise UpslopeError(
                    f"LinearQuadraticGaussian got {name} of shape {array.shape}: it must be "
                    f"{form}, with the system's {n} states and a row for each observation."
                )
            if not isinstance(array, Tracer) and not np.isfinite(np.asarray(array)).all():
                raise UpslopeError(
                    f"LinearQuadraticGaussian got {name} with an entry that is not finite."
                )

    @property
    def system(self) -> LinearQuadratic:
        """The system itself."""
        return cast(LinearQuadratic, self.environment)

    def reset(self, key: Key) -> tuple[Float[Array, " n"], Float[Array, " p"]]:
        state_key, noise_key = jax.random.split(key)
        state, _ = self.system.reset(state_key)
        return state, self._observe(noise_key, state)

    def step(
        self, key: Key, state: Float[Array, " n"], action: Float[Array, " m"]
    ) -> tuple[Float[Array, " n"], Step]:
        step_key, noise_key = jax.random.split(key)
        state, out = self.system.step(step_key, state, action)
        return state, out._replace(observation=self._observe(noise_key, state))

    def _observe(self, key: Key, state: Array) -> Array:
        noise = jax.random.normal(key, (self.observation_factor.shape[-1],))
        return self.C @ state + self.observation_factor @ noise

    @property
    def observation_space(self) -> spaces.Box:
        from gymnasium import spaces

        return spaces.Box(-np.inf, np.inf, (self.C.shape[0],), np.float32)
