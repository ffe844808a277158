"""Expected SARSA."""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.policies.tabular_epsilon_greedy import epsilon_greedy_probabilities
from upslope.search.value_based.one_step_control import OneStepControl


class ExpectedSarsa(OneStepControl):
    r"""Expected SARSA: towards the mean, over the policy, of the values that follow.

    .. math:: Q(S, A) \leftarrow Q(S, A) + \alpha \Big[R + \gamma \sum_a \pi(a \mid S') Q(S', a)
              - Q(S, A)\Big]

    with pi the epsilon-greedy policy that acts. SARSA's target without the noise of the next
    action: the same mean, a smaller variance, so that larger learning rates do; in a deterministic
    world a rate of 1 does. With epsilon = 0 it is Q-learning. Converges as SARSA does. Nothing
    follows a terminated step; a truncated one is followed by its true successor.

    Raises:
      UpslopeError: from `configure`: observations or actions that are not numbered.

    References:
      Van Seijen et al. (2009); Sutton and Barto (2018), section 6.6.
    """

    name: ClassVar[str] = "expected-sarsa"

    def value_after(
        self, values: Float[Array, " A"], epsilon: float | Float[Array, ""]
    ) -> Float[Array, ""]:
        return jnp.sum(epsilon_greedy_probabilities(values, epsilon) * values)
