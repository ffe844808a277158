"""How the weights of a network begin."""

# `jnp.pad` and `lax.fori_loop` have no types for some of their arguments.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array

# Matrices whose common block is larger than this are factorised one by one: padding costs memory.
LARGEST_BLOCK = 2**20


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
    return orthogonal_layers(key, (shape,), (gain,))[0]


def orthogonal_layers(
    key: Array, shapes: Sequence[tuple[int, int]], gains: Sequence[float]
) -> list[Array]:
    """Independent `orthogonal` matrices, from one draw and in one loop: a small program."""
    sizes = [math.prod(shape) for shape in shapes]
    draw = jax.random.normal(key, (sum(sizes),))
    gaussians = [
        draw[sum(sizes[:k]) : sum(sizes[: k + 1])].reshape(min(shape), max(shape))
        for k, shape in enumerate(shapes)
    ]
    count, length = max(map(min, shapes)), max(map(max, shapes))
    if len(shapes) * count * length <= LARGEST_BLOCK:
        padded = [
            jnp.pad(g, ((0, count - g.shape[0]), (0, length - g.shape[1]))) for g in gaussians
        ]
        bases = list(gram_schmidt(jnp.stack(padded)))
    else:
        bases = [gram_schmidt(g[None])[0] for g in gaussians]
    return [
        gain * (basis.T[:rows, :columns] if rows >= columns else basis[:rows, :columns])
        for (rows, columns), gain, basis in zip(shapes, gains, bases, strict=True)
    ]


def gram_schmidt(vectors: Array) -> Array:
    """Orthonormal bases of L spans, [L, count, length]; a zero vector stays zero."""

    def project(index: Array, basis: Array) -> Array:
        vector = vectors[:, index]
        for _ in range(2):
            weight = jax.vmap(jnp.matmul)(basis, vector)
            vector = vector - jax.vmap(jnp.matmul)(weight, basis)
        square = jnp.sum(jnp.square(vector), axis=1, keepdims=True)
        unit = vector * jax.lax.rsqrt(jnp.where(square > 0, square, 1.0))
        return basis.at[:, index].set(unit)

    return jax.lax.fori_loop(0, vectors.shape[1], project, jnp.zeros_like(vectors))


def lecun_normal(key: Array, shape: tuple[int, ...], gain: float = 1.0) -> Array:
    """Normal with variance gain^2 / fan-in; the last axis is the output, the others the input.

    References:
      LeCun et al. (1998), "Efficient BackProp", section 4.6.
    """
    return jax.random.normal(key, shape) * (gain / math.sqrt(math.prod(shape[:-1])))


def zeros(key: Array, shape: tuple[int, ...], gain: float = 1.0) -> Array:
    """All zero; key and gain are ignored."""
    return jnp.zeros(shape)
