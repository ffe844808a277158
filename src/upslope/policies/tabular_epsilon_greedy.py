"""Epsilon-greedy in a table of action values, with ties broken at random."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from upslope.core.actor import Actor
from upslope.core.annotations import Key, Memory
from upslope.core.records import Act
from upslope.policies.tabular_softmax import TabularSoftmax
from upslope.policies.twin.actor import TwinActor
from upslope.policies.twin.heads import TwinTieBreaker


class TabularEpsilonGreedy(Actor):
    r"""Acts uniformly over the best actions with probability 1 - epsilon, else over all of them.

    .. math:: \mu(a \mid s) = (1 - \epsilon) \, \frac{1[a \in A^*(s)]}{|A^*(s)|}
              + \frac{\epsilon}{|A|}, \qquad A^*(s) = \arg\max_b q(s, b)

    Where all values are equal, as in a table that has learned nothing yet, it acts uniformly at
    random: the first of equals would walk into the same wall for ever.

    Attributes:
      policy: its preferences are the action values q [S, A].
      epsilon: in [0, 1].

    References:
      Sutton and Barto (2018), section 2.2; "ties broken randomly" in example 8.1.
    """

    policy: TabularSoftmax
    epsilon: float | Float[Array, ""]

    def noise(self, key: Key) -> Float[Array, " B"]:
        """Numbers in [0, 1), [1 + A]: whether to explore, and a rank of each action."""
        return jax.random.uniform(key, (1 + self.policy.logits.shape[-1],))

    def act(self, noise: Float[Array, " B"], observation: Int[Array, ""], memory: Memory) -> Act:
        values = self.policy.logits[observation]
        eligible = (noise[0] < self.epsilon) | (values >= jnp.max(values))
        return Act(jnp.argmax(jnp.where(eligible, noise[1:], -1.0)), memory)

    def greedy(self) -> Actor:
        return self.policy.greedy()

    def numpy(self) -> TwinActor:
        twin = self.policy.numpy()
        return dataclasses.replace(twin, head=TwinTieBreaker(twin.head, np.asarray(self.epsilon)))


def epsilon_greedy_probabilities(
    values: Float[Array, "*batch A"], epsilon: float | Array
) -> Float[Array, "*batch A"]:
    r"""The probabilities mu(a|s) [..., A] with which `TabularEpsilonGreedy` acts on values."""
    best = values >= jnp.max(values, axis=-1, keepdims=True)
    greedy = best / jnp.sum(best, axis=-1, keepdims=True)
    return (1.0 - epsilon) * greedy + epsilon / values.shape[-1]
