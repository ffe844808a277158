"""Open-loop policies: a motion that looks at nothing but the time."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from upslope.core.annotations import Key, Memory, Observation
from upslope.core.checks import check_number
from upslope.policies.encoding import action_mask
from upslope.policies.heads import PointHead
from upslope.policies.heads.head import refuse_mask
from upslope.policies.rules.non_differentiable import NonDifferentiablePolicy
from upslope.policies.twin.actor import TwinActor
from upslope.policies.twin.bodies import TwinSineGait, TwinSplineMotion
from upslope.policies.twin.encoding import arrays_of


class OpenLoopPolicy(NonDifferentiablePolicy):
    """Actions as a function of the step of the episode; the step is its memory.

    Attributes:
      head: numbers to the action: brought into its bounds.
    """

    has_memory: ClassVar[bool] = True
    head: eqx.AbstractVar[PointHead]

    def initial_memory(self) -> Int[Array, ""]:
        return jnp.zeros((), jnp.int32)

    def __call__(self, observation: Observation, memory: Memory = None) -> Any:
        refuse_mask(type(self).__name__, action_mask(observation))
        return self.head(self.motion(memory)), memory + 1

    @abc.abstractmethod
    def motion(self, step: Int[Array, ""]) -> Float[Array, " O"]:
        """The numbers [O] of a step of the episode."""


class SineGait(OpenLoopPolicy):
    r"""Each joint swings: an amplitude, a phase and an offset each, and one common frequency.

    .. math:: y_d(t) = o_d + A_d \sin\big(2 \pi (t / e^{p} + \varphi_d)\big)

    3 D + 1 parameters, as for a trotting quadruped.

    Attributes:
      offset: o [D].
      amplitude: A [D].
      phase: phi [D], in turns.
      log_period: p, scalar: the logarithm of the period in steps.

    References:
      Kohl and Stone (2004), section 2; Ijspeert (2008), for gaits as oscillators.
    """

    offset: Float[Array, " D"]
    amplitude: Float[Array, " D"]
    phase: Float[Array, " D"]
    log_period: Float[Array, ""]
    head: PointHead

    def __init__(self, key: Key, head: PointHead, period: float = 20.0):
        check_number("A gait", "period", period, above=0)
        size = head.n_outputs
        self.offset, self.amplitude = jnp.zeros(size), jnp.full(size, 0.5)
        self.phase = jax.random.uniform(key, (size,))
        self.log_period = jnp.log(jnp.asarray(period, float))
        self.head = head

    def motion(self, step: Int[Array, ""]) -> Float[Array, " O"]:
        turn = step / jnp.exp(self.log_period) + self.phase
        return self.offset + self.amplitude * jnp.sin(2 * jnp.pi * turn)

    def numpy(self) -> TwinActor:
        numbers = (self.offset, self.amplitude, self.phase, self.log_period)
        return TwinActor(TwinSineGait(*arrays_of(numbers)), self.head.numpy())


class SplineMotion(OpenLoopPolicy):
    r"""A closed curve through K knots, gone round once every `period` steps.

    Catmull-Rom: through every knot, with the slope of the line between its neighbours.

    Attributes:
      knots: [K, D].
      period: steps for one round. Static.

    References:
      Catmull and Rom (1974).
    """

    knots: Float[Array, "K D"]
    head: PointHead
    period: int = eqx.field(static=True)

    def __init__(self, key: Key, head: PointHead, knots: int = 6, period: int = 30):
        check_number("A spline", "knots", knots, at_least=3, integer=True)
        check_number("A spline", "period", period, at_least=2, integer=True)
        self.knots = 0.5 * jax.random.normal(key, (knots, head.n_outputs))
        self.head, self.period = head, period

    def motion(self, step: Int[Array, ""]) -> Float[Array, " O"]:
        count = self.knots.shape[0]
        place = (step % self.period) * (count / self.period)
        before = jnp.floor(place).astype(int)
        u = place - before
        a, b, c, d = (self.knots[(before + shift) % count] for shift in (-1, 0, 1, 2))
        linear, square = c - a, 2 * a - 5 * b + 4 * c - d
        return b + 0.5 * u * (linear + u * (square + u * (3 * (b - c) + d - a)))

    def numpy(self) -> TwinActor:
        return TwinActor(TwinSplineMotion(np.asarray(self.knots), self.period), self.head.numpy())
