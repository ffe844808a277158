"""Heads for actions that are choices."""

from __future__ import annotations

import math

import equinox as eqx
from jax import Array

from upslope.core.checks import check_number
from upslope.core.distributions import Bernoulli, Categorical, MultiCategorical
from upslope.policies.heads.head import Head


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

    def __call__(self, output: Array) -> Categorical:
        return Categorical(output)


class MultiSoftmaxHead(Head):
    """The outputs are the preferences of K choices, one after the other.

    Attributes:
      nvec: how many there are to choose from in each. Static.
    """

    nvec: tuple[int, ...] = eqx.field(static=True)

    @property
    def n_outputs(self) -> int:
        return sum(self.nvec)

    def __call__(self, output: Array) -> MultiCategorical:
        ends = [sum(self.nvec[: k + 1]) for k in range(len(self.nvec))]
        return MultiCategorical(
            tuple(output[end - n : end] for n, end in zip(self.nvec, ends, strict=True))
        )


class BernoulliHead(Head):
    """The outputs are the log-odds of independent switches.

    Attributes:
      shape: of the action. Static.
    """

    shape: tuple[int, ...] = eqx.field(static=True)

    @property
    def n_outputs(self) -> int:
        return math.prod(self.shape)

    def __call__(self, output: Array) -> Bernoulli:
        return Bernoulli(output.reshape(self.shape))
