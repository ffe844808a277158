"""Heads that leave nothing to chance."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from upslope.core.distributions import Deterministic
from upslope.policies.heads.continuous import check_bounds, plain, shaped
from upslope.policies.heads.head import Head, refuse_mask
from upslope.policies.twin.heads import TwinMode, TwinPoint


class ModeHead(Head):
    """The most probable action of another head, always: the argmax of preferences.

    Attributes:
      head: a head for choices.
    """

    differentiable: ClassVar[bool] = False
    head: Head

    @property
    def n_outputs(self) -> int:
        return self.head.n_outputs

    def __call__(
        self, output: Float[Array, " n"], mask: Bool[Array, " A"] | None = None
    ) -> Deterministic:
        return Deterministic(self.head(output, mask).mode())

    def numpy(self) -> TwinMode | None:
        head = self.head.numpy()
        return None if head is None else TwinMode(head)


def _plain(numbers: Iterable[float] | None) -> tuple[float, ...] | None:
    return None if numbers is None else plain(numbers)


class PointHead(Head):
    """The outputs themselves, brought into the bounds by tanh where there are any.

    .. math:: a = low + (high - low) (1 + tanh(y)) / 2

    Attributes:
      shape: of the action. Static.
      low: [D] flat, finite; None leaves the outputs as they are. Static.
      high: [D] flat, finite; None likewise. Static.
    """

    differentiable: ClassVar[bool] = False
    shape: tuple[int, ...] = eqx.field(static=True)
    low: tuple[float, ...] | None = eqx.field(static=True, default=None, converter=_plain)
    high: tuple[float, ...] | None = eqx.field(static=True, default=None, converter=_plain)

    def __check_init__(self) -> None:
        if self.low is not None and self.high is not None:
            check_bounds("A deterministic policy", self.low, self.high, self.shape)

    @property
    def n_outputs(self) -> int:
        return math.prod(self.shape)

    def __call__(
        self, output: Float[Array, " n"], mask: Bool[Array, " A"] | None = None
    ) -> Deterministic:
        refuse_mask("A deterministic policy", mask)
        action = output.reshape(self.shape)
        if self.low is None or self.high is None:
            return Deterministic(action)
        low, high = shaped(self.low, self.shape), shaped(self.high, self.shape)
        return Deterministic(low + 0.5 * (high - low) * (1.0 + jnp.tanh(action)))

    def numpy(self) -> TwinPoint:
        return TwinPoint(self.shape, self.low, self.high)
