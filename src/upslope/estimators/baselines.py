"""What is subtracted from the credit of an action: it may not depend on that action."""

from __future__ import annotations

import abc
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array


class Baseline(eqx.Module):
    """b in (G - b) grad log pi. Unbiased when b does not depend on the action it is subtracted for.

    Attributes:
      name: the command line's name for it.
      learned: whether it needs a value function, fitted beside the policy.
    """

    name: ClassVar[str] = "baseline"
    learned: ClassVar[bool] = False

    @abc.abstractmethod
    def __call__(self, credit: Array, valid: Array, values: Array | None) -> Array:
        """The baseline of every step.

        Args:
          credit: [T, N].
          valid: [T, N], False after an episode's end.
          values: [T, N], a learned V(s_t), for baselines that ask for one (`learned`).

        Returns:
          An array that broadcasts to [T, N].
        """


class NoBaseline(Baseline):
    """Zero: unbiased, and the largest variance of all."""

    name: ClassVar[str] = "none"

    def __call__(self, credit: Array, valid: Array, values: Array | None) -> Array:
        return jnp.zeros((1, 1))


class MeanBaseline(Baseline):
    r"""The mean credit over the batch, at each time step over the episodes that reached it.

    .. math:: b_t = \frac1{N_t} \sum_n G_{tn}

    **Biased** by a factor (1 - 1/N_t): each credit is part of its own baseline. The direction
    survives; `LeaveOneOut` removes the bias at no cost.
    """

    name: ClassVar[str] = "mean"

    def __call__(self, credit: Array, valid: Array, values: Array | None) -> Array:
        total = jnp.sum(jnp.where(valid, credit, 0.0), axis=1, keepdims=True)
        return total / jnp.maximum(jnp.sum(valid, axis=1, keepdims=True), 1)


class LeaveOneOut(Baseline):
    r"""The mean credit of the *other* episodes that are still running at the same time step.

    .. math:: b_{tn} = \frac1{|M|} \sum_{m \in M} G_{tm}, \qquad
              M = \{m \ne n : \text{episode } m \text{ reached step } t\}

    Unbiased: episodes are independent, so neither the others' credit nor how many of them are
    still running says anything about this action. Zero where no other episode is left.

    References:
      Kool, van Hoof and Welling (2019), "Buy 4 REINFORCE samples, get a baseline for free!".
    """

    name: ClassVar[str] = "leave-one-out"

    def __call__(self, credit: Array, valid: Array, values: Array | None) -> Array:
        credit = jnp.where(valid, credit, 0.0)
        others = jnp.sum(valid, axis=1, keepdims=True) - valid
        total = jnp.sum(credit, axis=1, keepdims=True) - credit
        return total / jnp.maximum(others, 1)


class ValueBaseline(Baseline):
    r"""A learned V(s_t), fitted by regression on the credit of *earlier* batches.

    Unbiased, however wrong V is: it was fitted before these actions were drawn.

    References:
      Sutton and Barto (2018), "REINFORCE with Baseline", page 330.
    """

    name: ClassVar[str] = "value"
    learned: ClassVar[bool] = True

    def __call__(self, credit: Array, valid: Array, values: Array | None) -> Array:
        assert values is not None, "a learned baseline is given its values"
        return values


BASELINES: dict[str, type[Baseline]] = {
    cls.name: cls for cls in (NoBaseline, MeanBaseline, LeaveOneOut, ValueBaseline)
}
