"""UCB1, and the two conventions of its constant."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

UCB1 = math.sqrt(2)  # for returns within an interval of length 1


def kocsis_szepesvari(c_p: float) -> float:
    r"""The constant c of `upper_confidence` for the C_p of Kocsis and Szepesvari (2006).

    .. math:: \bar X_i + 2 C_p \sqrt{\ln t / s}

    With their C_p = 1 / sqrt(2) it is UCB1's sqrt(2).
    """
    return 2 * c_p


def browne(c_p: float) -> float:
    r"""The constant c of `upper_confidence` for the C_p of Browne et al. (2012).

    .. math:: \bar X_j + 2 C_p \sqrt{2 \ln n / n_j}

    The same C_p explores sqrt(2) times as much as in Kocsis and Szepesvari's formula: with
    1 / sqrt(2) it is 2, not UCB1's sqrt(2).
    """
    return 2 * math.sqrt(2) * c_p


def upper_confidence(
    value: Float[Array, " A"], visits: Int[Array, " A"], parent_visits: Array, c: float | Array
) -> Float[Array, " A"]:
    r"""UCB1 of every action; infinite for those that have not been tried.

    .. math:: \bar Q(s, a) + c \sqrt{\ln N(s) / N(s, a)}

    Args:
      value: mean returns [A].
      visits: N(s, a), [A].
      parent_visits: N(s), how often the state itself has been visited.
      c: constant, in the unit of the returns.

    References:
      Auer, Cesa-Bianchi and Fischer (2002); Kocsis and Szepesvari (2006), "Bandit based
      Monte-Carlo Planning".
    """
    bonus = c * jnp.sqrt(jnp.log(parent_visits) / jnp.maximum(visits, 1))
    return jnp.where(visits == 0, jnp.inf, value + bonus)
