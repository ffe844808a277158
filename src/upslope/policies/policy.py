"""The contract every policy keeps."""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, overload

import equinox as eqx
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Key, Memory, Noise, Observation
from upslope.core.checks import UpslopeError
from upslope.core.distributions.distribution import Distribution
from upslope.core.moments import Moments
from upslope.core.networks.linear import Linear
from upslope.core.records import Act
from upslope.policies.actor import Actor
from upslope.policies.twin.actor import TwinActor

if TYPE_CHECKING:
    from upslope.policies.bodies.body import Body


class Policy(Actor):
    r"""A parameterised policy pi_theta(a|s). Its leaves are theta; the gradient with respect to the
    policy is the gradient with respect to theta.

    A memoryless policy maps one observation to a distribution: `policy(observation)`. A policy
    with memory (`has_memory`) maps an observation and its memory to a distribution and the next
    memory: `policy(observation, memory)`. Both are unbatched: `jax.vmap` them. Code that must work
    with either calls `respond(policy, observation, memory)`.
    """

    has_memory: ClassVar[bool] = False
    differentiable: ClassVar[bool] = True  # whether log pi can be differentiated
    shares_features: ClassVar[bool] = False  # whether a critic may read its features

    @abc.abstractmethod
    def __call__(self, observation: Observation, memory: Memory = None) -> Any:
        """The distribution of the action; with memory, a pair (distribution, next memory)."""

    def act(self, noise: Noise, observation: Observation, memory: Memory) -> Act:
        """A draw from the distribution, with the noise as its key."""
        distribution, memory = respond(self, observation, memory)
        return Act(distribution.sample(noise), memory)

    def greedy(self) -> Actor:
        """The policy's mode in the place of a draw."""
        return Greedy(self)

    def network_like(self, key: Key, n_outputs: int, n_extra_inputs: int = 0) -> Body:
        """A fresh network of this policy's architecture, for critics; see `policies.critics`.

        Args:
          key: consumed.
          n_outputs: how many numbers it computes.
          n_extra_inputs: how many numbers it reads beside the observation, such as an action's.

        Raises:
          UpslopeError: for a policy without an architecture, such as a rule.
        """
        raise UpslopeError(
            f"{type(self).__name__} has no network whose architecture a critic could have "
            "(network_like). Use a method without a critic, or a policy such as 'softmax' or "
            "'gaussian'; a policy of your own defines network_like."
        )

    def extract_features(self, observation: Observation) -> Float[Array, " features"]:
        """What the last layer reads, [F]; of policies with `shares_features`, such as convolutional
        ones, whose critics can save themselves a second look at the image."""
        raise NotImplementedError

    def read_out_like(self, key: Key, n_outputs: int) -> Linear:
        """A fresh layer that reads the features, for a critic. The key is consumed."""
        raise NotImplementedError

    def from_features(
        self, features: Float[Array, " features"], observation: Observation
    ) -> Distribution:
        """The distribution, given the features of an observation, which is read for its mask."""
        raise NotImplementedError

    def normalize(self, observation: Observation) -> Observation:
        """The observation as the policy's network sees it."""
        return observation

    def observe(self, moments: Moments) -> Policy:
        """The same policy with the moments of new observations merged into its normaliser."""
        return self


class Greedy(Actor):
    """Acts by the mode of a policy.

    Attributes:
      policy: whose mode it is.
    """

    policy: Policy

    def initial_memory(self) -> Memory:
        return self.policy.initial_memory()

    def noise(self, key: Key) -> Noise:
        return ()

    def act(self, noise: Noise, observation: Observation, memory: Memory) -> Act:
        distribution, memory = respond(self.policy, observation, memory)
        return Act(distribution.mode(), memory)

    @property
    def observation_moments(self) -> Moments | None:
        return self.policy.observation_moments

    def observe(self, moments: Moments) -> Greedy:
        return Greedy(self.policy.observe(moments))

    def numpy(self) -> TwinActor | None:
        twin = self.policy.numpy()
        if not isinstance(twin, TwinActor):
            return None
        return dataclasses.replace(twin, deterministic=True)


class ValueFunction(eqx.Module):
    """V(s), unbatched. It reads `policy.normalize(observation)`, so it shares the policy's moments;
    or, where `reads_features` says so, `policy.extract_features(observation)`.

    With memory: `value(observation, memory) -> (V, memory)`; `initial_memory` as for policies.
    """

    has_memory: ClassVar[bool] = False
    reads_features: ClassVar[bool] = False

    @abc.abstractmethod
    def __call__(self, observation: Observation, memory: Memory = None) -> Any:
        """The value, a scalar; with memory, a pair (value, next memory)."""

    def initial_memory(self) -> Memory:
        """The memory at the start of an episode; `()` when there is none."""
        return ()


@overload
def respond(
    model: Policy, observation: Observation, memory: Memory
) -> tuple[Distribution, Memory]: ...


@overload
def respond(
    model: ValueFunction, observation: Observation, memory: Memory
) -> tuple[Float[Array, " ..."], Memory]: ...


def respond(
    model: Policy | ValueFunction, observation: Observation, memory: Memory
) -> tuple[Distribution | Float[Array, " ..."], Memory]:
    """Calls a policy (or a value function) with or without memory in one shape.

    Returns:
      What the model says and the next memory (`()` for a memoryless one).
    """
    if model.has_memory:
        return model(observation, memory)
    return model(observation), memory
