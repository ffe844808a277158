"""The values of any function at samples: traced where JAX can trace it, on the host where not."""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from upslope.core.annotations import PyTree
from upslope.core.checks import UpslopeError


class OnHost(eqx.Module):
    """A function that is called outside of JAX, on one sample at a time, as NumPy arrays.

    Say it of functions that draw their own random numbers or touch the outside: traced, they would
    be called once, and what they drew would be frozen. Functions that JAX cannot trace need not be
    marked: they are recognised.

    Attributes:
      function: from one sample to a number.
    """

    function: Callable[[PyTree], ArrayLike] = eqx.field(static=True)

    def __call__(self, sample: PyTree) -> ArrayLike:
        return self.function(sample)


def traceable(f: Callable[[PyTree], ArrayLike], samples: PyTree) -> bool:
    """Whether JAX can trace f at one of these samples; an `OnHost` function says no."""
    if isinstance(f, OnHost):
        return False
    try:
        jax.eval_shape(lambda samples: f(jax.tree.map(lambda leaf: leaf[0], samples)), samples)
    except jax.errors.JAXTypeError:
        return False
    return True


def function_values(
    owner: str, f: Callable[[PyTree], ArrayLike], samples: PyTree
) -> Float[Array, " N"]:
    """f at every sample, [N], floating point; no gradient flows through it.

    The same numbers whether f is traced or called on the host, and whether the caller is jitted
    (a callback) or not.

    Args:
      owner: whom an error names.
      f: from one sample to a number; any function whatever.
      samples: leaves [N, ...].

    Raises:
      UpslopeError: when f does not give one number.
    """
    if traceable(f, samples):
        values = jax.vmap(lambda x: jnp.asarray(f(x)))(samples)
        if values.ndim != 1:
            raise UpslopeError(
                f"{owner} got a function whose value has shape {values.shape[1:]}: it must be one "
                "number. Sum its components."
            )
        return jax.lax.stop_gradient(values.astype(jnp.result_type(float)))
    leaves = jax.tree.leaves(samples)
    count = leaves[0].shape[0]
    dtype = jnp.result_type(float)

    def loop(samples: PyTree) -> np.ndarray:
        samples = jax.tree.map(np.asarray, samples)
        values = [
            np.asarray(f(jax.tree.map(lambda leaf: leaf[n], samples)))  # noqa: B023
            for n in range(count)
        ]
        if any(value.size != 1 for value in values):
            raise UpslopeError(
                f"{owner} got a function whose value has shape "
                f"{next(v.shape for v in values if v.size != 1)}: it must be one number."
            )
        return np.asarray([float(value.reshape(())) for value in values], dtype)

    if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
        shape = jax.ShapeDtypeStruct((count,), dtype)
        samples = jax.lax.stop_gradient(samples)
        return jax.pure_callback(loop, shape, samples, vmap_method="sequential")
    return jnp.asarray(loop(samples))
