"""The likelihood ratio from episodes of another policy."""

from __future__ import annotations

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import check_choice, check_number
from upslope.core.records import Trajectories
from upslope.estimators.bias import BiasStatement
from upslope.estimators.expectation.importance_weights import (
    WEIGHTINGS,
    Weighting,
    check_weights,
    effective_sample_size,
    normalized_weights,
)
from upslope.estimators.gradient_estimator import TARGET, Estimate, GradientEstimator
from upslope.estimators.trajectory.weighted_scores import log_probs, weighted_scores
from upslope.objectives.objective import Objective, discounted_to_go
from upslope.policies.policy import Policy

OWNER = "OffPolicyLikelihoodRatio"


def log_ratios(policy: Policy, behaviour: Policy, episodes: Trajectories) -> Array:
    """log pi - log b of the actions taken, [T, N]; zero where not valid.

    An action of probability zero under pi gives -inf; one of probability zero under b +inf or NaN.
    """
    ratio = log_probs(policy, episodes) - log_probs(behaviour, episodes)
    return jax.lax.stop_gradient(ratio)


class OffPolicyLikelihoodRatio(GradientEstimator):
    r"""The gradient of an importance-weighted J, from episodes of a behaviour policy b.

    .. math:: J \approx \sum_{t,n} u_{tn} \gamma^t r_{tn}, \qquad
              \hat g = \sum_{t,n} u_{tn} \gamma^t r_{tn} \sum_{k} \nabla \log \pi(a_{kn} | s_{kn})

    u is w/N, w over its sum (:math:`\hat g` has :math:`r_{tn} - \bar r_t` then) or min(w, c)/N,
    where w is the ratio of probabilities pi/b of the whole episode (`"trajectory"`, k over all its
    steps) or of its actions up to t (`"per-decision"`, k up to t), which has the smaller variance.
    At b = pi these are REINFORCE and G(PO)MDP.

    Weights are kept as logarithms. Outside of jit an `ImportanceWeightWarning` says when they
    cannot be trusted; the effective sample size of whole episodes is part of the estimate.

    Attributes:
      behaviour: b, the policy that took the actions. It must cover pi.
      ratios: `"per-decision"` or `"trajectory"`. Static.
      weighting: `"ordinary"`, `"self-normalized"` or `"clipped"`. Static.
      clip: c, for `"clipped"`.

    Raises:
      UpslopeError: without a behaviour; when b gives an action of its own probability zero, or pi
        gives it to every episode.

    References:
      Precup, Sutton and Singh (2000), section 3; Tang and Abbeel (2010), section 3.
    """

    behaviour: Any = None
    ratios: Literal["per-decision", "trajectory"] = eqx.field(static=True, default="per-decision")
    weighting: Weighting = eqx.field(static=True, default="ordinary")
    clip: float | Array = 10.0

    def __check_init__(self) -> None:
        check_choice(OWNER, "ratios", self.ratios, ("per-decision", "trajectory"))
        check_choice(OWNER, "weighting", self.weighting, WEIGHTINGS)
        check_number(OWNER, "clip", self.clip, above=0.0)

    @property
    def requires(self) -> tuple[str, ...]:
        return ("behaviour",)

    @property
    def declaration(self) -> BiasStatement:
        if self.weighting == "ordinary":
            reason = "the behaviour covers the policy (the variance may be infinite)"
            return BiasStatement(TARGET, True, reason, "Precup, Sutton and Singh (2000), theorem 1")
        if self.weighting == "clipped":
            reason = "what the clip cuts off the weights is missing; the variance is bounded for it"
            return BiasStatement(TARGET, False, reason, "Ionides (2008)")
        reason = "a ratio of two estimates: a bias of order 1/N, which vanishes as N grows"
        return BiasStatement(TARGET, False, reason, "Precup, Sutton and Singh (2000), section 3")

    def objective_bias(self, objective: Objective) -> str:
        return ""  # rewards are discounted themselves and nothing is differential

    def log_weights(self, policy: Policy, episodes: Trajectories) -> Array:
        """log w [T, N]; constant after an episode's end, and along it for whole trajectories."""
        summed = jnp.cumsum(log_ratios(policy, self.behaviour, episodes), axis=0)
        if self.ratios == "trajectory":
            return jnp.broadcast_to(summed[-1:], summed.shape)
        return summed

    def estimate(self, policy: Policy, episodes: Trajectories, objective: Objective) -> Estimate:
        """See `GradientEstimator.estimate`. The episodes are those of the behaviour."""
        self.need("behaviour")
        n_steps = episodes.reward.shape[0]
        log_weight = self.log_weights(policy, episodes)
        check_weights(OWNER, log_weight[-1])
        gain = objective.return_weight(episodes) * jnp.where(episodes.valid, episodes.reward, 0.0)
        share = jax.vmap(lambda row: normalized_weights(row, self.weighting, self.clip))(log_weight)
        if self.weighting == "self-normalized":
            gain = gain - jnp.sum(jnp.where(share > 0, share * gain, 0.0), axis=1, keepdims=True)
        # No weight, no gain: zero, even where the other factor is infinite.
        worth = jnp.where((share > 0) & (gain != 0), share * gain, 0.0)
        worth = worth * objective.step_weights(n_steps)[0]
        if self.ratios == "trajectory":
            weight = jnp.broadcast_to(jnp.sum(worth, axis=0, keepdims=True), worth.shape)
        else:
            weight = discounted_to_go(worth, 1.0)
        estimate = weighted_scores(policy, episodes, weight, weight * weight.shape[1])
        return estimate._replace(effective_sample_size=effective_sample_size(log_weight[-1]))
