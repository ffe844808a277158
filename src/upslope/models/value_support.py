"""Scalars as categorical distributions over a transformed support."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.checks import check_number

# The linear term that makes the transform invertible where the root grows slowly.
EPSILON = 0.001


class ValueSupport(eqx.Module):
    r"""The numbers -S, -S + 1, ..., S, in which transformed values are told.

    A network says probabilities of these 2 S + 1 numbers; their mean, transformed back, is the
    value. Rewards and values of any size then give gradients of one size.

    .. math:: h(x) = \mathrm{sign}(x) \big(\sqrt{|x| + 1} - 1\big) + \epsilon x

    with :math:`\epsilon` = 0.001. A value beyond `limit`, h^-1(S), is told as the limit.

    Attributes:
      size: S. Static.

    Raises:
      UpslopeError: `size` is not a whole number of at least 1.

    Example:

        >>> support = ValueSupport(10)
        >>> support.n_atoms, round(float(support.inverse(support.transform(7.0))), 4)
        (21, 7.0)

    References:
      Pohlen et al. (2018), "Observe and Look Further", proposition A.2, for h; Schrittwieser et al.
      (2020), appendix F, for the support.
    """

    size: int = eqx.field(static=True)

    def __check_init__(self) -> None:
        check_number("ValueSupport", "size", self.size, at_least=1, integer=True)

    @property
    def n_atoms(self) -> int:
        """2 S + 1."""
        return 2 * self.size + 1

    @property
    def limit(self) -> Array:
        """The greatest value that can be told, h^-1(S)."""
        return self.inverse(jnp.asarray(float(self.size)))

    def transform(self, x: Float[Array, "*shape"] | float) -> Float[Array, "*shape"]:
        """h(x), elementwise."""
        x = jnp.asarray(x, float)
        size = jnp.abs(x)
        # sqrt(|x| + 1) - 1 loses its digits near zero; this does not.
        return jnp.sign(x) * size / (jnp.sqrt(size + 1.0) + 1.0) + EPSILON * x

    def inverse(self, y: Float[Array, "*shape"] | float) -> Float[Array, "*shape"]:
        r"""h^-1(y), elementwise.

        .. math:: h^{-1}(y) = \mathrm{sign}(y) \left( \left(
                  \frac{\sqrt{1 + 4 \epsilon (|y| + 1 + \epsilon)} - 1}{2 \epsilon}
                  \right)^2 - 1 \right)
        """
        y = jnp.asarray(y, float)
        shifted = jnp.abs(y) + 1.0 + EPSILON
        # The quotient without the difference of two numbers near one: sqrt(|x| + 1).
        root = 2.0 * shifted / (jnp.sqrt(1.0 + 4.0 * EPSILON * shifted) + 1.0)
        return jnp.sign(y) * (root - 1.0) * (root + 1.0)

    def two_hot(self, x: Float[Array, "*shape"] | float) -> Float[Array, "*shape n_atoms"]:
        """The probabilities of the two neighbours of h(x) whose mean is h(x), zero elsewhere."""
        y = jnp.clip(self.transform(x), -self.size, self.size)
        atoms = jnp.arange(-self.size, self.size + 1, dtype=y.dtype)
        distance = jnp.abs(y[..., None] - atoms.reshape((1,) * y.ndim + (-1,)))
        return jnp.maximum(1.0 - distance, 0.0)

    def mean(self, logits: Float[Array, "*shape n_atoms"]) -> Float[Array, "*shape"]:
        """The value that logits tell: h^-1 of the mean of the support."""
        atoms = jnp.arange(-self.size, self.size + 1, dtype=logits.dtype)
        return self.inverse(jax.nn.softmax(logits, axis=-1) @ atoms)

    def cross_entropy(
        self, logits: Float[Array, "*shape n_atoms"], x: Float[Array, "*shape"]
    ) -> Float[Array, "*shape"]:
        """-sum p log q of the two-hot p of x and the told q, least where q is p."""
        return -jnp.sum(self.two_hot(x) * jax.nn.log_softmax(logits, axis=-1), axis=-1)
