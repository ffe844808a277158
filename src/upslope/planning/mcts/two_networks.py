"""Two networks, one for the prior and one for the value, as what guides a search."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import EnvironmentState, Observation
from upslope.policies.bodies import Body
from upslope.policies.network import NetworkPolicy


class TwoNetworkEvaluator(eqx.Module):
    """The logits of one network's policy, and the value of another, of a position.

    Attributes:
      policy: a `NetworkPolicy` whose outputs are preferences of actions.
      value: a network with one output, see `value_of`.
    """

    policy: NetworkPolicy
    value: Body

    def __call__(
        self, state: EnvironmentState, observation: Observation
    ) -> tuple[Float[Array, " A"], Float[Array, ""]]:
        output, _ = self.policy.body(observation)
        return output, value_of(self.value, observation)


def value_of(network: Body, observation: Observation) -> Float[Array, ""]:
    """v(s) = tanh of the output, in [-1, 1], from the side of who is to move."""
    output, _ = network(observation)
    return jnp.tanh(output[0])
