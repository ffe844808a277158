"""The policy gradient from whole episodes: REINFORCE and G(PO)MDP."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import check_choice
from upslope.estimators.baselines import Baseline, LeaveOneOut
from upslope.estimators.blockwise import blockwise_sum
from upslope.estimators.gradient_estimator import Estimate, GradientEstimator
from upslope.estimators.score_function import surrogate
from upslope.objectives.objective import Credit, Objective
from upslope.policies.policy import Policy
from upslope.policies.replay import along
from upslope.sampling.records import Trajectories


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

    References:
      Williams (1992), theorem 1; Baxter and Bartlett (2001); Sutton and Barto (2018), section 13.4.
    """

    baseline: Baseline = eqx.field(default_factory=LeaveOneOut)
    credit: Credit = eqx.field(static=True, default="reward-to-go")
    standardize: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        check_choice("LikelihoodRatio", "credit", self.credit, ("return", "reward-to-go"))

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
    ) -> Estimate:
        """See `GradientEstimator.estimate`.

        Args:
          values: [T, N], the learned V(s_t) of a `ValueBaseline`; else None.
        """
        advantage = self.advantages(episodes, objective, values)
        num_episodes = advantage.shape[1]
        weight = objective.step_weight(episodes) * advantage / num_episodes
        if policy.has_memory:
            gradient, entropy = whole_gradient(policy, episodes, weight)
        else:
            gradient, entropy = rowwise_gradient(policy, episodes, weight)
        steps = jnp.maximum(jnp.sum(episodes.valid), 1)
        return Estimate(gradient, entropy / steps, spread(advantage, episodes.valid))


def spread(advantage: Array, valid: Array) -> Array:
    """The standard deviation of the advantages over the valid steps, a scalar."""
    steps = jnp.maximum(jnp.sum(valid), 1)
    mean = jnp.sum(jnp.where(valid, advantage, 0.0)) / steps
    return jnp.sqrt(jnp.sum(jnp.where(valid, jnp.square(advantage - mean), 0.0)) / steps)


def whole_gradient(policy: Policy, episodes: Trajectories, weight: Array) -> tuple[Policy, Array]:
    r""":math:`\sum_{tn} w_{tn} \nabla \log \pi(a_{tn})` and the summed entropy, in one pass.

    Works for every policy, those with memory too (the gradient flows through the memory); its
    cost follows the padded length of the batch.
    """

    def objective(policy: Policy) -> tuple[Array, Array]:
        ended = episodes.terminated | episodes.truncated
        distribution, _ = along(policy, episodes.observation, ended, episodes.memory)
        log_prob = jax.vmap(jax.vmap(lambda d, a: d.log_prob(a)))(distribution, episodes.action)
        entropy = jax.vmap(jax.vmap(lambda d: d.entropy()))(distribution)
        seen = jnp.sum(jnp.where(episodes.valid, entropy, 0.0))
        return surrogate(log_prob, jnp.where(episodes.valid, weight, 0.0)), seen

    return jax.grad(objective, has_aux=True)(policy)


def rowwise_gradient(policy: Policy, episodes: Trajectories, weight: Array) -> tuple[Policy, Array]:
    """The same sums for a memoryless policy, at a cost that follows the steps really taken."""
    rows = jax.tree.map(
        lambda leaf: leaf.reshape(-1, *leaf.shape[2:]),
        (episodes.observation, episodes.action, weight),
    )

    def block(rows: Any, valid: Array) -> tuple[Policy, Array]:
        observation, action, weight = rows

        def objective(policy: Policy) -> tuple[Array, Array]:
            distribution = jax.vmap(policy)(observation)
            log_prob = jax.vmap(lambda d, a: d.log_prob(a))(distribution, action)
            entropy = jax.vmap(lambda d: d.entropy())(distribution)
            seen = jnp.sum(jnp.where(valid, entropy, 0.0))
            return surrogate(log_prob, jnp.where(valid, weight, 0.0)), seen

        return jax.grad(objective, has_aux=True)(policy)

    return blockwise_sum(block, rows, episodes.valid.reshape(-1))
