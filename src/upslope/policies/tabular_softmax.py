"""The softmax over a table of preferences."""

from __future__ import annotations

import jax
from jax import Array
from jaxtyping import Float, Int

from upslope.core.annotations import Key, Memory
from upslope.core.distributions import Categorical
from upslope.core.records import Act
from upslope.policies.bodies.table import TableBody
from upslope.policies.policy import Policy
from upslope.policies.twin.actor import TwinActor
from upslope.policies.twin.heads import TwinSoftmax


class TabularSoftmax(Policy):
    r"""One preference for each state and action; the observation is the state, an int scalar.

    .. math:: \pi(a \mid s) = \frac{e^{h(s, a)}}{\sum_b e^{h(s, b)}}

    Every stochastic policy of a finite MDP with full support is one of these.

    Attributes:
      logits: h [S, A].

    References:
      Sutton and Barto (2018), equation 13.2.
    """

    logits: Float[Array, "S A"]

    def __call__(self, observation: Int[Array, ""], memory: Memory = None) -> Categorical:
        return Categorical(self.logits[observation])

    def noise(self, key: Key) -> Float[Array, " A"]:
        return jax.random.gumbel(key, self.logits.shape[-1:], self.logits.dtype)

    def act(self, noise: Float[Array, " A"], observation: Int[Array, ""], memory: Memory) -> Act:
        return Act(self(observation).from_noise(noise), memory)

    def network_like(self, key: Key, n_outputs: int, n_extra_inputs: int = 0) -> TableBody:
        """A table, zero at first."""
        return TableBody(self.logits).like(key, n_outputs, n_extra_inputs)

    def numpy(self) -> TwinActor:
        return TwinActor(TableBody(self.logits).numpy(), TwinSoftmax(self.logits.shape[-1]))
