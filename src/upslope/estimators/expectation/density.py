"""What the estimators ask of a distribution, ours or anybody's: `sample` and `log_prob`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Protocol, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float

from upslope.core.annotations import Key, PyTree
from upslope.core.checks import UpslopeError
from upslope.estimators.expectation.score_function import score_function_gradient

T = TypeVar("T")


class DistributionLike(Protocol):
    """A distribution of this library, of NumPyro, distrax or one's own."""

    @property
    def sample(self) -> Callable[..., PyTree]:
        """`sample(key)` or `sample(seed=key)`: one draw."""
        ...

    @property
    def log_prob(self) -> Callable[..., Array]:
        """`log_prob(value)` in nats; a scalar, or one for each independent component."""
        ...


def check_distribution(owner: str, distribution: DistributionLike) -> None:
    """Raises unless `distribution` has the methods `sample` and `log_prob`."""
    missing = [m for m in ("sample", "log_prob") if not callable(getattr(distribution, m, None))]
    if missing:
        raise UpslopeError(
            f"{owner} got a {type(distribution).__name__} as distribution, which has no method "
            f"{' and no method '.join(missing)}: give an object with sample(key) and "
            "log_prob(value), such as one of upslope.core.distributions or of NumPyro."
        )


def draw(distribution: DistributionLike, key: Key) -> PyTree:
    """One sample; the key is consumed. `sample(key)` and `sample(seed=key)` are both understood."""
    sample = distribution.sample
    if not hasattr(distribution, "noise") and "seed" in inspect.signature(sample).parameters:
        return sample(seed=key)
    return sample(key)


def log_density(distribution: DistributionLike, value: PyTree) -> Array:
    """log p(value), a scalar, in nats.

    Components that a library keeps apart (a batch shape) are independent: they are summed, never
    averaged.
    """
    return jnp.sum(distribution.log_prob(value))


def draws(owner: str, key: Key, distribution: DistributionLike, n_samples: int) -> PyTree:
    """Independent samples, leaves [N, ...], through which no gradient flows."""
    check_distribution(owner, distribution)
    keys = jax.random.split(key, n_samples)
    return jax.lax.stop_gradient(jax.vmap(lambda key: draw(distribution, key))(keys))


def log_densities(distribution: DistributionLike, samples: PyTree) -> Float[Array, " N"]:
    """log p of every sample, [N]."""
    return jax.vmap(lambda x: log_density(distribution, x))(samples)


def scores(
    owner: str,
    distribution_of: Callable[[T], DistributionLike],
    parameters: T,
    samples: PyTree,
    used: Bool[Array, " N"] | None = None,
) -> T:
    r"""The score of every sample.

    .. math:: S_i = \nabla_\theta \log p_\theta(x_i)

    Where p(x_i) = 0 it does not exist: NaN.

    Args:
      owner: whom an error names.
      distribution_of: `theta -> distribution`.
      parameters: theta, any tree.
      samples: leaves [N, ...].
      used: booleans [N], None for all of them. The scores of samples that are not used are zero.

    Returns:
      A tree of theta's structure with leaves [N, ...].

    Raises:
      UpslopeError: when a sample that is used has probability zero (and nothing is traced).
    """

    def log_prob(parameters: T, x: PyTree) -> Array:
        return log_density(distribution_of(parameters), x)

    def row(x: PyTree, weight: Array) -> T:
        one = jax.tree.map(lambda leaf: leaf[None], x)
        return score_function_gradient(log_prob, parameters, one, weight[None])

    log_p = jax.vmap(log_prob, in_axes=(None, 0))(parameters, samples)
    used = jnp.ones(log_p.shape, bool) if used is None else used
    impossible = used & ~(log_p > -jnp.inf)
    refuse_impossible(owner, distribution_of, parameters, samples, impossible)
    rows = jax.vmap(row)(samples, used.astype(log_p.dtype))

    def undefined(leaf: Array) -> Array:
        each = lambda flags: flags.reshape(-1, *[1] * (leaf.ndim - 1))  # noqa: E731
        # log p of what is not used may have an infinite derivative, and 0 * inf is NaN.
        return jnp.where(each(impossible), jnp.nan, jnp.where(each(used), leaf, 0.0))

    return jax.tree.map(undefined, rows)


def refuse_impossible(
    owner: str,
    distribution_of: Callable[[T], DistributionLike],
    parameters: T,
    samples: PyTree,
    impossible: Bool[Array, " N"],
) -> None:
    """Raises when a sample that is used has probability zero, unless that is traced."""
    if isinstance(impossible, jax.core.Tracer) or not bool(np.any(impossible)):
        return
    first = int(np.argmax(np.asarray(impossible)))
    value = jax.tree.map(lambda leaf: np.asarray(leaf[first]).tolist(), samples)
    raise UpslopeError(
        f"{owner}: {type(distribution_of(parameters)).__name__} gives probability zero (or NaN) to "
        f"{int(np.sum(np.asarray(impossible)))} of {impossible.shape[0]} samples, the first of "
        f"them {value}: the score grad log p is undefined there. Its log_prob must be finite "
        "wherever its sample (or the proposal's) can fall."
    )
