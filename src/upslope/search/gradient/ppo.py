"""Proximal policy optimisation."""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.flatten_util import ravel_pytree

from upslope.core.annotations import Memory
from upslope.core.checks import UpslopeError, check_number
from upslope.core.moments import Moments
from upslope.core.records import Trajectories
from upslope.diagnostics.gradient_quality import batch_advice, moment_quality
from upslope.objectives.objective import Objective
from upslope.policies.critics import state_value
from upslope.policies.policy import Policy, ValueFunction
from upslope.sampling.experience import Steps
from upslope.search.gradient.ascent import Schedule, check_schedule, clip_by_norm, remaining
from upslope.search.gradient.clipped_surrogate import Losses, clipped_surrogate
from upslope.search.gradient.minibatches import minibatches
from upslope.search.gradient.on_policy_batch import OnPolicyBatch, on_policy_batch
from upslope.search.gradient.optimizer import ascend, start_ascent
from upslope.search.gradient.reward_scale import RewardScale
from upslope.search.gradient.value_regression import explained_variance
from upslope.search.search_method import Defaults, ProblemSpec, SearchMethod
from upslope.search.step_count import StepCount

USUAL_MINIBATCH = 64


class PPOState(NamedTuple):
    """What the next iteration needs."""

    policy: Policy
    critic: ValueFunction
    optimizer: optax.OptState
    critic_memory: Memory  # [N, ...] before the next step
    reward_scale: RewardScale | None
    steps: StepCount  # environment steps taken so far


# Of the updates of an iteration: theta [D], the optimizer's state, whether any more are made, the
# sum of the gradients' norms, how many were made.
Progress = tuple[Array, optax.OptState, Array, Array, Array]


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


