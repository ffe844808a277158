"""Heads for actions that are choices."""

from __future__ import annotations

import math

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from upslope.core.checks import check_number
from upslope.core.distributions import Bernoulli, Categorical, MultiCategorical
from upslope.policies.heads.head import Head, allowed, refuse_mask
from upslope.policies.twin.heads import (
    TwinBernoulli,
    TwinDueling,
    TwinMultiSoftmax,
    TwinPolicyValue,
    TwinSoftmax,
)


class SoftmaxHead(Head):
    """The outputs are the preferences of A actions.

    Attributes:
      n_actions: A. Static.
    """

    n_actions: int = eqx.field(static=True)

    def __check_init__(self) -> None:
        check_number("SoftmaxHead", "n_actions", self.n_actions, at_least=1, integer=True)

    @property
    def n_outputs(self) -> int:
        return self.n_actions

    def __call__(
        self, output: Float[Array, " n"], mask: Bool[Array, " A"] | None = None
    ) -> Categorical:
        return Categorical(output, allowed(mask, self.n_actions, "A softmax policy"))

    def numpy(self) -> TwinSoftmax:
        return TwinSoftmax(self.n_actions)


class DuelingHead(Head):
    r"""The outputs are a state value and the advantages of A actions.

    .. math:: q(s, a) = v(s) + A(s, a) - \frac1{|A|} \sum_b A(s, b)

    Attributes:
      n_actions: A. Static.

    References:
      Wang et al. (2016), equation 9.
    """

    n_actions: int = eqx.field(static=True)

    @property
    def n_outputs(self) -> int:
        return self.n_actions + 1

    def __call__(
        self, output: Float[Array, " n"], mask: Bool[Array, " A"] | None = None
    ) -> Categorical:
        value, advantages = output[0], output[1:]
        values = value + advantages - jnp.mean(advantages)
        return Categorical(values, allowed(mask, self.n_actions, "A dueling network"))

    def numpy(self) -> TwinDueling:
        return TwinDueling(self.n_actions)


class PolicyValueHead(Head):
    r"""The outputs are the preferences of A actions, and one for the value.

    .. math:: p = \mathrm{softmax}(h_{1..A}), \qquad v = \tanh(h_{A+1})

    Attributes:
      n_actions: A. Static.

    References:
      Silver et al. (2017), "Mastering the Game of Go without Human Knowledge".
    """

    n_actions: int = eqx.field(static=True)

    @property
    def n_outputs(self) -> int:
        return self.n_actions + 1

    def __call__(
        self, output: Float[Array, " n"], mask: Bool[Array, " A"] | None = None
    ) -> Categorical:
        logits = output[: self.n_actions]
        return Categorical(logits, allowed(mask, self.n_actions, "A network of policy and value"))

    def value(self, output: Float[Array, " n"]) -> Float[Array, ""]:
        """v, between -1 and 1, from the side of who is to move."""
        return jnp.tanh(output[self.n_actions])

    def numpy(self) -> TwinPolicyValue:
        return TwinPolicyValue(self.n_actions)


class MultiSoftmaxHead(Head):
    """The outputs are the preferences of K choices, one after the other.

    Attributes:
      nvec: how many there are to choose from in each. Static.
    """

    nvec: tuple[int, ...] = eqx.field(static=True)

    @property
    def n_outputs(self) -> int:
        return sum(self.nvec)

    def __call__(
        self, output: Float[Array, " n"], mask: Bool[Array, " A"] | None = None
    ) -> MultiCategorical:
        """The mask has the entries of all choices one after the other, [sum(nvec)]."""
        masks = None
        if mask is not None:
            if mask.shape != (self.n_outputs,):
                allowed(mask, self.n_outputs, "A multi-softmax policy")  # raises
            masks = tuple(part | ~jnp.any(part) for part in self._split(mask))
        return MultiCategorical(self._split(output), masks)

    def _split(self, row: Array) -> tuple[Array, ...]:
        ends = [sum(self.nvec[: k + 1]) for k in range(len(self.nvec))]
        return tuple(row[end - n : end] for n, end in zip(self.nvec, ends, strict=True))

    def numpy(self) -> TwinMultiSoftmax:
        return TwinMultiSoftmax(self.nvec)


class BernoulliHead(Head):
    """The outputs are the log-odds of independent switches.

    Attributes:
      shape: of the action. Static.
    """

    shape: tuple[int, ...] = eqx.field(static=True)

    @property
    def n_outputs(self) -> int:
        return math.prod(self.shape)

    def __call__(
        self, output: Float[Array, " n"], mask: Bool[Array, " A"] | None = None
    ) -> Bernoulli:
        refuse_mask("A Bernoulli policy", mask)
        return Bernoulli(output.reshape(self.shape))

    def numpy(self) -> TwinBernoulli:
        return TwinBernoulli(self.shape)
