"""A baseline that sees the action, with the correction that this costs."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from upslope.core.records import Trajectories
from upslope.estimators.bias import BiasStatement
from upslope.estimators.gradient_estimator import TARGET, Estimate, GradientEstimator
from upslope.estimators.trajectory.critics import action_values_along, taken
from upslope.estimators.trajectory.weighted_scores import weighted_scores
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy


class ActionDependentBaseline(GradientEstimator):
    r"""The likelihood ratio with a state-action-dependent baseline, and its mean added back.

    .. math:: \hat g = \frac1N \sum_{n,t} \gamma^t \Big[ (G_{tn} - b(s_{tn}, a_{tn}))
              \nabla \log \pi(a_{tn} \mid s_{tn}) + \sum_a \nabla \pi(a | s_{tn}) b(s_{tn}, a) \Big]

    Unbiased for every b that does not know these episodes, for discrete actions 0..A-1: the sum is
    the mean of what was subtracted. With b = 0 it is G(PO)MDP, with b = Q its noise is that of what
    comes after the action alone.

    Attributes:
      action_critic: b, any callable from an observation to [A] (and of the time, see
        `TimeTableCritic`).

    Raises:
      UpslopeError: without a critic.

    References:
      Gu et al. (2017), "Q-Prop", equation 7; Liu et al. (2018), equation 6;
      Tucker et al. (2018), "The mirage of action-dependent baselines".
    """

    action_critic: Any = None

    @property
    def requires(self) -> tuple[str, ...]:
        return ("action_critic",)

    @property
    def declaration(self) -> BiasStatement:
        reason = "what the baseline takes away in the mean is added back, summed over all actions"
        return BiasStatement(TARGET, True, reason, "Gu et al. (2017), equation 7")

    def estimate(self, policy: Policy, episodes: Trajectories, objective: Objective) -> Estimate:
        """See `GradientEstimator.estimate`."""
        self.need("action_critic")
        baseline = action_values_along(self.action_critic, policy, episodes)
        credit = objective.credit(episodes, "reward-to-go")
        advantage = credit - taken(baseline, episodes)
        advantage = jnp.where(episodes.valid, advantage, 0.0)
        weight = objective.step_weight(episodes) / credit.shape[1]
        return weighted_scores(
            policy, episodes, weight * advantage, advantage, weight[..., None] * baseline
        )
