"""What is subtracted from the credit of an action: it may not depend on that action."""

from __future__ import annotations

import abc
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from upslope.estimators.bias import BiasStatement

TARGET = "grad J"


class Baseline(eqx.Module):
    """b in (G - b) grad log pi. Unbiased when b does not depend on the action it is subtracted for.

    Attributes:
      name: the command line's name for it.
      learned: whether it needs a value function, fitted beside the policy.
      declaration: what the estimate is with it, and whether without bias.
    """

    name: ClassVar[str] = "baseline"
    learned: ClassVar[bool] = False
    declaration: ClassVar[BiasStatement]

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
    declaration: ClassVar[BiasStatement] = BiasStatement(
        TARGET, True, "the log-derivative identity"
    )

    def __call__(self, credit: Array, valid: Array, values: Array | None) -> Array:
        return jnp.zeros((1, 1))


class MeanBaseline(Baseline):
    r"""The mean credit over the batch, at each time step over the episodes that reached it.

    .. math:: b_t = \frac1{N_t} \sum_n G_{tn}

    **Biased** by a factor (1 - 1/N_t): each credit is part of its own baseline. The direction
    survives; `LeaveOneOut` removes the bias at no cost.
    """

    name: ClassVar[str] = "mean"
    declaration: ClassVar[BiasStatement] = BiasStatement(
        TARGET,
        False,
        "each credit is part of its own baseline: too short by a factor 1 - 1/N_t at step t",
    )

    def __call__(self, credit: Array, valid: Array, values: Array | None) -> Array:
        total = jnp.sum(jnp.where(valid, credit, 0.0), axis=1, keepdims=True)
        return total / jnp.maximum(jnp.sum(valid, axis=1, keepdims=True), 1)


class BatchMean(Baseline):
    r"""One number for all steps: the mean credit over every step of the batch.

    .. math:: b = \frac{\sum_{tn} G_{tn}}{\sum_n T_n}

    **Biased** by O(1/N), and rarely better than none for late steps, whose credit is smaller.

    References:
      Williams (1992), section 3 ("reinforcement comparison").
    """

    name: ClassVar[str] = "batch-mean"
    declaration: ClassVar[BiasStatement] = BiasStatement(
        TARGET, False, "each credit is part of its own baseline: a bias of order 1/N"
    )

    def __call__(self, credit: Array, valid: Array, values: Array | None) -> Array:
        total = jnp.sum(jnp.where(valid, credit, 0.0), keepdims=True)
        return total / jnp.maximum(jnp.sum(valid), 1)


class TimeBaseline(Baseline):
    r"""A number for each time step, chosen before the episodes were drawn.

    .. math:: b_{tn} = b_t

    Unbiased, whatever the numbers; one number is the constant baseline of Williams.

    Attributes:
      values: [T], the last one for all steps after; or one number for all steps.

    References:
      Williams (1992), theorem 1; Greensmith, Bartlett and Baxter (2004), section 3.
    """

    name: ClassVar[str] = "time"
    declaration: ClassVar[BiasStatement] = BiasStatement(
        TARGET,
        True,
        "the numbers were chosen before the actions were drawn",
        "Williams (1992), theorem 1",
    )
    values: float | Array = 0.0

    def __call__(self, credit: Array, valid: Array, values: Array | None) -> Array:
        numbers = jnp.atleast_1d(jnp.asarray(self.values, credit.dtype))
        time = jnp.minimum(jnp.arange(credit.shape[0]), numbers.shape[0] - 1)
        return numbers[time][:, None]


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
    declaration: ClassVar[BiasStatement] = BiasStatement(
        TARGET,
        True,
        "an episode's baseline is made of the other, independent episodes",
        "Kool, van Hoof and Welling (2019)",
    )

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
    declaration: ClassVar[BiasStatement] = BiasStatement(
        TARGET,
        True,
        "the value function was fitted before these actions were drawn, however wrong it is",
        "Sutton and Barto (2018), equation 13.11",
    )

    def __call__(self, credit: Array, valid: Array, values: Array | None) -> Array:
        assert values is not None, "a learned baseline is given its values"
        return values


BASELINES: dict[str, type[Baseline]] = {
    cls.name: cls for cls in (NoBaseline, MeanBaseline, BatchMean, LeaveOneOut, ValueBaseline)
}
