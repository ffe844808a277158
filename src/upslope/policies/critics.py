"""Values of states and actions, computed by networks of a policy's architecture."""

from __future__ import annotations

from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Key, Memory, Observation
from upslope.core.networks.linear import Linear
from upslope.policies.bodies.body import Body
from upslope.policies.policy import Policy, ValueFunction


class StateValue(ValueFunction):
    """V(s).

    Attributes:
      body: observation to one number.
    """

    body: Body

    @property
    def has_memory(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the body has a memory."""
        return self.body.has_memory

    def initial_memory(self) -> Memory:
        return self.body.initial_memory()

    def __call__(self, observation: Observation, memory: Memory = ()) -> Any:
        """V, a scalar; with memory, a pair (V, next memory)."""
        output, memory = self.body(observation, memory)
        return (output[0], memory) if self.has_memory else output[0]


class ActionValues(ValueFunction):
    """Q(s, .) of all actions of a list at once.

    Attributes:
      body: observation to one number per action.
    """

    body: Body

    @property
    def has_memory(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the body has a memory."""
        return self.body.has_memory

    def initial_memory(self) -> Memory:
        return self.body.initial_memory()

    def __call__(self, observation: Observation, memory: Memory = ()) -> Any:
        """Q(s, .) [A]; with memory, a pair (Q, next memory)."""
        output, memory = self.body(observation, memory)
        return (output, memory) if self.has_memory else output


class ActionValue(ValueFunction):
    """Q(s, a) of an action that the network reads beside the observation.

    Attributes:
      body: observation and action to one number.
    """

    body: Body

    @property
    def has_memory(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the body has a memory."""
        return self.body.has_memory

    def initial_memory(self) -> Memory:
        return self.body.initial_memory()

    def __call__(
        self, observation: Observation, memory: Memory = (), *, action: Float[Array, " d"]
    ) -> Any:
        """Q, a scalar; with memory, a pair (Q, next memory)."""
        output, memory = self.body(observation, memory, jnp.ravel(action))
        return (output[0], memory) if self.has_memory else output[0]


class FeatureValue(ValueFunction):
    """V(s), linear in the features that the policy computes anyway.

    Attributes:
      output: features [F] to one number.
    """

    reads_features: ClassVar[bool] = True
    output: Linear

    def __call__(self, observation: Observation, memory: Memory = ()) -> Float[Array, ""]:
        """V, a scalar, of the policy's features of an observation."""
        return self.output(observation)[0]


def state_value(key: Key, policy: Policy, *, share_features: bool = False) -> ValueFunction:
    """A fresh V of the policy's architecture. The key is consumed.

    Args:
      key: consumed.
      policy: whose architecture it is.
      share_features: V is to read the policy's features, if it has them (`shares_features`): their
        gradient is then the sum of both.

    Raises:
      UpslopeError: for a policy without an architecture (`Policy.network_like`).
    """
    if share_features and policy.shares_features:
        return FeatureValue(policy.read_out_like(key, 1))
    return StateValue(policy.network_like(key, 1))


def action_values(key: Key, policy: Policy, n_actions: int) -> ActionValues:
    """A fresh Q(s, .) [n_actions] of the policy's architecture. The key is consumed.

    Raises:
      UpslopeError: for a policy without an architecture (`Policy.network_like`).
    """
    return ActionValues(policy.network_like(key, n_actions))


def action_value(key: Key, policy: Policy, action_size: int) -> ActionValue:
    """A fresh Q(s, a) of actions of `action_size` numbers. The key is consumed.

    Raises:
      UpslopeError: for a policy without an architecture, or one that cannot read an action.
    """
    return ActionValue(policy.network_like(key, 1, action_size))
