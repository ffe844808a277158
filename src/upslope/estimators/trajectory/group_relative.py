"""Advantages relative to a group of episodes: RLOO and GRPO."""

from __future__ import annotations

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import check_choice
from upslope.core.records import Trajectories
from upslope.estimators.bias import BiasStatement
from upslope.estimators.gradient_estimator import TARGET, Estimate, GradientEstimator
from upslope.estimators.trajectory.weighted_scores import weighted_scores
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy

Relative = Literal["leave-one-out", "mean", "standardized"]
RELATIVES = ("leave-one-out", "mean", "standardized")


def group_advantages(returns: Array, relative: Relative = "leave-one-out") -> Array:
    r"""What each return is worth beside the others of its group.

    .. math:: \frac{K}{K-1} (R_i - \bar R) = R_i - \frac1{K-1} \sum_{j \ne i} R_j, \qquad
              R_i - \bar R, \qquad \frac{R_i - \bar R}{\operatorname{std}(R)}

    Equal returns give zero, in every form: rounding errors are not blown up to unit scale.

    Args:
      returns: [..., K], groups along the last axis.
      relative: `"leave-one-out"` (RLOO), `"mean"` or `"standardized"` (GRPO; the standard deviation
        has the divisor K).

    References:
      Kool, van Hoof and Welling (2019); Ahmadian et al. (2024), equation 8; Shao et al. (2024).
    """
    check_choice("group_advantages", "relative", relative, RELATIVES)
    size = returns.shape[-1]
    centred = returns - jnp.mean(returns, axis=-1, keepdims=True)
    if relative == "mean":
        return centred
    if relative == "leave-one-out":
        return centred * (size / max(size - 1, 1))
    deviation = jnp.sqrt(jnp.mean(jnp.square(centred), axis=-1, keepdims=True))
    largest = jnp.max(jnp.abs(returns), axis=-1, keepdims=True)
    known = deviation > 100 * jnp.finfo(returns.dtype).eps * largest
    return jnp.where(known, centred / jnp.where(known, deviation, 1.0), 0.0)


class GroupRelative(GradientEstimator):
    r"""The likelihood ratio of whole episodes, each measured against the others of the batch.

    .. math:: \hat g = \frac1N \sum_n A_n \sum_t \nabla \log \pi(a_{tn} \mid s_{tn})

    Every step of an episode gets the advantage of its return; no critic is needed.

    Attributes:
      relative: `"leave-one-out"` (RLOO): unbiased. `"mean"`: too short by 1 - 1/N. `"standardized"`
        (the advantage of GRPO): **biased**, divided by a number that depends on the actions.
        Static.

    References:
      Ahmadian et al. (2024), equation 8; Shao et al. (2024), "DeepSeekMath", section 4.1.
    """

    relative: Relative = eqx.field(static=True, default="leave-one-out")

    def __check_init__(self) -> None:
        check_choice("GroupRelative", "relative", self.relative, RELATIVES)

    @property
    def declaration(self) -> BiasStatement:
        if self.relative == "leave-one-out":
            reason = "an episode's baseline is made of the other, independent episodes"
            return BiasStatement(TARGET, True, reason, "Ahmadian et al. (2024), equation 8")
        if self.relative == "mean":
            reason = "each return is part of its own baseline: too short by a factor 1 - 1/N"
            return BiasStatement(TARGET, False, reason, "Kool, van Hoof and Welling (2019)")
        reason = "returns are divided by their own spread: grad J times a random number"
        return BiasStatement(TARGET, False, reason, "Shao et al. (2024), section 4.1")

    def objective_bias(self, objective: Objective) -> str:
        return ""  # rewards are discounted themselves and nothing is centred

    def estimate(self, policy: Policy, episodes: Trajectories, objective: Objective) -> Estimate:
        """See `GradientEstimator.estimate`."""
        reward = jnp.where(episodes.valid, episodes.reward, 0.0)
        n_steps, n_episodes = reward.shape
        scale = objective.step_weights(n_steps)[0]
        returns = scale * jnp.sum(objective.return_weight(episodes) * reward, axis=0)
        advantage = jnp.broadcast_to(group_advantages(returns, self.relative)[None], reward.shape)
        return weighted_scores(policy, episodes, advantage / n_episodes, advantage)
