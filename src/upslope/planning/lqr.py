"""The linear-quadratic regulator as a planner."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import equinox as eqx
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import EnvironmentState, Key, Memory
from upslope.core.checks import check_number
from upslope.environments.environment import Environment
from upslope.exact.quadratic_problem import linear_quadratic_problem
from upslope.exact.regulator import linear_quadratic_regulator
from upslope.exact.regulator_checks import check_regulator
from upslope.objectives import EpisodicReturn
from upslope.objectives.objective import Objective
from upslope.planning.planner import Planner, PlannerOutput


class LQRExtras(NamedTuple):
    """The control law of the present step: u = K x + k."""

    gain: Float[Array, "m n"]
    offset: Float[Array, " m"]


class LQR(Planner):
    r"""Acts by the Riccati equation of a linear-quadratic environment, true or fitted.

    .. math:: u = K x + k

    with K and k the first of a horizon of H steps, looked at anew in every step (receding
    horizon), or those without an end. Nothing is simulated. In the system itself no policy is
    better, but for the end of the horizon; in a `LinearGaussianModel` it is certainty-equivalent
    control: fitted numbers are taken for true ones. Controls are not limited.

    Attributes:
      environment: a `LinearQuadratic`, a `LinearGaussianModel`, or one with `linear_system()`.
      objective: whose discount it counts rewards with.
      horizon: H; None for no end, where what was fitted must be one that can be stabilised.
        Static.

    Raises:
      UpslopeError: a horizon below one; an environment that is not known to be linear-quadratic;
        and what `linear_quadratic_regulator` refuses.

    References:
      Bertsekas (2017), sections 3.1 and 4.2; Dean et al. (2020), for certainty equivalence.
    """

    example: ClassVar[str] = "linear-quadratic"
    environment: Environment
    objective: Objective = EpisodicReturn()
    horizon: int | None = eqx.field(static=True, default=100)

    def __check_init__(self) -> None:
        if self.horizon is not None:
            check_number("LQR", "horizon", self.horizon, at_least=1, integer=True)
        problem = linear_quadratic_problem(self.environment)
        check_regulator(problem, self.objective.discount, self.horizon)

    def plan(self, key: Key, state: EnvironmentState, memory: Memory) -> PlannerOutput:
        problem = linear_quadratic_problem(self.environment)
        found = linear_quadratic_regulator(problem, self.objective.discount, self.horizon)
        now = found if self.horizon is None else found.at(0)
        return PlannerOutput(
            action=now(state),
            action_weights=(),
            value=-now.cost_to_go(state),
            extras=LQRExtras(now.gain, now.offset),
        )

    @property
    def model_steps(self) -> int:
        """None: the future is solved for, not simulated."""
        return 0
