"""Dyna-Q+: Dyna-Q that doubts what it has not tried for a long time."""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.checks import check_number
from upslope.search.value_based.dyna_q import DynaQ
from upslope.search.value_based.observed_model import ObservedModel


class DynaQPlus(DynaQ):
    r"""Dyna-Q+: planning adds a bonus for pairs that have not been tried for long.

    .. math:: Q(S, A) \leftarrow Q(S, A) + \alpha \big[R + \kappa \sqrt{\tau}
              + \gamma \max_a Q(S', a) - Q(S, A)\big]

    with tau the real steps since A was last tried in S, counted over the whole experiment: the
    clock runs on through episodes. The bonus is for **planning** alone, so that it reaches the
    agent as a value, over many states, and real steps are learned as they were. Planning also
    draws actions that were never tried in a state it has visited: they lead back to it and earn
    nothing, until they are tried. With a bonus the values are not those of the world, but larger.

    Attributes:
      kappa: weight of the bonus, in units of reward per square root of a step.

    Raises:
      UpslopeError: from `configure`: observations or actions that are not numbered.

    References:
      Sutton (1990); Sutton and Barto (2018), section 8.3 and its footnote.
    """

    name: ClassVar[str] = "dyna-q-plus"
    plans_untried: ClassVar[bool] = True
    kappa: float | Array = 1e-4

    def __check_init__(self) -> None:
        check_number("DynaQPlus", "kappa", self.kappa, at_least=0)

    def _bonus(
        self, model: ObservedModel, state: Array, action: Array, clock: Array
    ) -> Float[Array, " n"]:
        since = clock - model.tried_at[state, action]
        return self.kappa * jnp.sqrt(since.astype(float))
