"""Measure-valued derivatives: grad E[f] as a weighted difference of two expectations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from upslope.core.annotations import Key, PyTree
from upslope.core.checks import UpslopeError
from upslope.core.distributions import Bernoulli, Categorical, DiagonalGaussian
from upslope.estimators.bias import BiasStatement
from upslope.estimators.expectation.density import DistributionLike
from upslope.estimators.expectation.expectation_gradient import ExpectationGradient
from upslope.estimators.expectation.function_values import function_values

T = TypeVar("T")
OWNER = "MeasureValued"


class MeasureValued(ExpectationGradient):
    r"""The derivative of a density as the difference of two densities, of which f is sampled.

    .. math:: \partial_\phi E_{p_\phi}[f] = c_\phi \big( E_{p^+_\phi}[f] - E_{p^-_\phi}[f] \big)

    For a Gaussian's mean :math:`x^\pm = \mu \pm \sigma W`, W of the Rayleigh (Weibull)
    distribution, and :math:`c = 1/(\sigma \sqrt{2\pi})`; for its standard deviation the
    double-sided Maxwell distribution minus the Gaussian, c = 1/sigma, coupled; a Bernoulli's is
    :math:`P(1-P)(f(1) - f(0))`; a categorical's is the exact sum over its actions. Components that
    are not differentiated are drawn as usual. Unbiased for every integrable f, discontinuous ones
    too, at the price of two evaluations per parameter of the distribution: 4 N D for D Gaussians,
    2 N K for K switches.

    References:
      Mohamed et al. (2020), section 6 and table 1; Heidergott et al. (2008).
    """

    @property
    def declaration(self) -> BiasStatement:
        return BiasStatement(
            "grad E[f]",
            True,
            "the derivative of the density is the difference of the two densities sampled",
            "Mohamed et al. (2020), section 6",
        )

    def per_sample(
        self,
        key: Key,
        distribution_of: Callable[[T], DistributionLike],
        parameters: T,
        f: Callable[[PyTree], ArrayLike],
    ) -> T:
        distribution = distribution_of(parameters)
        names, slopes = known_derivative(distribution)

        def own(parameters: T) -> tuple[Array, ...]:
            distribution = distribution_of(parameters)
            return tuple(getattr(distribution, name) for name in names)

        _, pull = jax.vjp(own, parameters)
        rows = slopes(key, distribution, f, self.n_samples)
        return jax.vmap(lambda row: pull(row)[0])(rows)


def known_derivative(distribution: DistributionLike) -> tuple[tuple[str, ...], Callable[..., Any]]:
    """What of the distribution is differentiated, and the function that does it."""
    for kind, known in SLOPES.items():
        if isinstance(distribution, kind):
            return known
    raise UpslopeError(
        f"{OWNER} knows no measure-valued derivative of {type(distribution).__name__}, only of "
        f"{', '.join(kind.__name__ for kind in SLOPES)}: use ScoreFunction."
    )


def values_at(f: Callable[[PyTree], ArrayLike], points: Array, batch: tuple[int, ...]) -> Array:
    """f at points [*batch, ...], an array [*batch]."""
    flat = points.reshape(math.prod(batch), *points.shape[len(batch) :])
    return function_values(OWNER, f, flat).reshape(batch)


def with_one_replaced(samples: Array, replacement: Array) -> Array:
    """Copies of each sample with one component exchanged: [N, D] and [..., N, D] give
    [..., N, D, D], where [..., n, d, :] is sample n with its component d replaced."""
    one = jnp.eye(samples.shape[-1], dtype=bool)
    shape = (*replacement.shape, samples.shape[-1])
    return jnp.where(
        jnp.broadcast_to(one, shape),
        jnp.broadcast_to(replacement[..., :, None], shape),
        jnp.broadcast_to(samples[:, None, :], shape),
    )


def gaussian_slopes(
    key: Array, distribution: DiagonalGaussian, f: Callable[[PyTree], ArrayLike], count: int
) -> tuple[Array, Array]:
    """The derivative of E[f] in every mean and in every log standard deviation, [N, *shape]."""
    shape = distribution.mean.shape
    size = math.prod(shape)
    mean = jnp.broadcast_to(distribution.mean.reshape(1, size), (count, size))
    std = jnp.broadcast_to(distribution.std.reshape(1, size), (count, size))
    normal, rayleigh, maxwell, sign, uniform = jax.random.split(key, 5)
    dtype = mean.dtype
    samples = mean + std * jax.random.normal(normal, (count, size), dtype)
    # 1 - u lies in (0, 1]: its logarithm is finite.
    length = jnp.sqrt(-2.0 * jnp.log1p(-jax.random.uniform(rayleigh, (count, size), dtype)))
    side = jax.random.rademacher(sign, (count, size), dtype)
    spread = side * jnp.linalg.norm(jax.random.normal(maxwell, (3, count, size), dtype), axis=0)
    # A double-sided Maxwell variable times an independent uniform one is a normal one.
    inner = spread * jax.random.uniform(uniform, (count, size), dtype)
    replaced = jnp.stack(
        [
            mean + std * length,
            mean - std * length,
            mean + std * spread,
            mean + std * inner,
        ]
    )
    points = with_one_replaced(samples, replaced).reshape(4, count, size, *shape)
    values = values_at(f, points, (4, count, size)).astype(dtype)
    in_mean = (values[0] - values[1]) / (std * math.sqrt(2.0 * math.pi))
    in_log_std = values[2] - values[3]
    return in_mean.reshape(count, *shape), in_log_std.reshape(count, *shape)


def bernoulli_slopes(
    key: Array, distribution: Bernoulli, f: Callable[[PyTree], ArrayLike], count: int
) -> tuple[Array]:
    """The derivative of E[f] in every logit, [N, *shape]."""
    shape = distribution.logits.shape
    size = math.prod(shape)
    samples = jax.vmap(distribution.sample)(jax.random.split(key, count)).reshape(count, size)
    replaced = jnp.stack([jnp.ones_like(samples), jnp.zeros_like(samples)])
    points = with_one_replaced(samples, replaced).reshape(2, count, size, *shape)
    values = values_at(f, points, (2, count, size))
    p = distribution.probs.reshape(1, size)
    slopes = jnp.broadcast_to(p * (1.0 - p), (count, size)) * (values[0] - values[1])
    return (slopes.reshape(count, *shape).astype(distribution.logits.dtype),)


def categorical_slopes(
    key: Array, distribution: Categorical, f: Callable[[PyTree], ArrayLike], count: int
) -> tuple[Array]:
    """The derivative of E[f] in every logit, exactly: N equal rows."""
    p = distribution.probs
    values = function_values(OWNER, f, jnp.arange(p.shape[-1]))
    values = jnp.where(p > 0, values, 0.0)  # f of a masked action is not asked about
    exact = p * (values - jnp.sum(p * values))
    return (jnp.broadcast_to(exact.astype(p.dtype), (count, *p.shape)),)


# What of each distribution is differentiated, and how.
SLOPES: dict[type, tuple[tuple[str, ...], Callable[..., tuple[Array, ...]]]] = {
    DiagonalGaussian: (("mean", "log_std"), gaussian_slopes),
    Bernoulli: (("logits",), bernoulli_slopes),
    Categorical: (("logits",), categorical_slopes),
}
