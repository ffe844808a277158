"""DiCE on trajectories: one surrogate for the gradient, the Hessian and beyond."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.records import Trajectories
from upslope.estimators.bias import BiasStatement
from upslope.estimators.expectation.dice import dice_return, magic_box
from upslope.estimators.gradient_estimator import TARGET, Estimate, GradientEstimator
from upslope.estimators.trajectory.baselines import Baseline, NoBaseline
from upslope.estimators.trajectory.weighted_scores import log_probs, mean_entropy, spread
from upslope.objectives.objective import Objective, discounted_to_go
from upslope.policies.policy import Policy


class TrajectoryDiCE(GradientEstimator):
    r"""A surrogate of J whose derivatives of every order estimate those of J.

    .. math:: \frac1N \sum_{n,t} \gamma^t \Big[ \square\Big(\sum_{k \le t} \ell_{kn}\Big) r_{tn}
              + (1 - \square(\ell_{tn})) b_{tn} \Big], \qquad \ell = \log \pi_\theta(a \mid s)

    Unbiased in every order as long as b does not depend on the action it is subtracted for. The
    usual surrogate, credit times log pi, is right in the first order alone. The first derivative is
    that of G(PO)MDP.

    Attributes:
      baseline: b, of the rewards to go; one that learns nothing.

    References:
      Foerster et al. (2018), theorem 1 and section 4.3; Mao et al. (2019) for baselines.
    """

    baseline: Baseline = eqx.field(default_factory=NoBaseline)

    @property
    def declaration(self) -> BiasStatement:
        own = self.baseline.declaration
        return (
            own if not own.unbiased else own._replace(estimand=f"{TARGET} and of its derivatives")
        )

    def objective_bias(self, objective: Objective) -> str:
        return ""  # rewards are discounted themselves and nothing is differential

    def surrogate(self, policy: Policy, episodes: Trajectories, objective: Objective) -> Array:
        """The scalar to differentiate with respect to the policy, as often as wanted. Its value is
        the mean return of the episodes (over the steps of the batch, for average objectives)."""
        reward = jnp.where(episodes.valid, episodes.reward, 0.0)
        n_steps, n_episodes = reward.shape
        log_prob = log_probs(policy, episodes)
        total = dice_return(log_prob, reward, objective.step_discount(episodes))
        if not isinstance(self.baseline, NoBaseline):
            b = self.baseline(self.credit(episodes, objective), episodes.valid, None)
            b = jnp.where(episodes.valid, jax.lax.stop_gradient(b), 0.0)
            boxed = objective.return_weight(episodes) * (1.0 - magic_box(log_prob)) * b
            total = total + jnp.sum(boxed) / n_episodes
        return total * objective.step_weights(n_steps)[0]

    def estimate(self, policy: Policy, episodes: Trajectories, objective: Objective) -> Estimate:
        """See `GradientEstimator.estimate`."""
        gradient = jax.grad(self.surrogate)(policy, episodes, objective)
        deviation = spread(self.credit(episodes, objective), episodes.valid)
        return Estimate(gradient, mean_entropy(policy, episodes), deviation)

    def credit(self, episodes: Trajectories, objective: Objective) -> Array:
        """The reward to go of every step, [T, N], not differential."""
        reward = jnp.where(episodes.valid, episodes.reward, 0.0)
        return discounted_to_go(reward, objective.step_discount(episodes))
