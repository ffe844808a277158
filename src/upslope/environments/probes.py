"""Five probe environments: each isolates one thing that a learning method must get right."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Num

from upslope.core.annotations import Key
from upslope.core.records import Step
from upslope.environments.environment import Environment

if TYPE_CHECKING:
    from gymnasium import spaces


class KnownValue(NamedTuple):
    """What a learner must find at one observation."""

    observation: float  # the single number that is observed
    value: float  # of the best policy
    action: float | None  # the best action; None if it makes no difference


class Probe(Environment):
    """An environment of one or two steps with one number to observe, [1].

    Actions are 0 or 1, or with `continuous=True` a number in [-1, 1], [1].

    Attributes:
      time_limit: steps; the process terminates before. Static.
      continuous: whether the action is a number instead of a choice. Static.

    References:
      Jones (2021), "Debugging reinforcement learning systems"; the tests of rejax (2023).
    """

    time_limit: int | None = eqx.field(static=True, default=10)
    continuous: bool = eqx.field(static=True, default=False)

    @abc.abstractmethod
    def known_values(self, gamma: float) -> tuple[KnownValue, ...]:
        """The value and the best action at every observation, under the discount gamma."""

    def reset(self, key: Key) -> tuple[Float[Array, " 1"], Float[Array, " 1"]]:
        state = jnp.zeros(1)
        return state, state

    def _signed(self, action: Array) -> Array:
        """The action as a number in [-1, 1], a scalar: 0 and 1 become -1 and 1."""
        if self.continuous:
            return jnp.clip(action[0], -1.0, 1.0)
        return 2.0 * action - 1.0

    @property
    def observation_space(self) -> spaces.Box:
        import numpy as np
        from gymnasium import spaces

        return spaces.Box(-1.0, 1.0, (1,), np.float32)

    @property
    def action_space(self) -> spaces.Space:
        import numpy as np
        from gymnasium import spaces

        return spaces.Box(-1.0, 1.0, (1,), np.float32) if self.continuous else spaces.Discrete(2)


class ConstantProbe(Probe):
    """Observe 0, earn 1, end: V(0) = 1. It isolates the value loss and the optimiser.

    Attributes:
      time_limit: steps; the process terminates after one. Static.
      continuous: whether the action is a number instead of a choice. Static.
    """

    name: ClassVar[str] = "probe-constant"

    def step(
        self, key: Key, state: Float[Array, " 1"], action: Num[Array, " ..."]
    ) -> tuple[Float[Array, " 1"], Step]:
        return state, Step(state, jnp.ones(()), jnp.ones((), bool))

    def known_values(self, gamma: float) -> tuple[KnownValue, ...]:
        return (KnownValue(0.0, 1.0, None),)


class ObservationProbe(Probe):
    """Observe -1 or 1 at random, earn it, end: V(-1) = -1, V(1) = 1.

    It isolates what the value learns through the network. Attributes as in `ConstantProbe`.
    """

    name: ClassVar[str] = "probe-observation"

    def reset(self, key: Key) -> tuple[Float[Array, " 1"], Float[Array, " 1"]]:
        state = jax.random.rademacher(key, (1,), jnp.zeros(()).dtype)
        return state, state

    def step(
        self, key: Key, state: Float[Array, " 1"], action: Num[Array, " ..."]
    ) -> tuple[Float[Array, " 1"], Step]:
        return state, Step(state, state[0], jnp.ones((), bool))

    def known_values(self, gamma: float) -> tuple[KnownValue, ...]:
        return KnownValue(-1.0, -1.0, None), KnownValue(1.0, 1.0, None)


class DelayedProbe(Probe):
    """Observe -1, earn nothing; observe 1, earn 1, end: V(-1) = gamma, V(1) = 1.

    It isolates the discount and the bootstrap. Attributes as in `ConstantProbe`; the process
    terminates after two steps.
    """

    name: ClassVar[str] = "probe-delayed"

    def reset(self, key: Key) -> tuple[Float[Array, " 1"], Float[Array, " 1"]]:
        state = -jnp.ones(1)
        return state, state

    def step(
        self, key: Key, state: Float[Array, " 1"], action: Num[Array, " ..."]
    ) -> tuple[Float[Array, " 1"], Step]:
        second = state[0] > 0
        return jnp.ones(1), Step(jnp.ones(1), jnp.where(second, 1.0, jnp.zeros(())), second)

    def known_values(self, gamma: float) -> tuple[KnownValue, ...]:
        return KnownValue(-1.0, gamma, None), KnownValue(1.0, 1.0, None)


class ActionProbe(Probe):
    """Observe 0, earn -1 for action 0 and 1 for action 1 (or the number played), end: V(0) = 1.

    It isolates the policy update and the advantage. Attributes as in `ConstantProbe`.
    """

    name: ClassVar[str] = "probe-action"

    def step(
        self, key: Key, state: Float[Array, " 1"], action: Num[Array, " ..."]
    ) -> tuple[Float[Array, " 1"], Step]:
        return state, Step(state, self._signed(action) * jnp.ones(()), jnp.ones((), bool))

    def known_values(self, gamma: float) -> tuple[KnownValue, ...]:
        return (KnownValue(0.0, 1.0, 1.0),)


class ObservationActionProbe(Probe):
    """Observe -1 or 1 at random; the action that fits it (0 or 1) earns 1, the other -1; end.

    Played with numbers a in [-1, 1] it earns a times what is observed. V(-1) = V(1) = 1. It
    isolates whether observations, actions and advantages of a batch stay aligned. Attributes as
    in `ConstantProbe`.
    """

    name: ClassVar[str] = "probe-observation-action"

    def reset(self, key: Key) -> tuple[Float[Array, " 1"], Float[Array, " 1"]]:
        state = jax.random.rademacher(key, (1,), jnp.zeros(()).dtype)
        return state, state

    def step(
        self, key: Key, state: Float[Array, " 1"], action: Num[Array, " ..."]
    ) -> tuple[Float[Array, " 1"], Step]:
        return state, Step(state, self._signed(action) * state[0], jnp.ones((), bool))

    def known_values(self, gamma: float) -> tuple[KnownValue, ...]:
        low = -1.0 if self.continuous else 0.0
        return KnownValue(-1.0, 1.0, low), KnownValue(1.0, 1.0, 1.0)
