"""Proximal policy optimisation."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from upslope.core.checks import UpslopeError, check_number
from upslope.core.moments import Moments
from upslope.core.records import Trajectories
from upslope.diagnostics.gradient_quality import batch_advice, moment_quality
from upslope.estimators.trajectory.advantages import generalized_advantages
from upslope.objectives.objective import Objective
from upslope.policies.critics import state_value
from upslope.policies.policy import Policy, ValueFunction
from upslope.policies.unroll import along, successor_values
from upslope.sampling.experience import Steps
from upslope.search.gradient.ascent import (
    Schedule,
    ascend,
    check_schedule,
    clip_by_norm,
    remaining,
    start_ascent,
)
from upslope.search.gradient.clipped_surrogate import Batch, Losses, clipped_surrogate
from upslope.search.gradient.minibatches import minibatches
from upslope.search.gradient.reward_scale import RewardScale
from upslope.search.gradient.value_regression import explained_variance
from upslope.search.search_method import Defaults, ProblemSpec, SearchMethod


class PPOState(NamedTuple):
    """What the next iteration needs."""

    policy: Policy
    critic: ValueFunction
    optimizer: Any
    critic_memory: Any  # [N, ...] before the next step
    reward_scale: RewardScale | None
    steps: Array  # scalar: environment steps taken so far


class PPODiagnostics(NamedTuple):
    """What its users look at: the new policy on a sample of the batch it was made from."""

    policy_gradient_loss: Array
    value_loss: Array  # of the value function before the update
    entropy: Array  # nats
    approx_kl: Array  # of the new policy from the one that acted, nats
    clip_fraction: Array  # of the ratios that were clipped
    explained_variance: Array  # of the returns by the value function, before the update
    gradient_norm: Array  # before clipping, the mean over the minibatches used
    learning_rate: Array
    updates: Array  # minibatches used; fewer than planned when target_kl stopped them
    gradient_snr: Array  # of a minibatch's gradient, from Adam's moments
    gradient_cosine: Array  # to be expected between two halves of a minibatch
    gradient_noise_scale: Array  # steps at which signal and noise would be equal


class PPO(SearchMethod):
    r"""Proximal policy optimisation with a clipped surrogate.

    .. math:: L = E\Big[\min\big(\rho_t A_t,\ \operatorname{clip}(\rho_t, 1-\epsilon, 1+\epsilon)
              A_t\big) - c_v (V(s_t) - R_t)^2 + c_e H(\pi(\cdot|s_t))\Big], \qquad
              \rho_t = \frac{\pi_\theta(a_t|s_t)}{\pi_{\theta_\text{old}}(a_t|s_t)}

    The first gradient of an iteration is the plain policy gradient with GAE; **biased** as an
    estimate of grad J by the learned value (unless lambda = 1), by the missing step weight gamma^t
    and by standardised advantages. No monotone improvement is guaranteed.

    Attributes:
      n_envs: streams sampled side by side. Static.
      n_steps: steps of each stream per iteration. Static.
      n_epochs: passes over each batch. Static.
      batch_size: steps per minibatch; divides n_envs * n_steps. Static.
      learning_rate: Adam's, of policy and value function together.
      learning_rate_schedule: `"linear"` falls to zero at `total_timesteps`. Static.
      gae_lambda: lambda of the advantage estimate, in [0, 1].
      clip_range: epsilon.
      clip_range_schedule: as for the learning rate. Static.
      clip_range_vf: how far the value may move from the old one, in units of return; None: freely.
      normalize_advantage: standardise the advantages of every minibatch. Static.
      normalize_reward: divide rewards by the running spread of the discounted return. Static.
      ent_coef: c_e.
      vf_coef: c_v.
      max_grad_norm: bound on the global norm of the gradient.
      target_kl: end the iteration's updates when approx_kl exceeds 1.5 times it; None: never.
      total_timesteps: the budget, for the schedules.

    References:
      Schulman et al. (2017), equations 7 and 9.
    """

    name: ClassVar[str] = "ppo"
    # The step weights gamma^t are left out, as its users expect.
    defaults: ClassVar[Defaults] = Defaults(
        objective="discounted", objective_settings={"weights": "undiscounted"}
    )
    n_envs: int = eqx.field(static=True, default=8)
    n_steps: int = eqx.field(static=True, default=256)
    n_epochs: int = eqx.field(static=True, default=10)
    batch_size: int = eqx.field(static=True, default=64)
    learning_rate: float | Array = 3e-4
    learning_rate_schedule: Schedule = eqx.field(static=True, default="constant")
    gae_lambda: float | Array = 0.95
    clip_range: float | Array = 0.2
    clip_range_schedule: Schedule = eqx.field(static=True, default="constant")
    clip_range_vf: float | Array | None = None
    normalize_advantage: bool = eqx.field(static=True, default=True)
    normalize_reward: bool = eqx.field(static=True, default=False)
    ent_coef: float | Array = 0.0
    vf_coef: float | Array = 0.5
    max_grad_norm: float | Array = 0.5
    target_kl: float | Array | None = None
    total_timesteps: float | Array | None = None

    def __check_init__(self) -> None:
        check = lambda name, **limits: check_number("PPO", name, getattr(self, name), **limits)  # noqa: E731
        for name in ("n_envs", "n_steps", "n_epochs", "batch_size"):
            check(name, at_least=1, integer=True)
        for name in ("learning_rate", "clip_range", "max_grad_norm"):
            check(name, above=0)
        for name in ("clip_range_vf", "target_kl", "total_timesteps"):
            if getattr(self, name) is not None:
                check(name, above=0)
        for name in ("ent_coef", "vf_coef"):
            check(name, at_least=0)
        check("gae_lambda", at_least=0, at_most=1)
        batch = self.n_envs * self.n_steps
        if batch % self.batch_size:
            raise UpslopeError(
                f"PPO got batch_size={self.batch_size}, which does not divide the "
                f"{self.n_envs} x {self.n_steps} = {batch} steps of an iteration: choose a divisor "
                f"of {batch} (at most {batch})."
            )
        for name in ("learning_rate_schedule", "clip_range_schedule"):
            check_schedule(self, name)

    @property
    def experience(self) -> Steps:
        return Steps(self.n_envs, self.n_steps)

    def configure(self, spec: ProblemSpec) -> PPO:
        self.check_memory(spec.policy)
        return self

    def check_memory(self, policy: Policy) -> None:
        """Refuses minibatches that would cut the streams of a policy with memory."""
        if policy.has_memory and self.batch_size % self.n_steps:
            raise UpslopeError(
                f"PPO got batch_size={self.batch_size} with a policy that has memory: it must be a "
                f"multiple of n_steps={self.n_steps}, as minibatches are whole streams then."
            )

    def init(self, key: Array, policy: Policy, objective: Objective) -> PPOState:
        self.check_memory(policy)
        critic = state_value(key, policy)
        memory = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, (self.n_envs, *jnp.shape(leaf))),
            critic.initial_memory(),
        )
        return PPOState(
            policy,
            critic,
            start_ascent("adam", (policy, critic)),
            memory,
            RewardScale.start(self.n_envs) if self.normalize_reward else None,
            jnp.zeros(()),
        )

    def ask(self, key: Array, state: PPOState) -> Policy:
        return state.policy

    def tell(
        self,
        key: Array,
        state: PPOState,
        candidates: Policy,
        experience: Trajectories,
        objective: Objective,
    ) -> tuple[PPOState, PPODiagnostics]:
        policy, critic = state.policy, state.critic
        terminated, valid = experience.terminated, experience.valid
        ended = terminated | experience.truncated
        if not objective.bootstrap_on_truncation:
            terminated = ended
        reward, scale = experience.reward, state.reward_scale
        if scale is not None:
            reward, scale = scale(reward, ended, valid, objective.discount)
        if objective.differential:
            reward = reward - objective.average(experience._replace(reward=reward))
        normalize = jax.vmap(jax.vmap(policy.normalize))
        seen = normalize(experience.observation)
        value, next_value, critic_memory = successor_values(
            critic,
            seen,
            normalize(experience.next_observation),
            experience.terminated,
            experience.truncated,
            state.critic_memory,
        )
        advantage = generalized_advantages(
            reward,
            value,
            next_value,
            terminated,
            ended,
            objective.step_discount(experience),
            self.gae_lambda,
        )
        distribution, _ = along(policy, experience.observation, ended, experience.memory)
        log_prob = jax.vmap(jax.vmap(lambda d, a: d.log_prob(a)))(distribution, experience.action)
        target = advantage + value
        observation, action = experience.observation, experience.action
        batch = Batch(observation, seen, action, ended, valid, log_prob, value, advantage, target)
        memories = (experience.memory, state.critic_memory)
        left = remaining(state.steps, self.total_timesteps)
        learning_rate, clip_range = self.scheduled(left)
        (policy, critic), optimizer, losses, updates = self.improve(
            key, (policy, critic), state.optimizer, batch, memories, learning_rate, clip_range
        )
        if policy.observation_moments is not None:
            policy = policy.observe(Moments.of(experience.observation, valid))
        diagnostics = PPODiagnostics(
            losses.policy,
            losses.value,
            losses.entropy,
            losses.approx_kl,
            losses.clip_fraction,
            explained_variance(value, target, valid),
            losses.gradient_norm,
            learning_rate,
            updates,
            *moment_quality(optimizer, self.batch_size),
        )
        steps = state.steps + jnp.sum(valid)
        return PPOState(policy, critic, optimizer, critic_memory, scale, steps), diagnostics

    def scheduled(self, left: Array) -> tuple[Array, Array]:
        """Learning rate and clip range when the share `left` of the budget is left."""

        def at(number: float | Array, schedule: Schedule) -> Array:
            return number * (left if schedule == "linear" else jnp.ones(()))

        return (
            at(self.learning_rate, self.learning_rate_schedule),
            at(self.clip_range, self.clip_range_schedule),
        )

    def improve(
        self,
        key: Array,
        models: tuple[Policy, ValueFunction],
        optimizer: Any,
        batch: Batch,
        memories: Any,
        learning_rate: Array,
        clip_range: Array,
    ) -> tuple[tuple[Policy, ValueFunction], Any, Losses, Array]:
        """All epochs of updates: models, optimizer, the losses then and the number of updates."""
        loss = clipped_surrogate(
            clip_range,
            self.clip_range_vf,
            self.ent_coef,
            self.vf_coef,
            normalize_advantage=self.normalize_advantage,
        )
        memory = models[0].has_memory
        size = self.batch_size // self.n_steps if memory else self.batch_size
        start, unravel = ravel_pytree(models)

        def flat_loss(theta: Array, *minibatch: Any) -> tuple[Array, Losses]:
            return loss(unravel(theta), *minibatch)

        def update(carry: Any, minibatch: Any) -> tuple[Any, None]:
            theta, optimizer, going, norms, count = carry
            gradient, losses = jax.grad(flat_loss, has_aux=True)(theta, *minibatch)
            gradient, norm = clip_by_norm(gradient, self.max_grad_norm)
            new = ascend("adam", optimizer, theta, gradient, learning_rate)
            if self.target_kl is not None:
                # As soon as the policy has moved too far, nothing moves any more.
                going = going & (losses.approx_kl <= 1.5 * self.target_kl)
                new = jax.tree.map(
                    lambda after, before: jnp.where(going, after, before), new, (theta, optimizer)
                )
            return (*new, going, norms + jnp.where(going, norm, 0.0), count + going), None

        carry = (start, optimizer, jnp.asarray(True), jnp.zeros(()), jnp.asarray(0))
        carry, last = minibatches(key, update, carry, batch, memories, self.n_epochs, size, memory)
        theta, optimizer, _, norms, count = carry
        models = unravel(theta)
        # One look at some steps afterwards costs less than one at every minibatch.
        _, losses = loss((models[0], None), *last)
        norm = norms / jnp.maximum(count, 1)
        return models, optimizer, losses._replace(gradient_norm=norm), count

    def solution(self, state: PPOState) -> Policy:
        return state.policy

    def advice(self, diagnostics: dict[str, float]) -> str | None:
        snr, scale = diagnostics["gradient_snr"], diagnostics["gradient_noise_scale"]
        batch = self.n_envs * self.n_steps
        snr = snr * batch / self.batch_size  # an upper bound: of the noise within batches alone
        return batch_advice(snr, scale, batch, "n_envs x n_steps", bound=True)
