"""Rewards divided by the running spread of the discounted return."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.moments import Moments


class RewardScale(eqx.Module):
    r"""Keeps value targets near unit scale, whatever the units of the reward.

    .. math:: g_t = \gamma g_{t-1} + r_t \ (\text{0 after an end}), \qquad
              r_t \leftarrow \operatorname{clip}(r_t / \operatorname{std}(g), \pm 10)

    The mean is not subtracted: that would change which policy is best.

    Attributes:
      moments: of g over all steps seen.
      running: g of every stream, [N].

    References:
      Engstrom et al. (2020), "Implementation Matters in Deep Policy Gradients", section 2.
    """

    moments: Moments
    running: Array

    @classmethod
    def start(cls, n_envs: int) -> RewardScale:
        """Before any reward has been seen."""
        return cls(Moments.zeros(()), jnp.zeros(n_envs))

    def __call__(
        self, reward: Array, ended: Array, valid: Array, discount: float | Array
    ) -> tuple[Array, RewardScale]:
        """The scaled rewards [T, N] and the scale with them counted."""

        def step(running: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
            reward, ended = now
            total = discount * running + reward
            return jnp.where(ended, 0.0, total), total

        running, totals = jax.lax.scan(step, self.running, (reward, ended))
        moments = self.moments.merge(Moments.of(totals, valid))
        scaled = jnp.clip(reward * jax.lax.rsqrt(moments.variance + 1e-8), -10.0, 10.0)
        return scaled, RewardScale(moments, running)
