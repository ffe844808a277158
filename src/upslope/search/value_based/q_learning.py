"""Q-learning in a table."""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.search.value_based.one_step_control import OneStepControl


class QLearning(OneStepControl):
    r"""Q-learning: off-policy control by one-step temporal differences.

    .. math:: Q(S, A) \leftarrow Q(S, A) + \alpha \big[R + \gamma \max_a Q(S', a) - Q(S, A)\big]

    Converges to the optimal action values with probability 1 where every pair is updated for ever
    and the learning rates sum to infinity, their squares not (`learning_rate_exponent` in
    (1/2, 1]); in a deterministic world a constant rate does. Nothing follows a terminated step; a
    truncated one is followed by its true successor.

    Raises:
      UpslopeError: from `configure`: observations or actions that are not numbered.

    References:
      Watkins and Dayan (1992); Sutton and Barto (2018), section 6.5.
    """

    name: ClassVar[str] = "q-learning"

    def value_after(
        self, values: Float[Array, " A"], epsilon: float | Float[Array, ""]
    ) -> Float[Array, ""]:
        return jnp.max(values)
