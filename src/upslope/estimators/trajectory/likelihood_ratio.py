"""The policy gradient from whole episodes: REINFORCE and G(PO)MDP."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import check_choice
from upslope.core.records import Trajectories
from upslope.estimators.bias import BiasStatement
from upslope.estimators.gradient_estimator import TARGET, Estimate, GradientEstimator, centring
from upslope.estimators.trajectory.baselines import Baseline, LeaveOneOut
from upslope.estimators.trajectory.critics import values_along
from upslope.estimators.trajectory.weighted_scores import spread, weighted_scores
from upslope.objectives.objective import Credit, Objective
from upslope.policies.policy import Policy


class LikelihoodRatio(GradientEstimator):
    r"""Score-function estimate of the policy gradient from whole episodes.

    .. math:: \hat g = \frac1N \sum_{n,t} \gamma^t (G_{tn} - b_{tn})
                       \nabla_\theta \log\pi_\theta(a_{tn} \mid s_{tn})

    Unbiased for grad J when the objective keeps its step weights, b does not depend on a_tn and
    nothing is standardised. The divisor is the number of episodes, never of steps.

    Attributes:
      baseline: b.
      credit: `"reward-to-go"` (G(PO)MDP: rewards before the action are left out) or `"return"`
        (REINFORCE as first published). Both are unbiased; the first has the smaller variance.
      standardize: divide the advantages by their standard deviation over the batch. **Biased**
        (the divisor depends on the actions), but makes the step size insensitive to the scale of
        rewards.
      critic: V for a `ValueBaseline`, where its values are not handed to `estimate`.

    Raises:
      UpslopeError: a learned baseline with neither critic nor values.

    References:
      Williams (1992), theorem 1; Baxter and Bartlett (2001); Sutton and Barto (2018), section 13.4.
    """

    baseline: Baseline = eqx.field(default_factory=LeaveOneOut)
    credit: Credit = eqx.field(static=True, default="reward-to-go")
    standardize: bool = eqx.field(static=True, default=False)
    critic: Any = None

    def __check_init__(self) -> None:
        check_choice("LikelihoodRatio", "credit", self.credit, ("return", "reward-to-go"))

    @property
    def requires(self) -> tuple[str, ...]:
        """ "critic" with a learned baseline."""
        return ("critic",) if self.baseline.learned else ()

    @property
    def declaration(self) -> BiasStatement:
        baseline = self.baseline.declaration
        if self.standardize:
            reason = "advantages are divided by their own spread: grad J times a random number"
            return BiasStatement(TARGET, False, reason)
        if not baseline.unbiased:
            return baseline
        if self.credit == "return":
            source = "Williams (1992), theorem 1"
        else:
            source = "Baxter and Bartlett (2001); Sutton and Barto (2018), section 13.4"
        return baseline._replace(reference=baseline.reference or source)

    def objective_bias(self, objective: Objective) -> str:
        # A whole return is discounted from the start: without step weights it needs none.
        if self.credit == "return":
            return centring(objective)
        return super().objective_bias(objective)

    def advantages(
        self, episodes: Trajectories, objective: Objective, values: Array | None
    ) -> Array:
        """G - b (standardised if asked for), zero after an episode's end, [T, N]."""
        credit = objective.credit(episodes, self.credit)
        advantage = jnp.where(
            episodes.valid, credit - self.baseline(credit, episodes.valid, values), 0.0
        )
        if self.standardize:
            deviation = spread(advantage, episodes.valid)
            # Equal credits say nothing: their rounding errors are not blown up to unit scale.
            largest = jnp.max(jnp.where(episodes.valid, jnp.abs(credit), 0.0))
            known = deviation > 100 * jnp.finfo(deviation.dtype).eps * largest
            advantage = jnp.where(known, advantage / (deviation + 1e-8), 0.0)
        return advantage

    def estimate(
        self,
        policy: Policy,
        episodes: Trajectories,
        objective: Objective,
        values: Array | None = None,
        *,
        half_batch_gradients: bool = False,
    ) -> Estimate:
        """See `GradientEstimator.estimate`.

        Args:
          values: [T, N], the learned V(s_t) of a `ValueBaseline`; None to ask the critic for them.
          half_batch_gradients: also the gradients from each half of the episodes (an even number
            of them), with the baselines of the whole batch.
        """
        if self.baseline.learned and values is None:
            self.need("critic")
            values, _ = values_along(self.critic, policy, episodes)
        advantage = self.advantages(episodes, objective, values)
        weight = objective.step_weight(episodes) * advantage / advantage.shape[1]
        return weighted_scores(
            policy, episodes, weight, advantage, half_batch_gradients=half_batch_gradients
        )
