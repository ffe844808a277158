"""The gradient of any noisy function of parameters, by a population estimator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import UInt32

from upslope.estimators.expectation.function_values import OnHost, function_values
from upslope.estimators.population.population_estimator import PopulationEstimator

T = TypeVar("T")
Points = TypeVar("Points")


def noisy_values(
    owner: str,
    function: Callable[[Array, Points], ArrayLike],
    seeds: UInt32[Array, " P"],
    points: Points,
) -> Array:
    """A noisy function at every point (leaves [P, ...]) with its seed [P], an array [P]."""
    one: Any = lambda pair: function(pair[0], pair[1])  # noqa: E731
    if isinstance(function, OnHost):
        inner = function.function
        one = OnHost(lambda pair: inner(pair[0], pair[1]))  # type: ignore[call-arg]
    return function_values(owner, one, (seeds, points))


def noisy_gradient(
    estimator: PopulationEstimator,
    key: Array,
    function: Callable[[Array, T], ArrayLike],
    parameters: T,
    common_random_numbers: bool = False,
) -> T:
    r"""The estimate of :math:`\nabla_\theta E_\xi[F(\xi, \theta)]` from P evaluations of F.

    With common random numbers all evaluations get the same seed: what they share of the noise
    cancels in their differences.

    Args:
      estimator: `FiniteDifferences` or `SmoothedScore`.
      key: consumed.
      function: `(seed, parameters) -> number`; the seed is an unsigned 32-bit integer, to be used
        as `jax.random.key(seed)`, `numpy.random.default_rng(seed)` or `env.reset(seed=int(seed))`.
        Any Python function: what JAX cannot trace is called on the host.
      parameters: theta, any tree of floating-point arrays.
      common_random_numbers: one seed for all evaluations of this estimate.

    Returns:
      A tree of theta's structure.

    References:
      Glasserman and Yao (1992) for common random numbers.
    """
    perturbation_key, seed_key = jax.random.split(key)
    candidates = estimator.propose(perturbation_key, parameters)
    count = estimator.population_size
    if common_random_numbers:
        seeds = jnp.broadcast_to(jax.random.bits(seed_key, (1,), jnp.uint32), (count,))
    else:
        seeds = jax.random.bits(seed_key, (count,), jnp.uint32)
    values = noisy_values(type(estimator).__name__, function, seeds, candidates)
    return estimator.estimate(parameters, candidates, values)
