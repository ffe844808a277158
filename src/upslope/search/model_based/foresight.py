"""What a model promises beside what comes of it."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from upslope.core.records import Trajectories


class Foresight(NamedTuple):
    """Of fresh steps; NaN where nothing can be said yet."""

    predicted_return: Array  # scalar
    obtained_return: Array  # scalar


def returns_ahead(
    steps: Trajectories, discount: float | Array, horizon: int | None
) -> tuple[Float[Array, "T N"], Bool[Array, "T N"]]:
    r"""The return of the next H steps from each one, and where all of them are known.

    .. math:: G_t = \sum_{k<H} \gamma^k r_{t+k}

    Args:
      steps: [T, N, ...] in a row; an episode that terminates earns nothing more.
      discount: gamma.
      horizon: H; None for the rest of the episode.

    Returns:
      [T, N], and False where the window runs over the last step or over a truncated one.
    """
    n_steps = steps.reward.shape[0]
    length = n_steps if horizon is None else horizon
    gamma = jnp.asarray(discount, steps.reward.dtype)

    def ahead(start: Array) -> tuple[Array, Array]:
        def step(
            carry: tuple[Array, Array, Array, Array], offset: Array
        ) -> tuple[tuple[Array, Array, Array, Array], None]:
            total, weight, going, known = carry
            now = start + offset
            inside = now < n_steps
            at = jnp.minimum(now, n_steps - 1)
            known = known & (~going | inside)
            going = going & inside
            total = total + jnp.where(going, weight * steps.reward[at], 0.0)
            known = known & ~(going & steps.truncated[at])
            going = going & ~steps.terminated[at]
            return (total, weight * gamma, going, known), None

        zero = jnp.zeros_like(steps.reward[0])
        yes = jnp.ones(zero.shape, bool)
        begin = (zero, jnp.ones_like(zero), yes, yes)
        (total, _, going, known), _ = jax.lax.scan(step, begin, jnp.arange(length))
        return total, known & ~going if horizon is None else known

    return jax.vmap(ahead)(jnp.arange(n_steps))


class RunningReturns(NamedTuple):
    """Of the episodes that are under way in N streams."""

    total: Float[Array, " N"]  # rewards so far
    discounted: Float[Array, " N"]
    weight: Float[Array, " N"]  # gamma^t of the next reward

    @classmethod
    def start(cls, n: int) -> RunningReturns:
        """Before the first step."""
        return cls(jnp.zeros(n), jnp.zeros(n), jnp.ones(n))


class EndedReturns(NamedTuple):
    """Mean returns of the episodes that ended; NaN where none did."""

    undiscounted: Array  # scalar
    discounted: Array  # scalar


def go_on(
    running: RunningReturns, steps: Trajectories, discount: float | Array
) -> tuple[RunningReturns, EndedReturns]:
    """The returns of episodes, some of which began before these steps [T, N, ...]."""
    ends = steps.terminated | steps.truncated
    gamma = jnp.asarray(discount, steps.reward.dtype)

    def step(
        carry: RunningReturns, now: tuple[Array, Array]
    ) -> tuple[RunningReturns, tuple[Array, Array]]:
        reward, end = now
        total = carry.total + reward
        discounted = carry.discounted + carry.weight * reward
        after = RunningReturns(
            jnp.where(end, 0.0, total),
            jnp.where(end, 0.0, discounted),
            jnp.where(end, 1.0, carry.weight * gamma),
        )
        return after, (total, discounted)

    running, returns = jax.lax.scan(step, running, (steps.reward, ends))
    count = jnp.sum(ends)
    means = (jnp.sum(jnp.where(ends, each, 0.0)) / count for each in returns)
    return running, EndedReturns(*means)
