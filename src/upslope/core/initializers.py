"""How the weights of a network begin."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import Array


def orthogonal(key: Array, shape: tuple[int, int], gain: float = 1.0) -> Array:
    r"""A random matrix with orthonormal rows or columns, times `gain`.

    Uniform (Haar) over such matrices: a Gaussian matrix put through Gram-Schmidt. Each vector is
    projected twice, which is enough for orthogonality at rounding level. The factorisation is a
    plain loop of products, so it is safe to `vmap`; several batched LAPACK calls in one program can
    deadlock.

    Args:
      key: consumed.
      shape: (rows, columns). The shorter side is orthonormal.
      gain: scales the result.

    References:
      Saxe, McClelland and Ganguli (2014); Giraud, Langou and Rozloznik (2005), "twice is enough".
    """
    rows, columns = shape
    count, length = min(shape), max(shape)
    gaussian = jax.random.normal(key, (count, length))

    def project(index: Array, basis: Array) -> Array:
        vector = gaussian[index]
        for _ in range(2):
            vector = vector - (basis @ vector) @ basis
        unit = vector * jax.lax.rsqrt(jnp.sum(jnp.square(vector)))
        return basis.at[index].set(unit)

    basis = jax.lax.fori_loop(0, count, project, jnp.zeros_like(gaussian))
    return gain * (basis.T if rows >= columns else basis)


def lecun_normal(key: Array, shape: tuple[int, ...], gain: float = 1.0) -> Array:
    """Normal with variance gain^2 / fan-in; the last axis is the output, the others the input.

    References:
      LeCun et al. (1998), "Efficient BackProp", section 4.6.
    """
    return jax.random.normal(key, shape) * (gain / math.sqrt(math.prod(shape[:-1])))


def zeros(key: Array, shape: tuple[int, ...], gain: float = 1.0) -> Array:
    """All zero; key and gain are ignored."""
    return jnp.zeros(shape)
