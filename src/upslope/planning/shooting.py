"""Shooting: draw sequences of actions, simulate them, refit to the good ones."""

from __future__ import annotations

import abc
from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core import tree
from upslope.core.annotations import EnvironmentState, Memory
from upslope.core.checks import UpslopeError, check_choice, check_number
from upslope.core.static_function import as_module
from upslope.environments.environment import Environment
from upslope.objectives.objective import EpisodicReturn, Objective
from upslope.planning.action_sequences import (
    ActionKind,
    Sequences,
    action_kind,
    initial_sequences,
)
from upslope.planning.model_checks import check_model
from upslope.planning.planner import Planner, PlannerOutput
from upslope.planning.simulation import TerminalValue, candidate_returns


class ShootingPlanner(Planner):
    """Plans with open-loop sequences of H actions, drawn from a distribution that is refitted.

    In every round N sequences are drawn, simulated from the state, and weighed by their returns;
    the distribution is fitted to them. The first action is taken, and the rest, moved on by one
    step, is where the next plan begins (`warm_start`). All candidates of a round meet the same
    randomness, and each round another. A candidate is worth its mean return in `n_particles`
    simulations. Where the environment is undecided (`Environment.hypotheses`: an ensemble), each
    simulation stays in one of its hypotheses: those of a candidate in different ones, and all
    hypotheses in turn among the candidates (PETS calls this TS-infinity).

    The first of discrete actions is one that the environment's `action_mask` allows in the state.
    Those after it are not masked: what an illegal one is worth, the environment says.
    """

    environment: eqx.AbstractVar[Environment]
    objective: eqx.AbstractVar[Objective]
    n_candidates: eqx.AbstractVar[int]
    n_iterations: eqx.AbstractVar[int]
    horizon: eqx.AbstractVar[int]
    n_particles: eqx.AbstractVar[int]
    std: eqx.AbstractVar[float]
    warm_start: eqx.AbstractVar[bool]
    terminal_value: eqx.AbstractVar[TerminalValue | None]
    evenly: ClassVar[bool] = False  # whether candidates ignore the distribution
    actions: ActionKind = eqx.field(init=False, static=True)

    def __post_init__(self) -> None:
        owner = type(self).__name__
        self.actions = action_kind(owner, check_model(owner, self.environment))

    def __check_init__(self) -> None:
        owner = type(self).__name__
        check_number(owner, "n_candidates", self.n_candidates, at_least=2, integer=True)
        check_number(owner, "n_iterations", self.n_iterations, at_least=1, integer=True)
        check_number(owner, "horizon", self.horizon, at_least=1, integer=True)
        check_number(owner, "n_particles", self.n_particles, at_least=1, integer=True)
        check_number(owner, "std", self.std, above=0.0)

    @abc.abstractmethod
    def weigh(self, scores: Array) -> Array:
        """The weights [N], summing to one, of candidates with these returns [N]."""

    @abc.abstractmethod
    def refit(self, sequences: Sequences, candidates: Array, weights: Array) -> Sequences:
        """The distribution after a round."""

    def choose(self, sequences: Sequences, candidates: Array, scores: Array) -> Array:
        """The sequence [H, ...] whose first action is taken, after the last round."""
        return sequences.best_guess

    def start(self) -> Sequences:
        """The distribution when nothing is known."""
        return initial_sequences(self.actions, self.environment, self.horizon, self.std)

    def initial_memory(self) -> Memory:
        return self.start() if self.warm_start else ()

    def plan(self, key: Array, state: EnvironmentState, memory: Memory) -> PlannerOutput:
        mask = self.environment.action_mask(state)

        def masked(sequences: Sequences) -> Sequences:
            return sequences if mask is None else sequences.with_first_among(mask)

        def one_round(
            sequences: Sequences, key: Array
        ) -> tuple[Sequences, tuple[Array, Array, Array]]:
            draw_key, model_key = jax.random.split(key)
            draw = sequences.draw_evenly if self.evenly else sequences.draw
            candidates = draw(draw_key, self.n_candidates)
            scores = candidate_returns(
                model_key,
                self.environment,
                state,
                candidates,
                self.objective.discount,
                self.n_particles,
                self.terminal_value,
            )
            weights = self.weigh(scores)
            fitted = self.refit(sequences, candidates, weights)
            value = jnp.sum(jnp.where(weights > 0, weights * scores, 0.0))
            return masked(fitted), (candidates, scores, value)

        sequences = masked(memory if self.warm_start else self.start())
        keys = jax.random.split(key, self.n_iterations)
        sequences, (candidates, scores, values) = jax.lax.scan(one_round, sequences, keys)
        chosen = self.choose(sequences, *tree.take((candidates, scores), -1))
        return PlannerOutput(
            action=chosen[0],
            action_weights=sequences.action_weights(),
            value=values[-1],
            memory=sequences.shifted() if self.warm_start else (),
        )

    @property
    def model_steps(self) -> int:
        return self.n_iterations * self.n_candidates * self.n_particles * self.horizon

    @property
    def lookahead(self) -> int | None:
        return self.horizon if self.terminal_value is None else None


