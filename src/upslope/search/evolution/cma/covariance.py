"""The shape of CMA-ES's Gaussian: a full covariance matrix, or a variance for each parameter."""

from __future__ import annotations

import math

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from upslope.search.evolution.cma.strategy_parameters import StrategyParameters
from upslope.search.evolution.cma.symmetric_eigen import refreshed_axes


class FullCovariance(eqx.Module):
    r"""C and its principal axes, with C's rank-one and rank-mu updates.

    .. math:: C \leftarrow (1 - c_1 - c_\mu \textstyle\sum_i w_i) C + c_1 p_c p_c^\top
              + c_\mu \sum_i w_i^\circ y_{i:P} y_{i:P}^\top

    Attributes:
      covariance: C [D, D].
      axes: B [D, D], a column an axis.
      lengths: d [D], ascending: C was B diag(d^2) B' when they were computed.
      age: scalar int, updates since then.

    References:
      Hansen (2016), equations 46 and 47.
    """

    covariance: Array
    axes: Array
    lengths: Array
    age: Array

    @classmethod
    def isotropic(cls, mean: Array) -> FullCovariance:
        """C = I, for parameters like `mean` [D]."""
        eye = jnp.eye(mean.size, dtype=mean.dtype)
        return cls(eye, eye, jnp.ones_like(mean), jnp.zeros((), int))

    @property
    def stds(self) -> Array:
        """The standard deviation [D] of each parameter."""
        return jnp.sqrt(
            jnp.sum(
                self.covariance * jnp.eye(self.lengths.size, dtype=self.covariance.dtype), axis=1
            )
        )

    @property
    def axis_ratio(self) -> Array:
        """The longest axis by the shortest, a scalar: the root of the condition number."""
        return self.lengths[-1] / self.lengths[0]

    def axis(self, index: Array) -> Array:
        """One principal axis [D] with its length."""
        return self.lengths[index] * self.axes[:, index]

    def shaped(self, noise: Array) -> Array:
        """C^(1/2) z for rows z of [N, D]."""
        return ((noise @ self.axes) * self.lengths[None]) @ self.axes.T

    def whitened(self, step: Array) -> Array:
        """C^(-1/2) y for y [D]."""
        # As sums: they become part of the kernels around them.
        turned = jnp.sum(step[:, None] * self.axes, axis=0) / self.lengths
        return jnp.sum(self.axes * turned[None], axis=1)

    def along_path(self, step: Array) -> Array:
        """What a step [D] of the mean adds to the path."""
        return step

    def updated(
        self, parameters: StrategyParameters, path: Array, steps: Array, stall: Array
    ) -> FullCovariance:
        """The covariance after a population.

        Args:
          parameters: of this dimension and population size.
          path: p_c [D].
          steps: y [P, D], best first.
          stall: scalar, 1 where the path was not updated, else 0.
        """
        weights = jnp.asarray(parameters.weights, steps.dtype)
        norms = jnp.sqrt(jnp.sum(jnp.square((steps @ self.axes) / self.lengths[None]), axis=1))
        # A step of negative weight is given the length of a typical one: C stays positive definite.
        typical = steps.shape[1] / jnp.square(norms + 1e-9)
        c_1, c_mu, c_c = parameters.c_1, parameters.c_mu, parameters.c_c
        kept = 1 - c_1 * (1 - stall * c_c * (2 - c_c)) - c_mu * jnp.sum(weights)
        scaled = c_mu * weights * jnp.where(weights < 0, typical, 1.0)
        covariance = kept * self.covariance + c_1 * path[:, None] * path[None, :]
        covariance = covariance + (steps * scaled[:, None]).T @ steps
        return FullCovariance(covariance, self.axes, self.lengths, self.age + 1)

    def refreshed(self, gap: float | Array) -> FullCovariance:
        """With axes computed anew if at least `gap` updates have passed."""
        due = self.age >= gap
        covariance, axes, lengths = refreshed_axes(due, self.covariance, self.axes, self.lengths)
        return FullCovariance(covariance, axes, lengths, jnp.where(due, 0, self.age))

    def times(self, factor: Array) -> FullCovariance:
        """With every parameter's standard deviation multiplied by factor [D]."""
        covariance = self.covariance * factor[:, None] * factor[None, :]
        return FullCovariance(covariance, self.axes, self.lengths, self.age)


class DiagonalCovariance(eqx.Module):
    r"""A standard deviation for each parameter, updated multiplicatively.

    .. math:: d \leftarrow d \exp \frac{\ln 2}2
              \big( c_1 (p_c^2 - 1) + c_\mu \textstyle\sum_i w_i (z_{i:P}^2 - 1) \big)

    The path is kept in units of d. Time and memory are linear in D.

    Attributes:
      scales: d [D].

    References:
      Ros and Hansen (2008); Akimoto and Hansen (2020) for the exponential form.
    """

    scales: Array

    @classmethod
    def isotropic(cls, mean: Array) -> DiagonalCovariance:
        """d = 1, for parameters like `mean` [D]."""
        return cls(jnp.ones_like(mean))

    @property
    def stds(self) -> Array:
        """The standard deviation [D] of each parameter."""
        return self.scales

    @property
    def axis_ratio(self) -> Array:
        """The longest axis by the shortest, a scalar."""
        return jnp.max(self.scales) / jnp.min(self.scales)

    def axis(self, index: Array) -> Array:
        """One principal axis [D] with its length."""
        return jnp.where(jnp.arange(self.scales.size) == index, self.scales, 0.0)

    def shaped(self, noise: Array) -> Array:
        """d z for rows z of [N, D]."""
        return noise * self.scales[None]

    def whitened(self, steps: Array) -> Array:
        """y / d for y [D], or for rows of [N, D]."""
        return steps / jnp.broadcast_to(self.scales, steps.shape)

    def along_path(self, step: Array) -> Array:
        """What a step [D] of the mean adds to the path."""
        return step / self.scales

    def updated(
        self, parameters: StrategyParameters, path: Array, steps: Array, stall: Array
    ) -> DiagonalCovariance:
        """The variances after a population; arguments as for `FullCovariance`."""
        weights = parameters.c_mu * jnp.asarray(parameters.weights, steps.dtype)
        c_1a = parameters.c_1 * (1 - stall * parameters.c_c * (2 - parameters.c_c))
        gain = c_1a * (jnp.square(path) - 1)
        gain = gain + weights @ (jnp.square(self.whitened(steps)) - 1)
        return DiagonalCovariance(self.scales * jnp.exp(0.5 * math.log(2) * gain))

    def refreshed(self, gap: float | Array) -> DiagonalCovariance:
        """Itself: there is nothing to factorise."""
        return self

    def times(self, factor: Array) -> DiagonalCovariance:
        """With every parameter's standard deviation multiplied by factor [D]."""
        return DiagonalCovariance(self.scales * factor)


Shape = FullCovariance | DiagonalCovariance
