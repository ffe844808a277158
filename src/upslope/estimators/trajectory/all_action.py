"""The policy gradient theorem with the sum over the actions done exactly."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from upslope.core.records import Trajectories
from upslope.estimators.bias import BiasStatement
from upslope.estimators.gradient_estimator import TARGET, Estimate, GradientEstimator
from upslope.estimators.trajectory.critics import action_values_along, is_exact, taken
from upslope.estimators.trajectory.weighted_scores import weighted_scores
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy


class AllAction(GradientEstimator):
    r"""The expected policy gradient: no noise of the action drawn is left in a visited state.

    .. math:: \hat g = \frac1N \sum_{n,t} \gamma^t \sum_a \nabla \pi(a \mid s_{tn}) Q(s_{tn}, a)

    Unbiased with the true Q, for discrete actions 0..A-1. J counts what was sampled, as for
    `CriticGradient`. A baseline would change nothing, because the probabilities' gradients sum to
    zero.

    Attributes:
      action_critic: Q, any callable from an observation to [A] (and of the time, see
        `TimeTableCritic`).

    Raises:
      UpslopeError: without a critic.

    References:
      Sutton and Barto (2018), equation 13.7 ("all-actions method"); Ciosek and Whiteson (2018).
    """

    action_critic: Any = None

    @property
    def requires(self) -> tuple[str, ...]:
        return ("action_critic",)

    @property
    def declaration(self) -> BiasStatement:
        exact = is_exact(self.action_critic)
        reason = (
            "the critic is the true Q of the policy"
            if exact
            else "the critic is not known to be the true Q"
        )
        return BiasStatement(TARGET, exact, reason, "Sutton and Barto (2018), equation 13.7")

    def objective_bias(self, objective: Objective) -> str:
        bias = super().objective_bias(objective)
        if bias and objective.differential:
            return "episodes must start from the stationary distribution, which is not known here"
        return bias

    def estimate(self, policy: Policy, episodes: Trajectories, objective: Objective) -> Estimate:
        """See `GradientEstimator.estimate`. `advantage_std` is that of the Q of actions taken."""
        self.need("action_critic")
        value = action_values_along(self.action_critic, policy, episodes)
        weight = objective.step_weight(episodes) / value.shape[1]
        return weighted_scores(
            policy,
            episodes,
            jnp.zeros_like(episodes.reward),
            taken(value, episodes),
            weight[..., None] * value,
        )
