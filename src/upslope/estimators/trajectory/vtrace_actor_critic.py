"""The actor-critic gradient of another policy's trajectories, corrected by V-trace."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array

from upslope.core.checks import check_number
from upslope.core.records import Trajectories
from upslope.estimators.bias import BiasStatement
from upslope.estimators.expectation.importance_weights import effective_sample_size
from upslope.estimators.gradient_estimator import TARGET, Estimate, GradientEstimator
from upslope.estimators.trajectory.bootstrapped_returns import vtrace
from upslope.estimators.trajectory.critics import values_along
from upslope.estimators.trajectory.off_policy import log_ratios
from upslope.estimators.trajectory.weighted_scores import weighted_scores
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy

OWNER = "VTraceGradient"


class VTraceGradient(GradientEstimator):
    r"""The policy gradient of IMPALA.

    .. math:: \hat g = \frac1N \sum_{n,t} \gamma^t \bar\rho_t (r_t + \gamma v_{t+1} - V(s_t))
              \nabla \log \pi(a_t \mid s_t)

    **Biased**: the states are those the behaviour visits, and ratios are clipped. On policy, with
    lambda = 1, it is the advantage of the return as far as it was seen.

    Attributes:
      critic: V, any callable of an observation (and of the time, see `TimeTableCritic`).
      behaviour: the policy that took the actions.
      gae_lambda: lambda in [0, 1].
      rho_clip, c_clip: where ratios are clipped, in the advantage and in the trace.

    Raises:
      UpslopeError: without a critic or without a behaviour.

    References:
      Espeholt et al. (2018), section 4.2; Imani et al. (2018) for what the visits cost.
    """

    critic: Any = None
    behaviour: Any = None
    gae_lambda: float | Array = 1.0
    rho_clip: float | Array = 1.0
    c_clip: float | Array = 1.0

    def __check_init__(self) -> None:
        check_number(OWNER, "gae_lambda", self.gae_lambda, at_least=0.0, at_most=1.0)
        check_number(OWNER, "rho_clip", self.rho_clip, above=0.0)
        check_number(OWNER, "c_clip", self.c_clip, above=0.0)

    @property
    def requires(self) -> tuple[str, ...]:
        return ("critic", "behaviour")

    @property
    def declaration(self) -> BiasStatement:
        reason = "states are weighed as the behaviour visits them, and ratios are clipped"
        return BiasStatement(TARGET, False, reason, "Espeholt et al. (2018), section 4.2")

    def estimate(self, policy: Policy, episodes: Trajectories, objective: Objective) -> Estimate:
        """See `GradientEstimator.estimate`. The episodes are those of the behaviour."""
        self.need("critic", "behaviour")
        valid = episodes.valid
        log_ratio = log_ratios(policy, self.behaviour, episodes)
        value, next_value = values_along(self.critic, policy, episodes)
        ended = episodes.terminated | episodes.truncated
        reward = episodes.reward
        if objective.differential:
            reward = reward - objective.average(episodes)
        corrected = vtrace(
            log_ratio,
            jnp.where(valid, reward, 0.0),
            jnp.where(valid, value, 0.0),
            jnp.where(valid, next_value, 0.0),
            episodes.terminated if objective.bootstrap_on_truncation else ended,
            ended | ~valid,
            objective.step_discount(episodes),
            self.gae_lambda,
            self.rho_clip,
            self.c_clip,
        )
        advantage = jnp.where(valid, corrected.advantage, 0.0)
        weight = objective.step_weight(episodes) * advantage / reward.shape[1]
        estimate = weighted_scores(policy, episodes, weight, advantage)
        whole = jnp.sum(log_ratio, axis=0)
        return estimate._replace(effective_sample_size=effective_sample_size(whole))
