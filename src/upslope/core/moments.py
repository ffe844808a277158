"""Running mean and variance of what a policy has observed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.annotations import Observation, PyTree

CLIP = 10.0  # standard deviations


class Moments(eqx.Module):
    r"""Count, mean and sum of squared deviations of a stream, merged exactly.

    .. math:: M_{AB} = M_A + M_B + \delta^2 \frac{n_A n_B}{n_A + n_B},
              \quad \delta = \bar x_B - \bar x_A

    The result does not depend on how the stream was split into batches (up to rounding).

    Samples may be trees (Dict and Tuple observations). Of a tree only the leaves of floats are
    counted and standardised: ints (categories, masks) and bytes (images) stand as None in mean and
    squares and pass `normalize` as they are, and so does the field `action_mask`.

    Attributes:
      count: number of samples, a float scalar.
      mean: [...], one per component; or a tree of these.
      squares: [...], the sum of squared deviations from the mean; likewise.

    References:
      Chan, Golub and LeVeque (1983), equations 2.1.
    """

    count: Array
    mean: PyTree
    squares: PyTree

    @classmethod
    def zeros(cls, shape: tuple[int, ...]) -> Moments:
        """Moments of no samples at all, of arrays of a shape."""
        return cls(jnp.zeros(()), jnp.zeros(shape), jnp.zeros(shape))

    @classmethod
    def zeros_like(cls, sample: Observation) -> Moments:
        """Moments of no samples at all, of arrays or trees like one sample (or its shapes)."""

        def zeros(leaf: Array) -> Array:
            return jnp.zeros(leaf.shape)

        empty = _each(zeros, _counted(sample))
        return cls(jnp.zeros(()), empty, empty)

    @classmethod
    def of(cls, samples: Observation, valid: Array | None = None) -> Moments:
        """Moments of a batch.

        Args:
          samples: [B..., ...] where the leading axes are those of `valid` (all but the last shape
            of one sample); without `valid` there is one leading axis. An array, or a tree of them.
          valid: booleans [B...]; False entries do not count.
        """
        if valid is None:
            valid = jnp.ones(jax.tree.leaves(samples)[0].shape[:1], bool)
        samples = _counted(samples)
        kinds = [leaf.dtype for leaf in jax.tree.leaves(samples)]
        dtype = jnp.result_type(float, *kinds) if not kinds else jnp.result_type(*kinds)
        count = jnp.sum(valid.astype(dtype))

        def mean(leaf: Array) -> Array:
            return _mean(leaf, valid, count)

        def squares(leaf: Array, mean: Array) -> Array:
            return _squares(leaf, valid, mean)

        means = _each(mean, samples)
        return cls(count, means, _each(squares, samples, means))

    def merge(self, other: Moments) -> Moments:
        """Moments of both streams together."""
        count = self.count + other.count
        safe = jnp.maximum(count, 1.0)

        def mean(here: Array, there: Array) -> Array:
            return here + (there - here) * other.count / safe

        def squares(here: Array, there: Array, mine: Array, theirs: Array) -> Array:
            delta = theirs - mine
            return here + there + delta**2 * self.count * other.count / safe

        return Moments(
            count,
            _each(mean, self.mean, other.mean),
            _each(squares, self.squares, other.squares, self.mean, other.mean),
        )

    def together(self) -> Moments:
        """Moments of P streams, leaves [P, ...], together; in one order whatever made them."""
        total = jnp.sum(self.count)

        def weights(leaf: Array) -> Array:
            return self.count.reshape(-1, *(1,) * (leaf.ndim - 1))

        def mean(leaf: Array) -> Array:
            return jnp.sum(weights(leaf) * leaf, axis=0) / jnp.maximum(total, 1.0)

        def squares(leaf: Array, means: Array, mean: Array) -> Array:
            apart = weights(means) * jnp.square(means - mean[None])
            return jnp.sum(leaf + apart, axis=0)

        means = _each(mean, self.mean)
        return Moments(total, means, _each(squares, self.squares, self.mean, means))

    @property
    def variance(self) -> PyTree:
        """The population variance [...]; 1 where fewer than two samples have been seen."""

        def variance(squares: Array) -> Array:
            return jnp.where(self.count > 1.0, squares / jnp.maximum(self.count, 1.0), 1.0)

        return _each(variance, self.squares)

    def normalize(self, sample: Observation, clip: float = CLIP) -> Observation:
        """(sample - mean) / std, clipped; no gradient flows into the moments."""
        frozen = jax.lax.stop_gradient(self)

        def normalize(mean: Array | None, sample: Array, variance: Array | None) -> Array:
            if mean is None or variance is None:
                return sample
            return jnp.clip((sample - mean) * jax.lax.rsqrt(variance + 1e-8), -clip, clip)

        return jax.tree.map(normalize, frozen.mean, sample, frozen.variance, is_leaf=_is_none)


def _is_none(node: object) -> bool:
    return node is None


def _each(f: Callable[..., Array], tree: PyTree, *others: PyTree) -> PyTree:
    """`f` of the leaves of trees of one structure; None stays None."""
    return jax.tree.map(f, tree, *others)


def _counted(samples: Observation) -> PyTree:
    """The samples as floats, with None in the place of what is not standardised."""
    if not isinstance(samples, Mapping | tuple | list):
        if jnp.issubdtype(samples.dtype, jnp.floating):
            return samples
        if isinstance(samples, jax.ShapeDtypeStruct):
            return jax.ShapeDtypeStruct(samples.shape, jnp.result_type(float))
        return samples.astype(float)

    def counted(path: tuple[Any, ...], leaf: Array) -> Array | None:
        masked = getattr(path[0], "key", None) == "action_mask"
        return leaf if jnp.issubdtype(leaf.dtype, jnp.floating) and not masked else None

    return jax.tree_util.tree_map_with_path(counted, samples)


def _spread(leaf: Array, valid: Array) -> Array:
    weight = valid.astype(leaf.dtype)
    return weight.reshape(weight.shape + (1,) * (leaf.ndim - weight.ndim))


def _mean(leaf: Array, valid: Array, count: Array) -> Array:
    spread = _spread(leaf, valid)
    kept = jnp.where(spread > 0, leaf, 0.0)  # what does not count may be infinite
    return jnp.sum(kept, axis=tuple(range(valid.ndim))) / jnp.maximum(count, 1.0)


def _squares(leaf: Array, valid: Array, mean: Array) -> Array:
    lead = tuple(range(valid.ndim))
    spread = _spread(leaf, valid)
    kept = jnp.where(spread > 0, leaf, 0.0)
    return jnp.sum(spread * jnp.square(kept - jnp.expand_dims(mean, lead)), axis=lead)
