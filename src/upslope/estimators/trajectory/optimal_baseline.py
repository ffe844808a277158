"""The likelihood ratio with the baseline of least variance, for every parameter its own."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import UpslopeError, check_choice
from upslope.core.records import Trajectories
from upslope.core.tree import ravel_parameters
from upslope.estimators.bias import BiasStatement
from upslope.estimators.expectation.control_variates import (
    OptimalControlVariate,
    PlugInOptimalControlVariate,
)
from upslope.estimators.gradient_estimator import (
    TARGET,
    Estimate,
    GradientEstimator,
    lost_weights,
)
from upslope.estimators.population.population_estimator import zero_non_trainable
from upslope.estimators.trajectory.weighted_scores import (
    log_probs,
    mean_entropy,
    spread,
    without_extras,
)
from upslope.objectives.objective import Credit, Objective
from upslope.policies.policy import Policy

REFERENCE = "Deisenroth, Neumann and Peters (2013), section 2.4"


class OptimalBaselineLikelihoodRatio(GradientEstimator):
    r"""The likelihood ratio with the per-coordinate baseline of least variance.

    .. math:: \hat g_k = \frac1N \sum_n S_{nk} (R_n - b_k), \qquad
              b_k = \frac{E[S_k^2 R]}{E[S_k^2]}, \qquad S_n = \sum_t \nabla \log \pi(a_{tn}|s_{tn})

    With reward-to-go the same for each reward, with the scores up to it:
    :math:`\hat g_k = \frac1N \sum_{n,t} Z_{ntk} (r_{tn} - b_{tk})`,
    :math:`Z_{nt} = \sum_{j \le t} w_j \gamma^{t-j} \nabla \log \pi(a_{jn}|s_{jn})`, where w is the
    objective's step weight.

    Episodes that have ended before t stay in both sums: the mean of Z_t over those still running
    is not zero. One baseline for every parameter is much to estimate: with few episodes (fewer than
    about 50 on small problems) its noise costs more variance than it saves.

    Attributes:
      credit: `"return"` (of least variance among baselines for whole returns) or
        `"reward-to-go"` (one baseline a reward). Static. Both keep N D numbers.
      cross_fitted: estimate b for each episode from the *other* ones: unbiased. False: from all of
        them, as most texts print it: **biased** by O(1/N). Static.

    Raises:
      UpslopeError: reward-to-go for a policy with memory.

    References:
      Peters and Schaal (2008); Deisenroth, Neumann and Peters (2013), equations 2.12 and 2.16.
    """

    credit: Credit = eqx.field(static=True, default="reward-to-go")
    cross_fitted: bool = eqx.field(static=True, default=True)

    def __check_init__(self) -> None:
        owner = "OptimalBaselineLikelihoodRatio"
        check_choice(owner, "credit", self.credit, ("return", "reward-to-go"))

    @property
    def declaration(self) -> BiasStatement:
        if self.cross_fitted:
            reason = "an episode's baseline is made of the other, independent episodes"
            return BiasStatement(TARGET, True, reason, REFERENCE)
        reason = "each episode is part of its own baseline: a bias of order 1/N"
        return BiasStatement(TARGET, False, reason, REFERENCE)

    def objective_bias(self, objective: Objective) -> str:
        return lost_weights(objective) if self.credit == "reward-to-go" else ""

    def estimate(self, policy: Policy, episodes: Trajectories, objective: Objective) -> Estimate:
        """See `GradientEstimator.estimate`. `advantage_std` is that of the credit."""
        reward = jnp.where(episodes.valid, episodes.reward, 0.0)
        if self.credit == "return":
            gradient = self.by_episode(policy, episodes, objective, reward)
        else:
            gradient = self.by_reward(policy, episodes, objective, reward)
        _, unravel = ravel_parameters(policy)
        credit = objective.credit(episodes, self.credit)
        return Estimate(
            zero_non_trainable(unravel(gradient)),
            mean_entropy(policy, episodes),
            spread(credit, episodes.valid),
        )

    def by_episode(
        self, policy: Policy, episodes: Trajectories, objective: Objective, reward: Array
    ) -> Array:
        """The gradient [D] from whole returns."""
        scale = objective.step_weights(reward.shape[0])[0]
        returns = scale * jnp.sum(objective.return_weight(episodes) * reward, axis=0)

        def score(episode: Trajectories) -> Array:
            one = jax.tree.map(lambda leaf: leaf[:, None], episode._replace(memory=()))
            memory = jax.tree.map(lambda leaf: leaf[None], episode.memory)
            one = one._replace(memory=memory)
            gradient = jax.grad(lambda policy: jnp.sum(log_probs(policy, one)))(policy)
            return ravel_parameters(gradient)[0]

        episodes = without_extras(episodes)
        axes: Any = jax.tree.map(lambda _: 1, episodes)
        axes = axes._replace(memory=jax.tree.map(lambda _: 0, episodes.memory))
        return self.controlled(returns, jax.vmap(score, in_axes=(axes,))(episodes))

    def by_reward(
        self, policy: Policy, episodes: Trajectories, objective: Objective, reward: Array
    ) -> Array:
        """The gradient [D] from each reward and the scores up to it."""
        if policy.has_memory:
            raise UpslopeError(
                "OptimalBaselineLikelihoodRatio(credit='reward-to-go') needs the score of every "
                f"step by itself, which {type(policy).__name__}, a policy with memory, does not "
                "have: use credit='return'."
            )

        def score(observation: Array, action: Array, valid: Array) -> Array:
            gradient = jax.grad(lambda policy: policy(observation).log_prob(action))(policy)
            return jnp.where(valid, ravel_parameters(gradient)[0], 0.0)

        def step(carry: tuple[Array, Array], now: tuple[Array, ...]) -> tuple[Any, None]:
            trace, gradient = carry
            observation, action, valid, reward, weight, discount = now
            scores = jax.vmap(score)(observation, action, valid)
            trace = discount[:, None] * trace + weight[:, None] * scores
            return (trace, gradient + self.controlled(reward, trace)), None

        theta, _ = ravel_parameters(policy)
        start = (jnp.zeros((reward.shape[1], theta.size), theta.dtype), jnp.zeros_like(theta))
        discount = jnp.broadcast_to(objective.step_discount(episodes), reward.shape)
        before = jnp.concatenate([jnp.ones_like(discount[:1]), discount[:-1]])
        weight = jnp.broadcast_to(objective.step_weight(episodes), reward.shape)
        rows = (episodes.observation, episodes.action, episodes.valid, reward, weight, before)
        return jax.lax.scan(step, start, rows)[0][1]

    def controlled(self, value: Array, scores: Array) -> Array:
        """The mean of (value - b) scores, [D], from value [N] and scores [N, D]."""
        control = OptimalControlVariate() if self.cross_fitted else PlugInOptimalControlVariate()
        return jnp.mean((value[:, None] - control(value[:, None], scores)) * scores, axis=0)
