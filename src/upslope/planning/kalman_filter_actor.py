"""Acting on what a Kalman filter believes."""

from __future__ import annotations

from jax import Array
from jaxtyping import Float

from upslope.core.actor import Actor
from upslope.core.annotations import Memory, Noise, Observation
from upslope.core.records import Act
from upslope.environments.linear_quadratic_gaussian import LinearQuadraticGaussian
from upslope.exact.kalman_filter import KalmanFilter
from upslope.exact.lqg import linear_quadratic_gaussian_control


class KalmanFilterActor(Actor):
    r"""The LQG controller: a filter is its memory, a regulator its action.

    .. math:: u_t = K m_t + k, \qquad m_t = E[x_t \mid y_0, \dots, y_t, u_0, \dots, u_{t-1}]

    The memory is the belief of the present state before its observation. It takes the system's
    noise for normal and its controls for done: an environment that clips them tells it something
    wrong.

    Attributes:
      filter: the belief.
      gain: K [m, n].
      offset: k [m].

    Example:
      >>> from upslope.environments import LinearQuadraticGaussian
      >>> from upslope.planning import KalmanFilterActor
      >>> actor = KalmanFilterActor.of(LinearQuadraticGaussian())
      >>> actor.gain.shape
      (3, 3)

    References:
      Bertsekas (2017), section 4.3.
    """

    filter: KalmanFilter
    gain: Float[Array, "m n"]
    offset: Float[Array, " m"]

    @classmethod
    def of(
        cls, environment: LinearQuadraticGaussian, gamma: float | Array = 1.0
    ) -> KalmanFilterActor:
        """The best actor of an environment that has no end.

        Raises:
          UpslopeError: as `linear_quadratic_gaussian_control`.
        """
        found = linear_quadratic_gaussian_control(environment, gamma)
        return cls(found.filter, found.regulator.gain, found.regulator.offset)

    def initial_memory(self) -> Memory:
        return self.filter.initial()

    def act(self, noise: Noise, observation: Observation, memory: Memory) -> Act:
        belief, _ = self.filter.update(memory, observation)
        u = self.gain @ belief.mean + self.offset
        return Act(u, self.filter.predict(belief, u))
