"""What is subtracted from f before it multiplies the score, whose mean is zero."""

from __future__ import annotations

import abc
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from upslope.estimators.bias import BiasStatement

TARGET = "grad E[f]"


class ControlVariate(eqx.Module):
    r"""b in :math:`(f(x) - b) \nabla \log p(x)`. Unbiased when b_i does not depend on x_i, because
    :math:`E[\nabla \log p] = 0`.

    Attributes:
      name: for tables and the command line.
      per_coordinate: whether b differs between the parameters (and so needs their scores).
      declaration: what the estimate is then, and whether without bias.
    """

    name: ClassVar[str] = "control variate"
    per_coordinate: ClassVar[bool] = False
    declaration: ClassVar[BiasStatement]

    @abc.abstractmethod
    def __call__(self, values: Array, scores: Array | None) -> Array:
        """b for every sample.

        Args:
          values: f(x_i), [N, 1].
          scores: S_i, [N, D]; None unless `per_coordinate`.

        Returns:
          [N, D] if `per_coordinate`, else [N, 1].
        """


class NoControlVariate(ControlVariate):
    """b = 0."""

    name: ClassVar[str] = "none"
    declaration: ClassVar[BiasStatement] = BiasStatement(
        TARGET, True, "the log-derivative identity", "Mohamed et al. (2020), equation 13"
    )

    def __call__(self, values: Array, scores: Array | None) -> Array:
        return jnp.zeros_like(values)


class ConstantControlVariate(ControlVariate):
    """b is a number chosen before the samples are drawn.

    Attributes:
      value: b.
    """

    name: ClassVar[str] = "constant"
    declaration: ClassVar[BiasStatement] = BiasStatement(
        TARGET, True, "the constant does not depend on the samples", "Williams (1992), theorem 1"
    )
    value: float | Array = 0.0

    def __call__(self, values: Array, scores: Array | None) -> Array:
        return jnp.full_like(values, self.value)


class LeaveOneOutControlVariate(ControlVariate):
    r"""The mean of f over the other samples.

    .. math:: b_i = \frac1{N-1} \sum_{j \ne i} f(x_j)

    Zero when there is no other sample.

    References:
      Kool, van Hoof and Welling (2019).
    """

    name: ClassVar[str] = "leave-one-out"
    declaration: ClassVar[BiasStatement] = BiasStatement(
        TARGET,
        True,
        "a sample's baseline is made of the other, independent samples",
        "Kool, van Hoof and Welling (2019)",
    )

    def __call__(self, values: Array, scores: Array | None) -> Array:
        total = jnp.sum(values, axis=0, keepdims=True)
        return (total - values) / max(values.shape[0] - 1, 1)


class OptimalControlVariate(ControlVariate):
    r"""The constant of least variance, for each parameter its own, estimated from the samples.

    .. math:: b_k = \frac{E[f S_k^2]}{E[S_k^2]}, \qquad S_k = \partial_k \log p_\theta(x)

    It is estimated for each sample from the *other* ones, which keeps the estimate unbiased.

    References:
      Peters and Schaal (2008); Deisenroth, Neumann and Peters (2013), section 2.4.
    """

    name: ClassVar[str] = "optimal"
    per_coordinate: ClassVar[bool] = True
    declaration: ClassVar[BiasStatement] = BiasStatement(
        TARGET,
        True,
        "E[f S^2] / E[S^2] is estimated, for each sample, from the other samples",
        "Deisenroth, Neumann and Peters (2013), section 2.4",
    )

    def __call__(self, values: Array, scores: Array | None) -> Array:
        assert scores is not None, "a per-coordinate control variate is given the scores"
        square = jnp.square(scores)
        others = jnp.sum(square, axis=0, keepdims=True) - square
        product = values * square
        weighted = jnp.sum(product, axis=0, keepdims=True) - product
        # What is left of a sum after taking its only term away is rounding error, not a weight.
        floor = 8 * jnp.finfo(square.dtype).eps * jnp.sum(square, axis=0, keepdims=True)
        known = others > floor
        return jnp.where(known, weighted / jnp.where(known, others, 1.0), 0.0)


class PlugInOptimalControlVariate(ControlVariate):
    r"""The same ratio over *all* samples, each its own baseline's part, as most texts print it.

    **Biased** by O(1/N); kept to be compared with. `OptimalControlVariate` costs the same.

    References:
      Peters and Schaal (2008).
    """

    name: ClassVar[str] = "optimal-plug-in"
    per_coordinate: ClassVar[bool] = True
    declaration: ClassVar[BiasStatement] = BiasStatement(
        TARGET,
        False,
        "each sample is part of its own baseline: a bias of order 1/N",
        "Peters and Schaal (2008)",
    )

    def __call__(self, values: Array, scores: Array | None) -> Array:
        assert scores is not None, "a per-coordinate control variate is given the scores"
        square = jnp.square(scores)
        total = jnp.sum(square, axis=0, keepdims=True)
        weighted = jnp.sum(values * square, axis=0, keepdims=True)
        ratio = jnp.where(total > 0, weighted / jnp.where(total > 0, total, 1.0), 0.0)
        return jnp.ones_like(square) * ratio


CONTROL_VARIATES: dict[str, type[ControlVariate]] = {
    cls.name: cls
    for cls in (
        NoControlVariate,
        ConstantControlVariate,
        LeaveOneOutControlVariate,
        OptimalControlVariate,
        PlugInOptimalControlVariate,
    )
}
