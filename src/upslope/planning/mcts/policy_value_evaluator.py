"""A network of policy and value as what guides a search."""

from __future__ import annotations

import equinox as eqx
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import EnvironmentState, Observation
from upslope.policies.heads.discrete import PolicyValueHead
from upslope.policies.network import NetworkPolicy


class PolicyValueEvaluator(eqx.Module):
    """The logits of the prior and the value of a position, from one look at it.

    Attributes:
      policy: a `NetworkPolicy` whose head is a `PolicyValueHead`.
    """

    policy: NetworkPolicy

    def __call__(
        self, state: EnvironmentState, observation: Observation
    ) -> tuple[Float[Array, " A"], Float[Array, ""]]:
        head = self.policy.head
        assert isinstance(head, PolicyValueHead)
        output, _ = self.policy.body(observation)
        return output[: head.n_actions], head.value(output)
