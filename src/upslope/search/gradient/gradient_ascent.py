"""Gradient ascent on an estimate of grad J: REINFORCE and its relatives."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.flatten_util import ravel_pytree

from upslope.core.checks import UpslopeError, check_choice, check_number
from upslope.core.moments import Moments
from upslope.core.records import Trajectories
from upslope.diagnostics.gradient_quality import (
    GradientQuality,
    QualityAverages,
    batch_advice,
    half_batch_quality,
)
from upslope.estimators.trajectory.baselines import BASELINES, MeanBaseline
from upslope.estimators.trajectory.likelihood_ratio import LikelihoodRatio
from upslope.objectives.objective import Credit, Objective
from upslope.policies.critics import state_value
from upslope.policies.policy import Policy, ValueFunction
from upslope.policies.unroll import unroll
from upslope.sampling.experience import Episodes
from upslope.search.gradient.ascent import SCHEDULES, clip_by_norm, remaining
from upslope.search.gradient.optimizer import Optimizer, ascend, check_optimizer, start_ascent
from upslope.search.gradient.value_regression import explained_variance, fit_values
from upslope.search.search_method import SearchMethod
from upslope.search.step_count import StepCount


class GradientAscentState(NamedTuple):
    """What the next iteration needs."""

    policy: Policy
    optimizer: optax.OptState
    critic: ValueFunction | None  # with a learned baseline
    critic_optimizer: optax.OptState
    steps: StepCount  # environment steps taken so far
    quality: QualityAverages  # of the gradient


class GradientAscentDiagnostics(NamedTuple):
    """What its users look at."""

    gradient_norm: Array  # before clipping
    entropy: Array  # mean entropy of the action, nats
    advantage_std: Array  # spread of credit minus baseline
    learning_rate: Array
    explained_variance: Array  # of the credit by the learned baseline; NaN without one
    gradient_snr: Array  # signal-to-noise ratio; these three need an even n_episodes
    gradient_cosine: Array  # between the gradients of the two halves of the batch
    gradient_noise_scale: Array  # episodes at which signal and noise would be equal


class GradientAscent(SearchMethod[GradientAscentState, Trajectories]):
    r"""Follows an estimate of the policy gradient.

    .. math:: \theta \leftarrow \theta + \eta \, \hat g(\theta)

    Converges to a stationary point of J under Robbins-Monro steps (with plain `sgd`).

    Attributes:
      estimator: of grad J.
      n_episodes: whole episodes per iteration. Static.
      learning_rate: eta, the step size.
      learning_rate_schedule: `"linear"` falls to zero at `total_timesteps`. Static.
      optimizer: what turns a gradient into a direction. Static.
      max_grad_norm: bound on the global norm of the gradient; None for none.
      critic_learning_rate: step size of Adam, for the learned baseline.
      critic_epochs: full passes of the learned baseline over each batch. Static.
      total_timesteps: the budget, for the schedule.
      adam_eps: what Adam adds to the root of the second moment. Static.

    References:
      Williams (1992); Sutton and Barto (2018), equation 13.1.
    """

    name: ClassVar[str] = "reinforce"
    estimator: LikelihoodRatio = eqx.field(default_factory=LikelihoodRatio)
    n_episodes: int = eqx.field(static=True, default=32)
    learning_rate: float | Array = 1e-2
    learning_rate_schedule: Literal["constant", "linear"] = eqx.field(
        static=True, default="constant"
    )
    optimizer: Optimizer = eqx.field(static=True, default="adam")
    max_grad_norm: float | Array | None = None
    critic_learning_rate: float | Array = 1e-3
    critic_epochs: int = eqx.field(static=True, default=10)
    total_timesteps: float | Array | None = None
    adam_eps: float = eqx.field(static=True, default=1e-5)

    def __check_init__(self) -> None:
        check = lambda name, **limits: check_number(  # noqa: E731
            "GradientAscent", name, getattr(self, name), **limits
        )
        check("n_episodes", at_least=1, integer=True)
        # A batch mean over several steps of one episode is no zero: only means of each step are.
        if self.n_episodes == 1 and isinstance(self.estimator.baseline, MeanBaseline):
            raise UpslopeError(
                "GradientAscent got n_episodes=1 and the baseline 'mean': the credit of an episode "
                "less the mean over that episode alone is 0, and nothing can be learned. Use more "
                "episodes, or baseline='none' or 'value'."
            )
        check("learning_rate", above=0)
        check("critic_learning_rate", above=0)
        check("critic_epochs", at_least=1, integer=True)
        for name in ("max_grad_norm", "total_timesteps"):
            if getattr(self, name) is not None:
                check(name, above=0)
        check_optimizer("GradientAscent", self.optimizer, self.adam_eps)
        check_choice(
            "GradientAscent", "learning_rate_schedule", self.learning_rate_schedule, SCHEDULES
        )
        if self.learning_rate_schedule == "linear" and self.total_timesteps is None:
            raise UpslopeError(
                "GradientAscent has learning_rate_schedule='linear' but total_timesteps=None: "
                "say how many steps the schedule lasts."
            )

    @property
    def experience(self) -> Episodes:
        return Episodes(self.n_episodes)

    def init(self, key: Array, policy: Policy, objective: Objective) -> GradientAscentState:
        critic, critic_optimizer = None, ()
        if self.estimator.baseline.learned:
            critic = state_value(key, policy)
            critic_optimizer = start_ascent("adam", critic, self.adam_eps)
        return GradientAscentState(
            policy=policy,
            optimizer=start_ascent(self.optimizer, policy, self.adam_eps),
            critic=critic,
            critic_optimizer=critic_optimizer,
            steps=StepCount.start(),
            quality=QualityAverages.start(),
        )

    def ask(self, key: Array, state: GradientAscentState) -> Policy:
        return state.policy

    def tell(
        self,
        key: Array,
        state: GradientAscentState,
        candidates: Policy,
        experience: Trajectories,
        objective: Objective,
    ) -> tuple[GradientAscentState, GradientAscentDiagnostics]:
        policy, critic, critic_optimizer = state.policy, state.critic, state.critic_optimizer
        values, explained = None, jnp.full((), jnp.nan)
        if critic is not None:
            ended = experience.terminated | experience.truncated
            seen = jax.vmap(jax.vmap(policy.normalize))(experience.observation)
            memory = jax.tree.map(
                lambda leaf: jnp.broadcast_to(leaf, (self.n_episodes, *jnp.shape(leaf))),
                critic.initial_memory(),
            )
            values, _ = unroll(critic, seen, ended, memory)
        estimate = self.estimator.estimate(
            policy, experience, objective, values, half_batch_gradients=self.n_episodes % 2 == 0
        )
        quality, averages = GradientQuality.unknown(), state.quality
        if estimate.half_batch_gradients is not None:
            quality, averages = half_batch_quality(
                estimate.half_batch_gradients, self.n_episodes, averages
            )
        if critic is not None:
            assert values is not None
            target = objective.credit(experience, "reward-to-go")
            explained = explained_variance(values, target, experience.valid)
            critic, critic_optimizer = fit_values(
                critic,
                critic_optimizer,
                (seen, ended, memory),
                target,
                experience.valid,
                self.critic_learning_rate,
                self.critic_epochs,
                self.adam_eps,
            )
        left = remaining(state.steps.value, self.total_timesteps)
        linear = self.learning_rate_schedule == "linear"
        learning_rate = self.learning_rate * (left if linear else jnp.ones(()))
        theta, unravel = ravel_pytree(policy)
        gradient, norm = clip_by_norm(ravel_pytree(estimate.gradient)[0], self.max_grad_norm)
        theta, optimizer = ascend(
            self.optimizer, state.optimizer, theta, gradient, learning_rate, self.adam_eps
        )
        policy = unravel(theta)
        if policy.observation_moments is not None:
            policy = policy.observe(Moments.of(experience.observation, experience.valid))
        steps = state.steps.add(jnp.sum(experience.valid))
        snr, cosine, noise_scale = quality
        diagnostics = GradientAscentDiagnostics(
            gradient_norm=norm,
            entropy=estimate.entropy,
            advantage_std=estimate.advantage_std,
            learning_rate=learning_rate,
            explained_variance=explained,
            gradient_snr=snr,
            gradient_cosine=cosine,
            gradient_noise_scale=noise_scale,
        )
        state = GradientAscentState(
            policy=policy,
            optimizer=optimizer,
            critic=critic,
            critic_optimizer=critic_optimizer,
            steps=steps,
            quality=averages,
        )
        return state, diagnostics

    def solution(self, state: GradientAscentState) -> Policy:
        return state.policy

    def advice(self, diagnostics: dict[str, float]) -> str | None:
        snr, scale = diagnostics["gradient_snr"], diagnostics["gradient_noise_scale"]
        return batch_advice(snr, scale, self.n_episodes, "n_episodes")


def reinforce(
    n_episodes: int = 32,
    learning_rate: float = 1e-2,
    learning_rate_schedule: Literal["constant", "linear"] = "constant",
    credit: Credit = "reward-to-go",
    baseline: Literal["none", "mean", "leave-one-out", "value"] = "leave-one-out",
    standardize: bool = False,
    optimizer: Optimizer = "adam",
    max_grad_norm: float | None = None,
    critic_learning_rate: float = 1e-3,
    critic_epochs: int = 10,
    total_timesteps: float | None = None,
    adam_eps: float = 1e-5,
) -> GradientAscent:
    r"""REINFORCE in the flat settings of the command line; see `GradientAscent`, `LikelihoodRatio`.

    .. math:: \hat g = \frac1N \sum_{n=1}^N \sum_t \gamma^t (G_{t,n} - b_{t,n})
              \nabla_\theta \log \pi_\theta(a_{t,n} | s_{t,n}), \qquad
              \theta \leftarrow \theta + \eta \, \operatorname{direction}(\hat g)

    Args:
      n_episodes: whole episodes per iteration.
      learning_rate: step size eta.
      learning_rate_schedule: "linear" falls to zero at the end of the budget.
      credit: "reward-to-go" or the whole "return"; both unbiased.
      baseline: what is subtracted from the credit.
      standardize: divide advantages by their standard deviation over the batch (biased).
      optimizer: what turns a gradient into a direction.
      max_grad_norm: bound on the global norm of the gradient; none by default.
      critic_learning_rate: step size of Adam, for the learned baseline "value".
      critic_epochs: passes of the learned baseline over each batch.
      total_timesteps: the budget, for the schedule; filled in by `train`.
      adam_eps: what Adam adds to the root of the second moment.
    """
    if baseline not in BASELINES:
        from upslope.core.checks import unknown_name

        raise unknown_name("baseline", baseline, BASELINES)
    return GradientAscent(
        estimator=LikelihoodRatio(BASELINES[baseline](), credit, standardize),
        n_episodes=n_episodes,
        learning_rate=learning_rate,
        learning_rate_schedule=learning_rate_schedule,
        optimizer=optimizer,
        max_grad_norm=max_grad_norm,
        critic_learning_rate=critic_learning_rate,
        critic_epochs=critic_epochs,
        total_timesteps=total_timesteps,
        adam_eps=adam_eps,
    )
