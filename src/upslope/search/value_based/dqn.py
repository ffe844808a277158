"""Deep Q-learning."""

from __future__ import annotations

import math
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from gymnasium import spaces
from jax import Array

from upslope.core import tree
from upslope.core.checks import UpslopeError, check_number
from upslope.core.moments import Moments
from upslope.core.records import Replayed, Trajectories
from upslope.core.tree import ravel_parameters
from upslope.objectives.objective import Objective
from upslope.policies.epsilon_greedy import EpsilonGreedy
from upslope.policies.heads.discrete import DuelingHead
from upslope.policies.network import NetworkPolicy
from upslope.policies.normalized import NormalizedPolicy
from upslope.policies.policy import Policy
from upslope.sampling.experience import Replay, Steps
from upslope.search.gradient.ascent import (
    Schedule,
    check_schedule,
    clip_by_norm,
    scheduled,
)
from upslope.search.gradient.optimizer import ascend, start_ascent
from upslope.search.search_method import Defaults, ProblemSpec, SearchMethod
from upslope.search.value_based.targets import bootstrap_values, huber, n_step_returns


class DQNState(NamedTuple):
    """What the next iteration needs."""

    policy: Policy  # its preferences are q
    target: Policy  # q'
    optimizer: optax.OptState
    iterations: Array  # scalar int: done
    errors: Array  # [B, M] |y - q| of the last batches; what their priorities follow


class DQNDiagnostics(NamedTuple):
    """What its users look at: means over the batches; NaN while nothing is learnt."""

    loss: Array
    action_value: Array  # mean q(s, a) of what was drawn
    td_error: Array  # mean |y - q(s, a)|
    gradient_norm: Array  # before clipping
    epsilon: Array  # share of random actions
    learning_rate: Array


