"""Soft actor-critic: the skeleton of an off-policy method with critics of its own.

Copy it to `src/upslope/search/<family>/<name>.py`, and say in the first line what yours is.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jax import Array
from jax.flatten_util import ravel_pytree

from upslope.core.annotations import Key, Observation, PyTree
from upslope.core.checks import UpslopeError, check_number
from upslope.core.records import Replayed, Trajectories
from upslope.core.tree import ravel_parameters
from upslope.objectives.objective import Objective
from upslope.policies.critics import ActionValue, action_value
from upslope.policies.policy import Policy
from upslope.sampling.experience import Replay, Steps
from upslope.search.gradient.optimizer import ascend, start_ascent
from upslope.search.search_method import Defaults, ProblemSpec, SearchMethod
from upslope.search.value_based.targets import n_step_returns

Critics: TypeAlias = tuple[ActionValue, ActionValue]  # q_1 and q_2


class Learnt(NamedTuple):
    """What the updates of an iteration move."""

    policy: Policy
    critics: Critics
    targets: Critics  # which lag behind
    log_temperature: Array  # log alpha [1]
    optimizers: tuple[PyTree, ...]  # of policy, critics and temperature


class SoftActorCriticState(NamedTuple):
    """What the next iteration needs. The buffer is the sampler's, not the method's."""

    learnt: Learnt
    steps: Array  # scalar int: environment steps taken


class SoftActorCriticDiagnostics(NamedTuple):
    """What its users look at; logged under these names. NaN before the first update."""

    critic_loss: Array
    action_value: Array  # mean q of the steps drawn
    entropy: Array  # nats, estimated by -log pi of drawn actions
    temperature: Array


class SoftActorCritic(SearchMethod[SoftActorCriticState, Replayed]):
    r"""Two critics, a stochastic policy that ascends them, and a temperature that keeps it random.

    .. math:: y = r + \gamma \big(\min_i q'_i(s', a') - \alpha \log \pi(a'|s')\big), \quad
              a' \sim \pi(\cdot|s'), \qquad
              J_\pi = E\big[\min_i q_i(s, a) - \alpha \log \pi(a|s)\big]

    The gradient of J_pi flows through the action, which is a function of noise and parameters; the
    temperature moves until the entropy is the target's. No guarantee with networks. A target is
    bootstrapped where an episode was truncated, and not where it terminated.

    Attributes:
      n_envs: streams sampled side by side. Static.
      train_freq: steps of each stream per iteration. Static.
      gradient_steps: updates per iteration. Static.
      batch_size: steps per update. Static.
      buffer_size: steps kept. Static.
      learning_starts: steps before the first update.
      learning_rate: Adam's, of policy, critics and temperature.
      tau: share of the critics that moves into their targets at every update.
      ent_coef_init: alpha at the start.
      target_entropy: nats; None for minus the number of action components, as of actions scaled
        to [-1, 1].
      action_size: components of an action; `configure` sets it. Static.

    Raises:
      UpslopeError: from `configure`: actions that are not numbers within bounds.

    References:
      Haarnoja et al. (2018), "Soft Actor-Critic Algorithms and Applications", algorithm 1.
    """

    name: ClassVar[str] = "soft-actor-critic"
    defaults: ClassVar[Defaults] = Defaults(policy="squashed-gaussian", objective="discounted")
    n_envs: int = eqx.field(static=True, default=1)
    train_freq: int = eqx.field(static=True, default=1)
    gradient_steps: int = eqx.field(static=True, default=1)
    batch_size: int = eqx.field(static=True, default=256)
    buffer_size: int = eqx.field(static=True, default=100_000)
    learning_starts: int | Array = 100
    learning_rate: float | Array = 3e-4
    tau: float | Array = 0.005
    ent_coef_init: float | Array = 1.0
    target_entropy: float | Array | None = None
    action_size: int = eqx.field(static=True, default=0)

    def __check_init__(self) -> None:
        owner = "SoftActorCritic"
        for name in ("n_envs", "train_freq", "gradient_steps", "batch_size", "buffer_size"):
            check_number(owner, name, getattr(self, name), at_least=1, integer=True)
        check_number(owner, "learning_starts", self.learning_starts, at_least=0)
        for name in ("learning_rate", "ent_coef_init"):
            check_number(owner, name, getattr(self, name), above=0)
        check_number(owner, "tau", self.tau, above=0, at_most=1)

    @property
    def experience(self) -> Replay:
        return Replay(
            fresh=Steps(self.n_envs, self.train_freq),
            capacity=self.buffer_size,
            n_batches=self.gradient_steps,
            batch_size=self.batch_size,
        )

    def configure(self, spec: ProblemSpec) -> SoftActorCritic:
        space = spec.action_space
        if not isinstance(space, spaces.Box) or not space.is_bounded():
            raise UpslopeError(
                f"SoftActorCritic needs actions that are numbers within bounds, Box(low, high), "
                f"and got {space}: use dqn for choices from one list, ppo for other actions."
            )
        # log pi is the density of the action itself, so that the size of its box counts.
        entropy = float(np.sum(np.log(0.5 * (space.high - space.low)))) - space.low.size
        return dataclasses.replace(
            self,
            action_size=space.low.size,
            target_entropy=entropy if self.target_entropy is None else self.target_entropy,
        )

    def init(self, key: Key, policy: Policy, objective: Objective) -> SoftActorCriticState:
        first, second = jax.random.split(key)
        critics = (
            action_value(first, policy, self.action_size),
            action_value(second, policy, self.action_size),
        )
        log_temperature = jnp.log(jnp.full(1, self.ent_coef_init, float))
        optimizers = tuple(
            start_ascent("adam", theta)
            for theta in (ravel_parameters(policy)[0], ravel_pytree(critics)[0], log_temperature)
        )
        learnt = Learnt(policy, critics, critics, log_temperature, optimizers)
        return SoftActorCriticState(learnt, jnp.zeros((), int))

    def ask(self, key: Key, state: SoftActorCriticState) -> Policy:
        return state.learnt.policy

    def tell(
        self,
        key: Key,
        state: SoftActorCriticState,
        candidates: Policy,
        experience: Replayed,
        objective: Objective,
    ) -> tuple[SoftActorCriticState, SoftActorCriticDiagnostics]:
        steps = state.steps + self.n_envs * self.train_freq
        enough = jnp.minimum(self.learning_starts, self.buffer_size)
        learns = (experience.filled >= enough) & jnp.any(experience.weights > 0)

        def update(learnt: Learnt, drawn: tuple[Array, Trajectories, Array]):
            return self._update(*drawn, learnt, objective)

        def learn():
            keys = jax.random.split(key, self.gradient_steps)
            drawn = (keys, experience.batches, experience.weights)
            learnt, seen = jax.lax.scan(update, state.learnt, drawn)
            return learnt, jax.tree.map(jnp.mean, seen)

        def wait():
            _, seen = jax.eval_shape(learn)
            return state.learnt, jax.tree.map(lambda x: jnp.full(x.shape, jnp.nan, x.dtype), seen)

        learnt, diagnostics = jax.lax.cond(learns, learn, wait)
        return SoftActorCriticState(learnt, steps), diagnostics

    def _update(
        self,
        key: Key,
        windows: Trajectories,  # [1, M, ...]
        weights: Array,  # [M], 0 where there is nothing to draw
        learnt: Learnt,
        objective: Objective,
    ) -> tuple[Learnt, SoftActorCriticDiagnostics]:
        """One step of the critics, the policy, the temperature and the targets."""
        next_key, now_key = jax.random.split(key)
        alpha = jnp.exp(learnt.log_temperature[0])
        first = jax.tree.map(lambda leaf: leaf[0], windows.observation)
        ahead = n_step_returns(windows, objective.discount)

        def acted(policy: Policy, key: Key, observation: Observation) -> tuple[Array, Array]:
            keys = jax.random.split(key, weights.shape[0])
            draw = lambda key, o: policy(o).sample_and_log_prob(key)  # noqa: E731
            return jax.vmap(draw)(keys, observation)

        def values(critics: Critics, observation: Observation, action: Array) -> Array:
            """q_i(s, a) of both critics, [2, M]."""
            seen = jax.vmap(learnt.policy.normalize)(observation)
            value = lambda q: jax.vmap(lambda s, a: q(s, action=a))(seen, action)  # noqa: E731
            return jnp.stack([value(q) for q in critics])

        # The critics, towards y.
        action, log_prob = acted(learnt.policy, next_key, ahead.observation)
        following = jnp.min(values(learnt.targets, ahead.observation, action), axis=0)
        soft = jnp.where(
            ahead.discount == 0.0, 0.0, ahead.discount * (following - alpha * log_prob)
        )
        y = jax.lax.stop_gradient(ahead.returns + soft)
        flat_critics, as_critics = ravel_pytree(learnt.critics)

        def fit(theta: Array) -> tuple[Array, Array]:
            q = values(as_critics(theta), first, windows.action[0])
            return -0.5 * jnp.mean(weights * jnp.sum(jnp.square(y[None] - q), axis=0)), jnp.mean(q)

        (fitted, mean_value), slope = jax.value_and_grad(fit, has_aux=True)(flat_critics)
        of_policy, of_critics, of_temperature = learnt.optimizers
        flat_critics, of_critics = ascend(
            "adam", of_critics, flat_critics, slope, self.learning_rate
        )
        critics = as_critics(flat_critics)

        # The policy, uphill on the critics; its draw depends on its parameters.
        flat_policy, as_policy = ravel_parameters(learnt.policy)

        def climb(theta: Array) -> tuple[Array, Array]:
            action, log_prob = acted(as_policy(theta), now_key, first)
            worth = jnp.min(values(critics, first, action), axis=0) - alpha * log_prob
            return jnp.mean(weights * worth), -jnp.mean(log_prob)

        slope, entropy = jax.grad(climb, has_aux=True)(flat_policy)
        flat_policy, of_policy = ascend("adam", of_policy, flat_policy, slope, self.learning_rate)

        # The temperature, up while the entropy is below its target.
        log_temperature, of_temperature = ascend(
            "adam",
            of_temperature,
            learnt.log_temperature,
            jnp.full(1, self.target_entropy) - entropy,
            self.learning_rate,
        )
        targets = jax.tree.map(
            lambda old, new: old + self.tau * (new - old), learnt.targets, critics
        )
        new = Learnt(
            policy=as_policy(flat_policy),
            critics=critics,
            targets=targets,
            log_temperature=log_temperature,
            optimizers=(of_policy, of_critics, of_temperature),
        )
        return new, SoftActorCriticDiagnostics(
            critic_loss=-fitted, action_value=mean_value, entropy=entropy, temperature=alpha
        )

    def solution(self, state: SoftActorCriticState) -> Policy:
        return state.learnt.policy
