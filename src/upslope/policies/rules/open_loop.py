"""Open-loop policies: a motion that looks at nothing but the time."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import check_number
from upslope.policies.heads import PointHead
from upslope.policies.network import NetworkValue
from upslope.policies.rules.non_differentiable import NonDifferentiablePolicy


class OpenLoopPolicy(NonDifferentiablePolicy):
    """Actions as a function of the step of the episode; the step is its memory.

    Attributes:
      head: numbers to the action: brought into its bounds.
      in_size: of the observation, which is not looked at. Static.
      categories: as for other policies; only a value function would use them. Static.
    """

    has_memory: ClassVar[bool] = True
    head: eqx.AbstractVar[PointHead]
    in_size: eqx.AbstractVar[int]
    categories: eqx.AbstractVar[tuple[int, ...]]

    def initial_memory(self) -> Array:
        return jnp.zeros((), jnp.int32)

    def __call__(self, observation: Array, memory: Any = None) -> Any:
        return self.head(self.motion(memory)), memory + 1

    @abc.abstractmethod
    def motion(self, step: Array) -> Array:
        """The numbers [O] of a step of the episode."""

    def value_function(self, key: Array) -> NetworkValue:
        return self.network_value(key, self.in_size, self.categories)


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

    offset: Array
    amplitude: Array
    phase: Array
    log_period: Array
    head: PointHead
    in_size: int = eqx.field(static=True)
    categories: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        key: Array,
        in_size: int,
        head: PointHead,
        period: float = 20.0,
        categories: tuple[int, ...] = (),
    ):
        check_number("A gait", "period", period, above=0)
        size = head.n_outputs
        self.offset, self.amplitude = jnp.zeros(size), jnp.full(size, 0.5)
        self.phase = jax.random.uniform(key, (size,))
        self.log_period = jnp.log(jnp.asarray(period, float))
        self.head, self.in_size, self.categories = head, in_size, tuple(categories)

    def motion(self, step: Array) -> Array:
        turn = step / jnp.exp(self.log_period) + self.phase
        return self.offset + self.amplitude * jnp.sin(2 * jnp.pi * turn)


class SplineMotion(OpenLoopPolicy):
    r"""A closed curve through K knots, gone round once every `period` steps.

    Catmull-Rom: through every knot, with the slope of the line between its neighbours.

    Attributes:
      knots: [K, D].
      period: steps for one round. Static.

    References:
      Catmull and Rom (1974).
    """

    knots: Array
    head: PointHead
    period: int = eqx.field(static=True)
    in_size: int = eqx.field(static=True)
    categories: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        key: Array,
        in_size: int,
        head: PointHead,
        knots: int = 6,
        period: int = 30,
        categories: tuple[int, ...] = (),
    ):
        check_number("A spline", "knots", knots, at_least=3, integer=True)
        check_number("A spline", "period", period, at_least=2, integer=True)
        self.knots = 0.5 * jax.random.normal(key, (knots, head.n_outputs))
        self.head, self.period, self.in_size = head, period, in_size
        self.categories = tuple(categories)

    def motion(self, step: Array) -> Array:
        count = self.knots.shape[0]
        place = (step % self.period) * (count / self.period)
        before = jnp.floor(place).astype(int)
        u = place - before
        a, b, c, d = (self.knots[(before + shift) % count] for shift in (-1, 0, 1, 2))
        linear, square = c - a, 2 * a - 5 * b + 4 * c - d
        return b + 0.5 * u * (linear + u * (square + u * (3 * (b - c) + d - a)))