class DQN(SearchMethod[DQNState, Replayed]):
    r"""Q-learning with a network, a replay buffer and a target network that lags behind.

    .. math:: L = E\Big[w \, \ell\big(y - q_\theta(s_t, a_t)\big)\Big], \qquad
              y = \sum_{k=1}^n \gamma^{k-1} r_{t+k} + \gamma^n \max_a q_{\theta'}(s_{t+n}, a)

    with Huber's loss :math:`\ell`, on batches of past steps, acting epsilon-greedily. The policy's
    preferences are the action values; the solution acts greedily on them. No guarantee of
    convergence with networks; with a table, every pair visited for ever and steps that fall as
    Robbins and Monro ask, q converges to the optimal one. A target is bootstrapped where an
    episode was truncated, and not where it terminated.

    Attributes:
      n_envs: streams sampled side by side. Static.
      learning_rate: step size of Adam.
      learning_rate_schedule: `"linear"` falls to zero at `total_timesteps`. Static.
      buffer_size: rows kept, per seed: a step takes one, the end of an episode another. Static.
      learning_starts: steps of random actions before the first update.
      batch_size: windows per update. Static.
      tau: share of the online network that moves into the target network at an update of it; 1
        copies it.
      train_freq: steps of each stream per iteration. Static.
      gradient_steps: updates per iteration. Static.
      target_update_interval: steps between updates of the target network.
      exploration_fraction: share of the budget over which epsilon falls.
      exploration_initial_eps: epsilon at the start.
      exploration_final_eps: epsilon afterwards.
      max_grad_norm: bound on the norm of the gradient.
      double_q: the online network chooses the action whose target value counts. Static.
      dueling: the network computes a state value and advantages. Static.
      n_step: steps of reward in a target. Static.
      prioritized: draw steps in proportion to their last errors. Static.
      priority_exponent: alpha, how far priorities follow the errors; 0 draws evenly. Static.
      importance_exponent: beta, how far importance weights undo the priorities; 1 wholly. Static.
      total_timesteps: the budget, for epsilon.
      adam_eps: what Adam adds to the root of the second moment. Static.

    Raises:
      UpslopeError: from `configure`: actions that are not choices from one list, or a policy
        without action values.

    References:
      Mnih et al. (2015), algorithm 1; van Hasselt, Guez and Silver (2016) for `double_q`; Wang et
      al. (2016) for `dueling`; Schaul et al. (2016) for `prioritized`; Hessel et al. (2018).
    """

    name: ClassVar[str] = "dqn"
    defaults: ClassVar[Defaults] = Defaults(policy="softmax", objective="discounted")
    n_envs: int = eqx.field(static=True, default=1)
    learning_rate: float | Array = 1e-4
    buffer_size: int = eqx.field(static=True, default=100_000)
    learning_starts: int | Array = 1000
    batch_size: int = eqx.field(static=True, default=32)
    tau: float | Array = 1.0
    train_freq: int = eqx.field(static=True, default=4)
    gradient_steps: int = eqx.field(static=True, default=1)
    target_update_interval: int | Array = 10_000
    exploration_fraction: float | Array = 0.1
    exploration_initial_eps: float | Array = 1.0
    exploration_final_eps: float | Array = 0.05
    max_grad_norm: float | Array = 10.0
    double_q: bool = eqx.field(static=True, default=False)
    dueling: bool = eqx.field(static=True, default=False)
    n_step: int = eqx.field(static=True, default=1)
    prioritized: bool = eqx.field(static=True, default=False)
    priority_exponent: float = eqx.field(static=True, default=0.6)
    importance_exponent: float = eqx.field(static=True, default=0.4)
    total_timesteps: float | Array = 100_000.0
    adam_eps: float = eqx.field(static=True, default=1e-8)
    learning_rate_schedule: Schedule = eqx.field(static=True, default="constant")

    def __check_init__(self) -> None:
        check = lambda name, **limits: check_number("DQN", name, getattr(self, name), **limits)  # noqa: E731
        for name in ("n_envs", "buffer_size", "batch_size", "train_freq", "gradient_steps"):
            check(name, at_least=1, integer=True)
        check("n_step", at_least=1, integer=True)
        check("learning_starts", at_least=0)
        check("target_update_interval", at_least=1)
        for name in ("learning_rate", "max_grad_norm", "total_timesteps", "adam_eps"):
            check(name, above=0)
        check("tau", above=0, at_most=1)
        for name in ("exploration_fraction", "exploration_initial_eps", "exploration_final_eps"):
            check(name, at_least=0, at_most=1)
        for name in ("priority_exponent", "importance_exponent"):
            check(name, at_least=0)
        check_schedule(self, "learning_rate_schedule")
        if self.buffer_size < self.n_envs * self.n_step:
            raise UpslopeError(
                f"DQN got buffer_size={self.buffer_size} for n_envs={self.n_envs} streams and "
                f"n_step={self.n_step}: not one window of {self.n_step} steps would fit. Use at "
                f"least {self.n_envs * self.n_step}."
            )

    @property
    def experience(self) -> Replay:
        return Replay(
            fresh=Steps(self.n_envs, self.train_freq),
            capacity=self.buffer_size,
            n_batches=self.gradient_steps,
            batch_size=self.batch_size,
            sequence_length=self.n_step,
            prioritized=self.prioritized,
            priority_exponent=self.priority_exponent,
            importance_exponent=self.importance_exponent,
        )

    def configure(self, spec: ProblemSpec) -> DQN:
        if not isinstance(spec.action_space, spaces.Discrete):
            raise UpslopeError(
                f"DQN needs actions that are choices from one list, Discrete(n), and got "
                f"{spec.action_space}: use ppo, or a gradient-free method such as cma-es."
            )
        jax.eval_shape(self._q_policy, jax.random.key(0), spec.policy)
        return self

    def _q_policy(self, key: Array, policy: Policy) -> Policy:
        """The policy whose preferences are learnt as action values."""
        if isinstance(policy, NormalizedPolicy):
            return NormalizedPolicy(self._q_policy(key, policy.policy), policy.moments)
        if policy.has_memory:
            raise UpslopeError("DQN has no memory yet: use ppo with a policy that has one.")
        if not self.dueling:
            return policy
        n_actions = _n_actions(policy)
        return NetworkPolicy(policy.network_like(key, n_actions + 1), DuelingHead(n_actions))

    def init(self, key: Array, policy: Policy, objective: Objective) -> DQNState:
        policy = jax.tree.map(jnp.asarray, self._q_policy(key, policy))
        theta, _ = ravel_parameters(policy)
        return DQNState(
            policy=policy,
            target=policy,
            optimizer=start_ascent("adam", theta, self.adam_eps),
            iterations=jnp.zeros((), int),
            errors=jnp.ones((self.gradient_steps, self.batch_size)),
        )

    def scheduled_by_budget(self) -> tuple[str, ...]:
        return (*super().scheduled_by_budget(), "exploration_fraction")

    def ask(self, key: Array, state: DQNState) -> EpsilonGreedy:
        return EpsilonGreedy(
            state.policy, self._epsilon(state.iterations), _n_actions(state.policy)
        )

    def _steps(self, iterations: Array) -> Array:
        return iterations.astype(float) * (self.n_envs * self.train_freq)

    def _epsilon(self, iterations: Array) -> Array:
        """Random while nothing is learnt yet; then linear in the steps taken."""
        steps = self._steps(iterations)
        span = jnp.maximum(self.exploration_fraction * self.total_timesteps, 1.0)
        left = jnp.clip(1.0 - steps / span, 0.0, 1.0)
        first, last = self.exploration_initial_eps, self.exploration_final_eps
        return jnp.where(steps < self.learning_starts, 1.0, last + (first - last) * left)

    def tell(
        self,
        key: Array,
        state: DQNState,
        candidates: EpsilonGreedy,
        experience: Replayed,
        objective: Objective,
    ) -> tuple[DQNState, DQNDiagnostics]:
        iterations = state.iterations + 1
        steps = self._steps(iterations)
        policy = state.policy
        if policy.observation_moments is not None:
            fresh = experience.fresh
            policy = policy.observe(Moments.of(fresh.observation, fresh.valid))
        # The target network follows before the updates of the iteration that reaches its turn.
        turns = jnp.floor(steps / self.target_update_interval)
        due = turns > jnp.floor(self._steps(state.iterations) / self.target_update_interval)
        mixed = jax.tree.map(lambda new, old: old + self.tau * (new - old), policy, state.target)
        target = tree.where(due, mixed, state.target)
        learning_rate = scheduled(
            self.learning_rate,
            self.learning_rate_schedule,
            self._steps(state.iterations),
            self.total_timesteps,
        )
        # A run that goes on without its buffer waits until that has as much as at the beginning.
        enough = jnp.minimum(self.learning_starts, self.buffer_size)
        learns = (steps >= self.learning_starts) & (experience.filled >= enough)
        learns = learns & jnp.any(experience.weights > 0)

        def learn() -> Any:
            return self._improve(
                policy, target, state.optimizer, experience, objective, learning_rate
            )

        def wait() -> Any:
            shapes = jax.eval_shape(learn)
            unknown = jax.tree.map(
                lambda leaf: jnp.full(leaf.shape, jnp.nan, leaf.dtype), shapes[3]
            )
            return policy, state.optimizer, jnp.ones_like(state.errors), unknown

        policy, optimizer, errors, means = jax.lax.cond(learns, learn, wait)
        new = DQNState(
            policy=policy, target=target, optimizer=optimizer, iterations=iterations, errors=errors
        )
        loss, action_value, error, norm = means
        return new, DQNDiagnostics(
            loss=loss,
            action_value=action_value,
            td_error=error,
            gradient_norm=norm,
            epsilon=self._epsilon(state.iterations),
            learning_rate=learning_rate,
        )

    def _improve(
        self,
        policy: Policy,
        target: Policy,
        optimizer: optax.OptState,
        drawn: Replayed,
        objective: Objective,
        learning_rate: Array,
    ) -> tuple[Policy, optax.OptState, Array, tuple[Array, ...]]:
        """One update per batch: policy, optimizer, |errors| [B, M], means of what happened."""
        theta, unravel = ravel_parameters(policy)

        def loss(theta: Array, windows: Trajectories, weights: Array) -> tuple[Array, Any]:
            online = unravel(theta)
            value = self._action_values(online, windows)
            error = self._targets(online, target, windows, objective) - value
            return jnp.mean(weights * huber(error)), (value, jnp.abs(error))

        def update(
            carry: tuple[Array, optax.OptState], batch: tuple[Trajectories, Array]
        ) -> tuple[tuple[Array, optax.OptState], tuple[Array, tuple[Array, ...]]]:
            theta, optimizer = carry
            slope, (value, error) = jax.grad(loss, has_aux=True)(theta, *batch)
            clipped, norm = clip_by_norm(-slope, self.max_grad_norm)
            theta, optimizer = ascend(
                "adam", optimizer, theta, clipped, learning_rate, self.adam_eps
            )
            seen = (jnp.mean(batch[1] * huber(error)), jnp.mean(value), jnp.mean(error), norm)
            return (theta, optimizer), (error, seen)

        batches = (drawn.batches, drawn.weights)
        (theta, optimizer), (errors, seen) = jax.lax.scan(update, (theta, optimizer), batches)
        return unravel(theta), optimizer, errors, tuple(jnp.mean(column) for column in seen)

    def _action_values(self, online: Policy, windows: Trajectories) -> Array:
        """q(s_t, a_t) of the first step of each window [M]."""
        first = jax.tree.map(lambda leaf: leaf[0], windows.observation)
        values = jax.vmap(online)(first).logits
        chosen = jnp.arange(values.shape[-1])[None, :] == windows.action[0][:, None]
        return jnp.sum(jnp.where(chosen, values, 0.0), axis=-1)

    def _targets(
        self, online: Policy, target: Policy, windows: Trajectories, objective: Objective
    ) -> Array:
        """y of each window [M]; no gradient flows into it."""
        ahead = n_step_returns(windows, objective.discount)
        after = jax.vmap(target)(ahead.observation)
        chooser = jax.vmap(online)(ahead.observation) if self.double_q else None
        value = bootstrap_values(after, chooser)
        bootstrap = jnp.where(ahead.discount == 0.0, 0.0, ahead.discount * value)
        return jax.lax.stop_gradient(ahead.returns + bootstrap)

    def priorities(self, state: DQNState) -> Array | None:
        return state.errors + 1e-6 if self.prioritized else None

    def advice(self, diagnostics: dict[str, float]) -> str | None:
        if not math.isnan(diagnostics["loss"]):
            return None
        return (
            f"dqn never learned: the first update needs learning_starts={self.learning_starts} "
            f"steps and a window of n_step={self.n_step}. Lower them, or raise total_timesteps."
        )

    def solution(self, state: DQNState) -> Policy:
        return state.policy


def _n_actions(policy: Policy) -> int:
    """How many actions a policy chooses from.

    Raises:
      UpslopeError: for a policy that does not choose from one list.
    """
    if isinstance(policy, NormalizedPolicy):
        return _n_actions(policy.policy)
    if isinstance(policy, NetworkPolicy):
        n_actions = getattr(policy.head, "n_actions", None)
        if n_actions is not None:
            return n_actions
    logits = getattr(policy, "logits", None)
    if logits is not None:
        return logits.shape[-1]
    raise UpslopeError(
        f"DQN needs a policy with a preference for each action, and got {type(policy).__name__}: "
        "use policy='softmax', 'convolutional' or 'tabular-softmax'."
    )
