"""Surrogates that can be differentiated any number of times: DiCE."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from upslope.objectives.objective import cumulative_discount


def magic_box(log_prob: Array) -> Array:
    r"""One, with the derivatives of a density ratio.

    .. math:: \square(\log p) = \exp(\log p - \bot(\log p)), \qquad
              \nabla \square = \square \, \nabla \log p

    where the second term is taken for constant. Any shape.

    References:
      Foerster et al. (2018), section 4.
    """
    return jnp.exp(log_prob - jax.lax.stop_gradient(log_prob))


def dice(log_prob: Array, values: Array, baseline: Array | float = 0.0) -> Array:
    r"""An estimate of E[f] whose derivatives of *every* order are estimates of its derivatives.

    .. math:: \frac1N \sum_i \square(\log p_\theta(x_i)) f(x_i)
              + \big(1 - \square(\log p_\theta(x_i))\big) b_i

    Its value is the sample mean of f. Unbiased in every order when b = 0, and in the first when
    b_i does not depend on x_i. (The surrogate sum_i f_i log p_i is right in the first order
    alone: its Hessian lacks :math:`f \nabla \log p \nabla \log p^\top`.)

    Args:
      log_prob: log p_theta(x_i), [N], a function of theta.
      values: f(x_i), [N]; may depend on theta itself, and is then differentiated too.
      baseline: b, [N] or a number; no gradient flows into it.

    Returns:
      A scalar.

    References:
      Foerster et al. (2018), equation 8 and theorem 1; section 4.3 for the baseline.
    """
    box = magic_box(log_prob)
    return jnp.mean(box * values + (1.0 - box) * jax.lax.stop_gradient(baseline))


def dice_return(log_prob: Array, reward: Array, discount: float | Array = 1.0) -> Array:
    r"""An estimate of J from whole episodes whose derivatives of every order are estimates too.

    .. math:: \frac1N \sum_n \sum_t \gamma^t \,
              \square\Big(\sum_{k \le t} \log \pi_\theta(a_{kn} \mid s_{kn})\Big) r_{tn}

    Each reward is boxed with the actions up to it: later ones are not blamed for it.

    Args:
      log_prob: [T, N]; zero after an episode's end.
      reward: [T, N]; zero after an episode's end.
      discount: gamma, a number or one per step [T, N].

    Returns:
      A scalar: the mean discounted return.

    References:
      Foerster et al. (2018), section 4.2.
    """
    box = magic_box(jnp.cumsum(log_prob, axis=0))
    weight = cumulative_discount(discount, reward.shape[0])
    return jnp.sum(weight * box * reward) / reward.shape[1]
