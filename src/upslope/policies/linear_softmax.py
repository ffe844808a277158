"""The softmax of preferences linear in features."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Key, Memory, Observation
from upslope.core.distributions import Categorical
from upslope.policies.bodies.table import FeatureBody
from upslope.policies.encoding import action_mask
from upslope.policies.features import FeatureMap
from upslope.policies.heads.head import allowed
from upslope.policies.policy import Policy
from upslope.policies.twin.actor import TwinActor


class LinearSoftmax(Policy):
    r"""A softmax over preferences that are linear in features of state and action.

    .. math:: \pi(a \mid s) \propto e^{\theta^\top \phi(s, a)}, \quad
              \nabla \log \pi(a \mid s) = \phi(s, a) - \sum_b \pi(b \mid s) \phi(s, b)

    Attributes:
      theta: [D].
      features: phi; frozen.

    References:
      Sutton and Barto (2018), equations 13.2, 13.3 and 13.9.
    """

    theta: Float[Array, " D"]
    features: FeatureMap

    def __call__(self, observation: Observation, memory: Memory = None) -> Categorical:
        logits = jax.lax.stop_gradient(self.features)(observation) @ self.theta
        mask = action_mask(observation)
        return Categorical(logits, allowed(mask, logits.shape[0], "A linear softmax policy"))

    def network_like(self, key: Key, n_outputs: int, n_extra_inputs: int = 0) -> FeatureBody:
        """Linear in the features averaged over the actions, zero at first."""
        weight = jnp.zeros((self.theta.shape[0], n_outputs), self.theta.dtype)
        start = FeatureBody(weight, jnp.zeros(n_outputs, self.theta.dtype), self.features)
        return start.like(key, n_outputs, n_extra_inputs)

    def numpy(self) -> TwinActor | None:
        body = self.features.numpy(np.asarray(self.theta))
        if body is None:
            return None
        return TwinActor(*body)
