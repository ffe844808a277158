"""Rewards divided by the running spread of the discounted return."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.moments import Moments


class RewardScale(eqx.Module):
    r"""Keeps value targets near unit scale, whatever the units of the reward.

    .. math:: g_t = \gamma d_{t-1} g_{t-1} + r_t \ (\text{0 after an end}), \qquad
              r_t \leftarrow \operatorname{clip}(r_t / \operatorname{std}(g), \pm 10)

    d is the environment's own discount, 1 where it has none. The mean is not subtracted: that would
    change which policy is best.

    Attributes:
      moments: of g over all steps seen.
      running: gamma g of every stream, what the next reward is added to, [N].

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
        self,
        reward: Array,
        ended: Array,
        valid: Array,
        discount: float | Array,
        restarted: Array | None = None,
    ) -> tuple[Array, RewardScale]:
        """The scaled rewards [T, N] and the scale with them counted.

        Args:
          reward: [T, N].
          ended: booleans [T, N].
          valid: booleans [T, N].
          discount: of the return after each step, a number or [T, N].
          restarted: booleans [N], streams that began anew: their g begins at 0.
        """

        def step(running: Array, now: tuple[Array, Array, Array]) -> tuple[Array, Array]:
            reward, ended, discount = now
            total = running + reward
            return jnp.where(ended, 0.0, discount * total), total

        start = self.running
        if restarted is not None:
            start = jnp.where(restarted, 0.0, start)
        discount = jnp.broadcast_to(jnp.asarray(discount, reward.dtype), reward.shape)
        running, totals = jax.lax.scan(step, start, (reward, ended, discount))
        moments = self.moments.merge(Moments.of(totals, valid))
        scaled = jnp.clip(reward * jax.lax.rsqrt(moments.variance + 1e-8), -10.0, 10.0)
        return scaled, RewardScale(moments, running)
