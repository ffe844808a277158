"""Heads for actions that are numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float

from upslope.core.checks import UpslopeError, check_number
from upslope.core.distributions import BetaInterval, DiagonalGaussian, TanhGaussian
from upslope.policies.heads.head import Head, refuse_mask
from upslope.policies.twin.encoding import arrays_of
from upslope.policies.twin.heads import TwinBeta, TwinGaussian, TwinSquashedGaussian

LOG_STD_RANGE = (-20.0, 2.0)  # of a standard deviation that a network gives


def plain(numbers: Iterable[float]) -> tuple[float, ...]:
    """Any numbers as a tuple of Python's own, as static fields must be."""
    return tuple(float(x) for x in numbers)


class GaussianHead(Head):
    """Independent normal components around the outputs; not bounded.

    A free log standard deviation is one parameter a component. A state-dependent one is a second
    block of outputs added to `log_std_init` and clipped to [-20, 2].

    Attributes:
      log_std: [D] in the action's shape; None when the network gives it.
      shape: of the action. Static.
      log_std_init: where the log standard deviation begins. Static.
    """

    log_std: Float[Array, "*shape"] | None
    shape: tuple[int, ...] = eqx.field(static=True)
    log_std_init: float = eqx.field(static=True)

    def __init__(
        self, shape: tuple[int, ...], log_std_init: float = 0.0, state_dependent_std: bool = False
    ):
        check_number("A Gaussian policy", "log_std_init", log_std_init)
        self.shape = tuple(int(n) for n in shape)
        self.log_std_init = float(log_std_init)
        self.log_std = None if state_dependent_std else jnp.full(self.shape, self.log_std_init)

    @property
    def n_outputs(self) -> int:
        return math.prod(self.shape) * (2 if self.log_std is None else 1)

    def __call__(
        self, output: Float[Array, " n"], mask: Bool[Array, " A"] | None = None
    ) -> DiagonalGaussian:
        refuse_mask("A Gaussian policy", mask)
        return DiagonalGaussian(*self.moments(output))

    def moments(
        self, output: Float[Array, " n"]
    ) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
        """Mean and log standard deviation in the action's shape."""
        if self.log_std is not None:
            return output.reshape(self.shape), self.log_std
        size = math.prod(self.shape)
        log_std = jnp.clip(output[size:] + self.log_std_init, *LOG_STD_RANGE)
        return output[:size].reshape(self.shape), log_std.reshape(self.shape)

    def numpy(self) -> TwinGaussian:
        log_std = None if self.log_std is None else arrays_of(self.log_std)
        return TwinGaussian(self.shape, log_std, self.log_std_init)


class SquashedGaussianHead(Head):
    """A Gaussian squashed into the bounds of the action by tanh.

    Attributes:
      gaussian: the head of the Gaussian before squashing.
      low: [D] flat, finite. Static.
      high: [D] flat, finite. Static.

    Raises:
      UpslopeError: unless every component has finite bounds, low below high.
    """

    gaussian: GaussianHead
    low: tuple[float, ...] = eqx.field(static=True, converter=plain)
    high: tuple[float, ...] = eqx.field(static=True, converter=plain)

    def __check_init__(self) -> None:
        check_bounds("A squashed Gaussian policy", self.low, self.high, self.gaussian.shape)

    @property
    def n_outputs(self) -> int:
        return self.gaussian.n_outputs

    def __call__(
        self, output: Float[Array, " n"], mask: Bool[Array, " A"] | None = None
    ) -> TanhGaussian:
        refuse_mask("A squashed Gaussian policy", mask)
        mean, log_std = self.gaussian.moments(output)
        return TanhGaussian(
            mean, log_std, shaped(self.low, mean.shape), shaped(self.high, mean.shape)
        )

    def numpy(self) -> TwinSquashedGaussian:
        return TwinSquashedGaussian(self.gaussian.numpy(), self.low, self.high)


class BetaHead(Head):
    r"""Independent Beta variables on the bounds, unimodal: concentrations are 1 + softplus(output).

    Attributes:
      low: [D] flat, finite. Static.
      high: [D] flat, finite. Static.
      shape: of the action. Static.

    Raises:
      UpslopeError: unless every component has finite bounds, low below high.

    References:
      Chou, Maturana and Scherer (2017), section 4.
    """

    low: tuple[float, ...] = eqx.field(static=True, converter=plain)
    high: tuple[float, ...] = eqx.field(static=True, converter=plain)
    shape: tuple[int, ...] = eqx.field(static=True)

    def __check_init__(self) -> None:
        check_bounds("A Beta policy", self.low, self.high, self.shape)

    @property
    def n_outputs(self) -> int:
        return 2 * math.prod(self.shape)

    def __call__(
        self, output: Float[Array, " n"], mask: Bool[Array, " A"] | None = None
    ) -> BetaInterval:
        refuse_mask("A Beta policy", mask)
        concentration = 1.0 + jax.nn.softplus(output.reshape(2, *self.shape))
        return BetaInterval(
            concentration[0],
            concentration[1],
            shaped(self.low, self.shape),
            shaped(self.high, self.shape),
        )

    def numpy(self) -> TwinBeta:
        return TwinBeta(self.shape, self.low, self.high)


def shaped(numbers: tuple[float, ...], shape: tuple[int, ...]) -> Float[Array, "*shape"]:
    """Static numbers as an array of the action's shape."""
    return jnp.asarray(numbers, float).reshape(shape)


def check_bounds(
    owner: str, low: tuple[float, ...], high: tuple[float, ...], shape: tuple[int, ...]
) -> None:
    """Raises UpslopeError unless low < high are finite, one pair for each component."""
    if len(low) != math.prod(shape) or len(high) != math.prod(shape):
        raise UpslopeError(
            f"{owner} for actions of shape {shape} got {len(low)} lower and {len(high)} upper "
            "bounds: give one pair for each component."
        )
    if not (np.isfinite(low).all() and np.isfinite(high).all() and np.less(low, high).all()):
        raise UpslopeError(
            f"{owner} needs finite bounds with low below high, and got low={low}, high={high}. "
            "Use a Gaussian policy for actions without bounds."
        )