class CrossEntropyPlanner(ShootingPlanner):
    r"""The cross-entropy method over action sequences.

    .. math:: \mu, \sigma \leftarrow \text{mean and deviation of the } K \text{ best of } N
              \text{ sequences } a_{0:H} \sim N(\mu, \sigma^2)

    The first action of the last elites' **mean** is taken, or that of the best sequence sampled
    (`act_by="best"`), whose return owes more to chance. For discrete actions mean and deviation
    are the elites' frequencies, and the most frequent action is taken.

    Attributes:
      environment: in which it simulates.
      objective: whose discount it counts rewards with.
      n_candidates: N, sequences per round. Static.
      n_elites: K, the best sequences, to which the Gaussian is fitted. Static.
      n_iterations: rounds. Static.
      horizon: H, actions of a sequence. Static.
      n_particles: simulations per candidate, whose returns are averaged. Static.
      std: standard deviation at the beginning, in halves of the range of the actions.
      smoothing: share of the last round's mean and deviation that stays.
      act_by: "mean" or "best". Static.
      warm_start: whether a plan begins where the last one ended. Static.
      terminal_value: V(state, observation) after the last action; None for zero.

    Raises:
      UpslopeError: numbers out of their range, more elites than candidates, or actions that are
        neither Box nor Discrete.

    References:
      Rubinstein and Kroese (2004); Chua et al. (2018), "Deep Reinforcement Learning in a Handful of
      Trials using Probabilistic Dynamics Models".
    """

    environment: Environment
    objective: Objective = EpisodicReturn()
    n_candidates: int = eqx.field(static=True, default=200)
    n_elites: int = eqx.field(static=True, default=20)
    n_iterations: int = eqx.field(static=True, default=4)
    horizon: int = eqx.field(static=True, default=20)
    n_particles: int = eqx.field(static=True, default=1)
    std: float = 1.0
    smoothing: float = 0.0
    act_by: Literal["mean", "best"] = eqx.field(static=True, default="mean")
    warm_start: bool = eqx.field(static=True, default=True)
    terminal_value: TerminalValue | None = eqx.field(converter=as_module, default=None)

    def __check_init__(self) -> None:
        check_number("CrossEntropyPlanner", "n_elites", self.n_elites, at_least=1, integer=True)
        if self.n_elites > self.n_candidates:
            raise UpslopeError(
                f"CrossEntropyPlanner got n_elites={self.n_elites} of "
                f"n_candidates={self.n_candidates}: it cannot keep more than it draws."
            )
        check_number("CrossEntropyPlanner", "smoothing", self.smoothing, at_least=0.0, below=1.0)
        check_choice("CrossEntropyPlanner", "act_by", self.act_by, ["mean", "best"])

    def weigh(self, scores: Array) -> Array:
        _, elites = jax.lax.top_k(scores, self.n_elites)
        return jnp.zeros_like(scores).at[elites].set(1.0 / self.n_elites)

    def refit(self, sequences: Sequences, candidates: Array, weights: Array) -> Sequences:
        return sequences.fit(candidates, weights, jnp.asarray(self.smoothing))

    def choose(self, sequences: Sequences, candidates: Array, scores: Array) -> Array:
        return candidates[jnp.argmax(scores)] if self.act_by == "best" else sequences.best_guess


