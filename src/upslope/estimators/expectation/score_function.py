"""The log-derivative identity, written once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

T = TypeVar("T")
Sample = TypeVar("Sample")


def surrogate(log_prob: Array, weight: Array) -> Array:
    r"""A scalar whose gradient is the weighted sum of scores.

    .. math:: \nabla_\theta \sum_i w_i \log p_\theta(x_i)
              = \sum_i w_i \nabla_\theta \log p_\theta(x_i)

    Its value means nothing. No gradient flows into the weights. A weight of zero silences a score
    of any size, as long as the derivative of `log_prob` itself is finite there; a sample of
    probability zero that has a weight has no score: the gradient is NaN.

    Args:
      log_prob: log p_theta(x_i), any shape, a function of theta.
      weight: of the same shape.
    """
    weight = jax.lax.stop_gradient(weight)
    weight = jnp.where(jnp.isneginf(log_prob) & (weight != 0), jnp.nan, weight)
    return jnp.sum(jnp.where(weight == 0, 0.0, weight * log_prob))


def score_function_gradient(
    log_prob: Callable[[T, Sample], Array],
    parameters: T,
    samples: Sample,
    weights: Float[Array, " N"],
) -> T:
    r"""The weighted sum of scores.

    .. math:: \hat g = \sum_i w_i \nabla_\theta \log p_\theta(x_i)

    With :math:`w_i = f(x_i) / N` and :math:`x_i \sim p_\theta` it is unbiased for
    :math:`\nabla_\theta E_{p_\theta}[f]`, whatever f is: discontinuous, unknown, on a discrete
    space. x may be an action (a bandit), a step of a trajectory (REINFORCE) or a vector of policy
    parameters (an evolution strategy).

    Args:
      log_prob: `(parameters, x) -> scalar`, one sample at a time.
      parameters: theta, any tree.
      samples: leaves [N, ...].
      weights: [N]; constants, no gradient flows into them.

    Returns:
      A tree of theta's structure.

    References:
      Mohamed et al. (2020), equation 13; Williams (1992), theorem 1.
    """

    def objective(parameters: T) -> Array:
        return surrogate(jax.vmap(log_prob, in_axes=(None, 0))(parameters, samples), weights)

    return jax.grad(objective)(parameters)
