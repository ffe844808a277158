"""GPOMDP: a biased gradient of the average reward from one long stream, in constant memory."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import UpslopeError, check_number
from upslope.core.records import Trajectories
from upslope.core.tree import ravel_parameters
from upslope.estimators.bias import BiasStatement
from upslope.estimators.gradient_estimator import Estimate, GradientEstimator
from upslope.estimators.trajectory.weighted_scores import weighted_scores
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy

P = TypeVar("P")


class GPOMDP(GradientEstimator):
    r"""The average reward's gradient from streams, by an eligibility trace of scores.

    .. math:: z_t = \beta z_{t-1} + \nabla \log \pi(a_t \mid s_t), \qquad
              \hat g = \frac1T \sum_t r_t z_t

    Consistent for grad_beta, the gradient with a Q discounted by beta in place of the differential
    one, and **biased by design** for the gradient of the average reward; the bias goes to zero as
    beta -> 1, and the variance up. The trace starts anew where an episode ends. Where a stream
    begins outside the stationary distribution there is a bias of order 1/T besides.

    Attributes:
      beta: in [0, 1).

    Raises:
      UpslopeError: for an environment with a discount of its own.

    References:
      Baxter and Bartlett (2001), algorithm 1 and theorem 4.
    """

    beta: float | Array = 0.9

    def __check_init__(self) -> None:
        check_number("GPOMDP", "beta", self.beta, at_least=0.0, below=1.0)

    @property
    def declaration(self) -> BiasStatement:
        reason = (
            f"beta = {float(self.beta):g} in place of 1: it estimates grad_beta, from one stream"
        )
        return BiasStatement(
            "grad J of the average reward", False, reason, "Baxter and Bartlett (2001), theorem 2"
        )

    def objective_bias(self, objective: Objective) -> str:
        return ""  # the objective is not asked: this estimator has one of its own

    def estimate(self, policy: Policy, episodes: Trajectories, objective: Objective) -> Estimate:
        """The estimate from streams [T, N], each weighed by its length; the objective is not
        asked. The gradient of `GPOMDPStream` written as rewards to go, which is the same sum."""
        if episodes.discount is not None:
            raise UpslopeError(
                "GPOMDP got trajectories of an environment with a discount of its own, and the "
                "average reward has none: use LikelihoodRatio under a discounted objective."
            )
        reward = jnp.where(episodes.valid, episodes.reward, 0.0)
        ended = episodes.terminated | episodes.truncated
        decay = self.beta * jnp.where(ended, 0.0, jnp.ones_like(reward))

        def back(later: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
            reward, decay = now
            total = reward + decay * later
            return total, total

        credit = jax.lax.scan(back, jnp.zeros_like(reward[0]), (reward, decay), reverse=True)[1]
        steps = jnp.maximum(jnp.sum(episodes.valid), 1)
        return weighted_scores(policy, episodes, credit / steps, credit)


class GPOMDPStream(NamedTuple):
    """The running estimate of one stream: as much memory as the policy, however long it runs."""

    trace: Array  # z [D]
    gradient: Array  # the estimate so far [D], over `ravel_parameters`
    steps: Array  # scalar: t

    @classmethod
    def start(cls, policy: Policy) -> GPOMDPStream:
        """Before the first step."""
        zero = jnp.zeros_like(ravel_parameters(policy)[0])
        return cls(zero, zero, jnp.zeros((), zero.dtype))

    def follow(
        self,
        policy: Policy,
        observation: Array,
        action: Array,
        reward: Array,
        ended: Array | bool = False,
        beta: float | Array = 0.9,
    ) -> GPOMDPStream:
        r"""After one more step of a memoryless policy.

        .. math:: z \leftarrow \beta z + \nabla \log \pi(a \mid s), \qquad
                  \Delta \leftarrow \Delta + \frac1{t+1} (r z - \Delta)

        References:
          Baxter and Bartlett (2001), algorithm 1.
        """
        score = jax.grad(lambda policy: policy(observation).log_prob(action))(policy)
        trace = beta * self.trace + ravel_parameters(score)[0]
        steps = self.steps + 1
        gradient = self.gradient + (reward * trace - self.gradient) / steps
        return GPOMDPStream(jnp.where(ended, 0.0, trace), gradient, steps)
