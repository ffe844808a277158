"""The greedy action, and now and then any."""

from __future__ import annotations

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from upslope.core.actor import Actor
from upslope.core.annotations import Key, Memory, Observation
from upslope.core.distributions.categorical import Categorical
from upslope.core.moments import Moments
from upslope.core.records import Act
from upslope.policies.policy import Policy, respond
from upslope.policies.twin.actor import TwinActor
from upslope.policies.twin.heads import TwinEpsilonGreedy


class EpsilonGreedy(Actor):
    r"""Acts by a policy's mode with probability 1 - epsilon, else uniformly at random.

    .. math:: \mu(a \mid s) = (1 - \epsilon) \, 1[a = \arg\max_b q(s, b)] + \epsilon / |A(s)|

    A(s) are the actions that the observation's `action_mask` allows, all of them without a mask.

    Attributes:
      policy: its preferences are the action values q.
      epsilon: in [0, 1].
      n_actions: A. Static.

    References:
      Sutton and Barto (2018), section 2.2.
    """

    policy: Policy
    epsilon: float | Float[Array, ""]
    n_actions: int = eqx.field(static=True)

    def initial_memory(self) -> Memory:
        return self.policy.initial_memory()

    def noise(self, key: Key) -> tuple[Float[Array, ""], Float[Array, " A"]]:
        """A number in [0, 1) and the Gumbel noise [A] of the random action."""
        explore, which = jax.random.split(key)
        return jax.random.uniform(explore), jax.random.gumbel(which, (self.n_actions,))

    def act(
        self,
        noise: tuple[Float[Array, ""], Float[Array, " A"]],
        observation: Observation,
        memory: Memory,
    ) -> Act:
        explore, gumbel = noise
        values, memory = respond(self.policy, observation, memory)
        assert isinstance(values, Categorical)
        anything = Categorical(jnp.zeros(self.n_actions), values.mask).from_noise(gumbel)
        return Act(jnp.where(explore < self.epsilon, anything, values.mode()), memory)

    def greedy(self) -> Actor:
        return self.policy.greedy()

    @property
    def observation_moments(self) -> Moments | None:
        return self.policy.observation_moments

    def observe(self, moments: Moments) -> EpsilonGreedy:
        return EpsilonGreedy(self.policy.observe(moments), self.epsilon, self.n_actions)

    def numpy(self) -> TwinActor | None:
        twin = self.policy.numpy()
        if not isinstance(twin, TwinActor):
            return None
        head = TwinEpsilonGreedy(twin.head, np.asarray(self.epsilon), self.n_actions)
        return dataclasses.replace(twin, head=head)