class PPO(SearchMethod[PPOState, Trajectories]):
    r"""Proximal policy optimisation with a clipped surrogate.

    .. math:: L = E\Big[\min\big(\rho_t A_t,\ \operatorname{clip}(\rho_t, 1-\epsilon, 1+\epsilon)
              A_t\big) - c_v (V(s_t) - R_t)^2 + c_e H(\pi(\cdot|s_t))\Big], \qquad
              \rho_t = \frac{\pi_\theta(a_t|s_t)}{\pi_{\theta_\text{old}}(a_t|s_t)}, \qquad
              A_t = \sum_k (\gamma \lambda)^k \delta_{t+k}, \quad
              \delta_t = r_t + \gamma V(s_{t+1}) - V(s_t)

    The first gradient of an iteration is the plain policy gradient with GAE; **biased** as an
    estimate of grad J by the learned value (unless lambda = 1), by the missing step weight gamma^t
    and by standardised advantages. No monotone improvement is guaranteed.

    Attributes:
      n_envs: streams sampled side by side. Static.
      n_steps: steps of each stream per iteration. Static.
      n_epochs: passes over each batch. Static.
      batch_size: steps per minibatch; divides n_envs * n_steps. None: 64, or the divisor nearest
        to it in ratio (for a policy with memory: of whole streams). Static.
      learning_rate: step size of Adam, for policy and value function together.
      learning_rate_schedule: `"linear"` falls to zero at `total_timesteps`. Static.
      gae_lambda: lambda of the advantage estimate, in [0, 1].
      clip_range: epsilon, how far the probability ratio may leave 1 before it is clipped.
      clip_range_schedule: `"linear"` falls to zero at `total_timesteps`. Static.
      clip_range_vf: how far the value may move from the old one, in units of return; None: freely.
      normalize_advantage: standardise the advantages of every minibatch. Static.
      normalize_reward: divide rewards by the running spread of the discounted return. Static.
      ent_coef: c_e, the weight of the policy's entropy.
      vf_coef: c_v, the weight of the value function's loss.
      max_grad_norm: bound on the global norm of the gradient.
      target_kl: end the iteration's updates when approx_kl exceeds 1.5 times it; None: never.
      share_features_extractor: one convolutional network for policy and value function, each with
        its own last layer; no effect on policies without one (`Policy.shares_features`). Static.
      total_timesteps: the budget, for the schedules.
      adam_eps: what Adam adds to the root of the second moment. Static.

    References:
      Schulman et al. (2017), equations 7 and 9.
    """

    name: ClassVar[str] = "ppo"
    # The step weights gamma^t are left out, as its users expect.
    defaults: ClassVar[Defaults] = Defaults(
        objective="discounted",
        objective_settings={"weights": "undiscounted"},
        divides={"batch_size": ("n_envs", "n_steps")},
    )
    n_envs: int = eqx.field(static=True, default=8)
    n_steps: int = eqx.field(static=True, default=256)
    n_epochs: int = eqx.field(static=True, default=10)
    batch_size: int | None = eqx.field(static=True, default=None)
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
    share_features_extractor: bool = eqx.field(static=True, default=True)
    total_timesteps: float | Array | None = None
    adam_eps: float = eqx.field(static=True, default=1e-5)

    def __check_init__(self) -> None:
        check = lambda name, **limits: check_number("PPO", name, getattr(self, name), **limits)  # noqa: E731
        for name in ("n_envs", "n_steps", "n_epochs"):
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
        if self.batch_size is not None:
            check("batch_size", at_least=1, integer=True)
        if self.normalize_advantage and 1 in (batch, self.batch_size):
            raise UpslopeError(
                f"PPO got minibatches of one step (n_envs={self.n_envs}, n_steps={self.n_steps}, "
                f"batch_size={self.batch_size}) and normalize_advantage=True: the advantage of a "
                "step less the mean of that step is 0, and nothing can be learned. Use larger "
                "minibatches, or normalize_advantage=False."
            )
        if self.batch_size is not None and batch % self.batch_size:
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

    @property
    def minibatch_size(self) -> int:
        """Steps per minibatch of a policy without memory."""
        if self.batch_size is not None:
            return self.batch_size
        return nearest_divisor(self.n_envs * self.n_steps, USUAL_MINIBATCH)

    def streams_per_minibatch(self) -> int:
        """Whole streams per minibatch of a policy with memory."""
        if self.batch_size is not None:
            return self.batch_size // self.n_steps
        return nearest_divisor(self.n_envs, USUAL_MINIBATCH / self.n_steps)

    def configure(self, spec: ProblemSpec) -> PPO:
        self.check_memory(spec.policy)
        return self

    def check_memory(self, policy: Policy) -> None:
        """Refuses minibatches that would cut the streams of a policy with memory."""
        if self.batch_size is not None and policy.has_memory and self.batch_size % self.n_steps:
            raise UpslopeError(
                f"PPO got batch_size={self.batch_size} with a policy that has memory: it must be a "
                f"multiple of n_steps={self.n_steps}, as minibatches are whole streams then."
            )

    def init(self, key: Array, policy: Policy, objective: Objective) -> PPOState:
        self.check_memory(policy)
        critic = state_value(key, policy, share_features=self.share_features_extractor)
        memory = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, (self.n_envs, *jnp.shape(leaf))),
            critic.initial_memory(),
        )
        return PPOState(
            policy=policy,
            critic=critic,
            optimizer=start_ascent("adam", (policy, critic), self.adam_eps),
            critic_memory=memory,
            reward_scale=RewardScale.start(self.n_envs) if self.normalize_reward else None,
            steps=StepCount.start(),
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
        evaluated = on_policy_batch(
            policy,
            critic,
            experience,
            objective,
            self.gae_lambda,
            critic_memory=state.critic_memory,
            reward_scale=state.reward_scale,
        )
        batch, valid = evaluated.batch, experience.valid
        memories = (experience.memory, evaluated.critic_memory)
        left = remaining(state.steps.value, self.total_timesteps)
        learning_rate, clip_range = self.scheduled(left)
        (policy, critic), optimizer, losses, updates = self.improve(
            key, (policy, critic), state.optimizer, batch, memories, learning_rate, clip_range
        )
        if policy.observation_moments is not None:
            policy = policy.observe(Moments.of(experience.observation, valid))
        snr, cosine, noise_scale = moment_quality(optimizer, self.minibatch_size)
        diagnostics = PPODiagnostics(
            policy_gradient_loss=losses.policy,
            value_loss=losses.value,
            entropy=losses.entropy,
            approx_kl=losses.approx_kl,
            clip_fraction=losses.clip_fraction,
            explained_variance=explained_variance(batch.value, batch.target, valid),
            gradient_norm=losses.gradient_norm,
            learning_rate=learning_rate,
            updates=updates,
            gradient_snr=snr,
            gradient_cosine=cosine,
            gradient_noise_scale=noise_scale,
        )
        state = PPOState(
            policy=policy,
            critic=critic,
            optimizer=optimizer,
            critic_memory=evaluated.next_critic_memory,
            reward_scale=evaluated.reward_scale,
            steps=state.steps.add(jnp.sum(valid)),
        )
        return state, diagnostics

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
        optimizer: optax.OptState,
        batch: OnPolicyBatch,
        memories: tuple[Memory, ...],
        learning_rate: Array,
        clip_range: Array,
    ) -> tuple[tuple[Policy, ValueFunction], optax.OptState, Losses, Array]:
        """All epochs of updates: models, optimizer, the losses then and the number of updates."""
        loss = clipped_surrogate(
            clip_range,
            self.clip_range_vf,
            self.ent_coef,
            self.vf_coef,
            normalize_advantage=self.normalize_advantage,
        )
        memory = models[0].has_memory
        size = self.streams_per_minibatch() if memory else self.minibatch_size
        start, unravel = ravel_pytree(models)

        def flat_loss(
            theta: Array, batch: OnPolicyBatch, memories: tuple[Memory, ...]
        ) -> tuple[Array, Losses]:
            return loss(unravel(theta), batch, memories)

        def update(
            carry: Progress, minibatch: tuple[OnPolicyBatch, tuple[Memory, ...]]
        ) -> tuple[Progress, None]:
            theta, optimizer, going, norms, count = carry
            gradient, losses = jax.grad(flat_loss, has_aux=True)(theta, *minibatch)
            gradient, norm = clip_by_norm(gradient, self.max_grad_norm)
            new: tuple[Array, optax.OptState] = ascend(
                "adam", optimizer, theta, gradient, learning_rate, self.adam_eps
            )
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
        snr = snr * batch / self.minibatch_size  # an upper bound: of the noise within batches alone
        return batch_advice(snr, scale, batch, "n_envs x n_steps", bound=True)


def nearest_divisor(total: int, wanted: float) -> int:
    """The divisor of `total` whose ratio to `wanted` is nearest to 1; the smaller of two."""
    divisors = (d for d in range(1, total + 1) if total % d == 0)
    return min(divisors, key=lambda d: abs(math.log(d / wanted)))
