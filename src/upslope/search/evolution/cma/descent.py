"""One run of CMA-ES: its Gaussian, its paths and how a population moves them."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from upslope.search.evolution.cma.covariance import DiagonalCovariance, FullCovariance, Shape
from upslope.search.evolution.cma.stopping import History
from upslope.search.evolution.cma.strategy_parameters import StrategyParameters


class Descent(NamedTuple):
    """What the next population of a run needs."""

    mean: Array  # [D]
    sigma: Array  # scalar
    path_sigma: Array  # [D]
    path_c: Array  # [D]
    shape: Shape
    history: History
    scale: Array | None  # [D] A, by which whole numbers vary more than C says; None without any


def start_run(
    mean: Array, sigma: float | Array, population_size: int, *, separable: bool, integers: bool
) -> Descent:
    """A run that starts at `mean` [D] with standard deviation `sigma` in every direction."""
    shape = (DiagonalCovariance if separable else FullCovariance).isotropic(mean)
    zero, sigma = jnp.zeros_like(mean), jnp.asarray(sigma, mean.dtype)
    history = History.start(mean.size, population_size, mean.dtype, integers=integers)
    return Descent(
        mean=mean,
        sigma=sigma,
        path_sigma=zero,
        path_c=zero,
        shape=shape,
        history=history,
        scale=jnp.ones_like(mean) if integers else None,
    )


def advance(
    run: Descent,
    parameters: StrategyParameters,
    steps: Array,
    returns: Array,
    count: int | Array,
    gap: float | Array,
    widest: Array | None,
) -> tuple[Descent, Array]:
    r"""The run after a population.

    .. math:: m \leftarrow m + \sigma \textstyle\sum_i w_i^+ y_{i:P}, \qquad
              \sigma \leftarrow \sigma \exp\Big( \frac{c_\sigma}{d_\sigma}
              \Big( \frac{\|p_\sigma\|}{E\|N(0, I)\|} - 1 \Big) \Big)

    Args:
      run: before.
      parameters: of the host or of the program.
      steps: y [P, D], each candidate's (g - m) / sigma.
      returns: [P]; -inf is the worst. Ties are broken by the order of the candidates.
      count: how many candidates count; the others are padding and stand last.
      gap: updates between two factorisations of the covariance.
      widest: [D], which no standard deviation exceeds; None for no limit.

    Returns:
      The run, and the returns, best first.

    References:
      Hansen (2016), figure 6 and equations 41 to 47; Jastrebski and Arnold (2006) for the negative
      weights.
    """
    order = jnp.argsort(-returns, stable=True)
    ordered, steps = returns[order], steps[order]
    size, c_s, c_c = run.mean.size, parameters.c_sigma, parameters.c_c
    weights = jnp.asarray(parameters.weights, steps.dtype)
    shift = jnp.sum(jnp.maximum(weights, 0.0)[:, None] * steps, axis=0)
    history = run.history.recorded(ordered, count)

    white = run.shape.whitened(shift)
    path_sigma = (1 - c_s) * run.path_sigma + (c_s * (2 - c_s) * parameters.mu_eff) ** 0.5 * white
    length = jnp.sqrt(jnp.sum(jnp.square(path_sigma)))
    # While the path is longer than under random selection, sigma is too small: C does not learn it.
    known = 1 - jnp.power(1 - jnp.asarray(c_s, length.dtype), 2 * history.iteration)
    moving = jnp.square(length) / known / size - 1 < 1 + 4 / (size + 1)
    gain = (c_c * (2 - c_c) * parameters.mu_eff) ** 0.5 * run.shape.along_path(shift)
    path_c = (1 - c_c) * run.path_c + jnp.where(moving, gain, 0.0)
    stall = 1 - moving.astype(length.dtype)
    shape = run.shape.updated(parameters, path_c, steps, stall)
    change = c_s / parameters.damping * (length / parameters.expected_norm - 1)
    sigma = run.sigma * jnp.exp(jnp.clip(change, -1.0, 1.0))
    if widest is not None:
        shape = shape.times(jnp.minimum(1.0, widest / (sigma * shape.stds)))
    mean = run.mean + run.sigma * shift
    new = Descent(
        mean=mean,
        sigma=sigma,
        path_sigma=path_sigma,
        path_c=path_c,
        shape=shape.refreshed(gap),
        history=history,
        scale=run.scale,
    )
    return new, ordered
