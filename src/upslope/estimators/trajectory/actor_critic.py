"""The policy gradient theorem with a sampled advantage: TD error, n-step, lambda-return."""

from __future__ import annotations

import abc
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import check_number
from upslope.core.records import Trajectories
from upslope.estimators.bias import BiasStatement
from upslope.estimators.gradient_estimator import TARGET, Estimate, GradientEstimator
from upslope.estimators.trajectory.advantages import generalized_advantages
from upslope.estimators.trajectory.bootstrapped_returns import n_step_returns
from upslope.estimators.trajectory.critics import is_exact, values_along
from upslope.estimators.trajectory.weighted_scores import weighted_scores
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy

EXACT = "the critic is the true V of the policy (of the steps left, where J counts few of them)"
WRONG = "the critic is not known to be the true V: as wrong as what is bootstrapped from it"


class Evaluated(NamedTuple):
    """Trajectories with their values, as returns are made of them; all [T, N]."""

    reward: Array
    value: Array  # V(s_t)
    next_value: Array  # V(s_{t+1}) of the true successor
    terminated: Array  # nothing is bootstrapped after this step
    ended: Array  # nothing of later steps belongs to this one


class CriticGradient(GradientEstimator):
    r"""Score times an advantage made with a critic.

    .. math:: \hat g = \frac1N \sum_{n,t} \gamma^t \hat A_{tn} \nabla \log \pi(a_{tn} \mid s_{tn})

    A truncated step bootstraps from its true successor, unless the objective counts nothing after
    it. J counts what was sampled: after a truncation at T the terms of order gamma^T are missing.

    Attributes:
      critic: V, any callable of an observation (and of the time, see `TimeTableCritic`).
      average_reward: what rewards are measured against under an average-reward objective; None to
        measure it on the batch (a bias of order one over its size).

    Raises:
      UpslopeError: without a critic.

    References:
      Sutton et al. (2000), theorem 1; Schulman et al. (2016), section 2.
    """

    critic: Any = None
    average_reward: float | Array | None = None

    @abc.abstractmethod
    def advantages(self, steps: Evaluated, discount: float | Array) -> Array:
        """A_t of every step, [T, N]; the discount is a number or one per step [T, N]."""

    @property
    def requires(self) -> tuple[str, ...]:
        return ("critic",)

    @property
    def declaration(self) -> BiasStatement:
        exact = is_exact(self.critic)
        return BiasStatement(TARGET, exact, EXACT if exact else WRONG, "Sutton et al. (2000)")

    def objective_bias(self, objective: Objective) -> str:
        if objective.differential and self.average_reward is not None:
            return "episodes must start from the stationary distribution, which is not known here"
        return super().objective_bias(objective)

    def estimate(self, policy: Policy, episodes: Trajectories, objective: Objective) -> Estimate:
        """See `GradientEstimator.estimate`."""
        self.need("critic")
        value, next_value = values_along(self.critic, policy, episodes)
        ended = episodes.terminated | episodes.truncated
        terminated = episodes.terminated if objective.bootstrap_on_truncation else ended
        reward = episodes.reward
        if objective.differential:
            average = self.average_reward
            reward = reward - (objective.average(episodes) if average is None else average)
        valid = episodes.valid
        reward, value, next_value = (
            jnp.where(valid, leaf, 0.0) for leaf in (reward, value, next_value)
        )
        steps = Evaluated(reward, value, next_value, terminated, ended | ~valid)
        advantage = jnp.where(valid, self.advantages(steps, objective.step_discount(episodes)), 0.0)
        weight = objective.step_weight(episodes) * advantage / reward.shape[1]
        return weighted_scores(policy, episodes, weight, advantage)


class TDError(CriticGradient):
    r"""The one-step actor-critic: the advantage is the TD error.

    .. math:: \hat A_t = r_t + \gamma V(s_{t+1}) - V(s_t)

    Unbiased with the true V, and of small variance; with any other as biased as V is.

    References:
      Sutton and Barto (2018), section 13.5; Bhatnagar et al. (2009), lemma 3.
    """

    def advantages(self, steps: Evaluated, discount: float | Array) -> Array:
        following = jnp.where(steps.terminated, 0.0, steps.next_value)
        return steps.reward + discount * following - steps.value


class NStep(CriticGradient):
    r"""n rewards, then the critic.

    .. math:: \hat A_t = \sum_{k<n} \gamma^k r_{t+k} + \gamma^n V(s_{t+n}) - V(s_t)

    Attributes:
      n_steps: n. Static.

    References:
      Mnih et al. (2016), section 4.
    """

    n_steps: int = eqx.field(static=True, default=5)

    def __check_init__(self) -> None:
        check_number("NStep", "n_steps", self.n_steps, at_least=1, integer=True)

    def advantages(self, steps: Evaluated, discount: float | Array) -> Array:
        returns = n_step_returns(
            steps.reward, steps.next_value, steps.terminated, steps.ended, discount, self.n_steps
        )
        return returns - steps.value


class GeneralizedAdvantage(CriticGradient):
    r"""The exponentially weighted mean of all n-step advantages.

    .. math:: \hat A_t = \sum_k (\gamma\lambda)^k \delta_{t+k}

    lambda = 1 is unbiased with any critic fitted before these actions were drawn, wherever nothing
    is bootstrapped at the end of a trajectory.

    Attributes:
      gae_lambda: lambda in [0, 1].

    References:
      Schulman et al. (2016), equation 16.
    """

    gae_lambda: float | Array = 0.95

    def __check_init__(self) -> None:
        check_number("GeneralizedAdvantage", "gae_lambda", self.gae_lambda, at_least=0, at_most=1)

    def advantages(self, steps: Evaluated, discount: float | Array) -> Array:
        return generalized_advantages(*steps, discount, self.gae_lambda)

    def declaration_for(self, objective: Objective) -> BiasStatement:
        if not objective.bootstrap_on_truncation and float(self.gae_lambda) == 1.0:
            reason = "lambda = 1 and nothing bootstrapped: the critic is only a baseline"
            return BiasStatement(TARGET, True, reason, "Schulman et al. (2016), section 3")
        return super().declaration_for(objective)