class MPPI(ShootingPlanner):
    r"""Model predictive path integral control: candidates averaged by exponentiated returns.

    .. math:: \mu \leftarrow \sum_i w_i a^i, \qquad
              w_i \propto \exp\big((R_i - \max_j R_j) / \lambda\big)

    The deviation stays as it is. Where no return is finite the weights are the limits: even among
    the candidates of the greatest return, be it +inf or (where every simulation diverged) -inf.

    Attributes:
      environment: in which it simulates.
      objective: whose discount it counts rewards with.
      n_candidates: sequences per round. Static.
      n_iterations: rounds. Static.
      horizon: H, actions of a sequence. Static.
      n_particles: simulations per candidate, whose returns are averaged. Static.
      std: standard deviation of the noise, in halves of the range of the actions.
      temperature: lambda, the temperature of the weights, in units of the return.
      warm_start: whether a plan begins where the last one ended. Static.
      terminal_value: V(state, observation) after the last action; None for zero.

    Raises:
      UpslopeError: numbers out of their range, or actions that are neither Box nor Discrete.

    References:
      Williams et al. (2017), "Information Theoretic MPC for Model-Based Reinforcement Learning".
    """

    environment: Environment
    objective: Objective = EpisodicReturn()
    n_candidates: int = eqx.field(static=True, default=400)
    n_iterations: int = eqx.field(static=True, default=2)
    horizon: int = eqx.field(static=True, default=20)
    n_particles: int = eqx.field(static=True, default=1)
    std: float = 0.5
    temperature: float = 1.0
    warm_start: bool = eqx.field(static=True, default=True)
    terminal_value: TerminalValue | None = eqx.field(converter=as_module, default=None)

    def __check_init__(self) -> None:
        check_number("MPPI", "temperature", self.temperature, above=0.0)

    def weigh(self, scores: Array) -> Array:
        best = jnp.max(scores)
        # An infinity minus itself is NaN: the best are set to zero, not subtracted.
        behind = jnp.where(scores == best, 0.0, scores - best)
        return jax.nn.softmax(behind / self.temperature)

    def refit(self, sequences: Sequences, candidates: Array, weights: Array) -> Sequences:
        return sequences.fit(candidates, weights, jnp.zeros(())).with_initial_spread()


class RandomShooting(ShootingPlanner):
    """Sequences drawn evenly, the best of which acts. The baseline of all planners.

    Attributes:
      environment: in which it simulates.
      objective: whose discount it counts rewards with.
      n_candidates: sequences per plan. Static.
      horizon: H, actions of a sequence. Static.
      n_particles: simulations per candidate, whose returns are averaged. Static.
      terminal_value: V(state, observation) after the last action; None for zero.

    Raises:
      UpslopeError: numbers out of their range, or actions that are neither Box nor Discrete.

    References:
      Nagabandi et al. (2018), "Neural Network Dynamics for Model-Based Deep Reinforcement Learning
      with Model-Free Fine-Tuning".
    """

    evenly: ClassVar[bool] = True
    n_iterations: ClassVar[int] = 1
    std: ClassVar[float] = 1.0
    warm_start: ClassVar[bool] = False
    environment: Environment
    objective: Objective = EpisodicReturn()
    n_candidates: int = eqx.field(static=True, default=1000)
    horizon: int = eqx.field(static=True, default=20)
    n_particles: int = eqx.field(static=True, default=1)
    terminal_value: TerminalValue | None = eqx.field(converter=as_module, default=None)

    def weigh(self, scores: Array) -> Array:
        return jax.nn.one_hot(jnp.argmax(scores), scores.shape[0])

    def refit(self, sequences: Sequences, candidates: Array, weights: Array) -> Sequences:
        return sequences.fit(candidates, weights, jnp.zeros(()))
