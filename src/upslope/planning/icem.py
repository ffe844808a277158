"""iCEM: the cross-entropy method with coloured noise and memory of its elites."""

from __future__ import annotations

from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.annotations import EnvironmentState, Key, Memory
from upslope.core.checks import UpslopeError, check_choice, check_number
from upslope.core.static_function import as_module
from upslope.environments.environment import Environment
from upslope.objectives.objective import EpisodicReturn, Objective
from upslope.planning.action_sequences import (
    ActionKind,
    GaussianSequences,
    action_kind,
    initial_sequences,
)
from upslope.planning.model_checks import check_model
from upslope.planning.planner import Planner, PlannerOutput
from upslope.planning.simulation import TerminalValue, candidate_returns


class KeptElites(NamedTuple):
    """What one plan leaves to the next: its distribution and its best sequences, moved on."""

    sequences: GaussianSequences
    elites: Array  # [K, H, ...]
    known: Array  # scalar bool: whether there are any


class ImprovedCrossEntropyPlanner(Planner):
    r"""iCEM: the cross-entropy method for control in real time, with few samples.

    To CEM over Gaussian action sequences it adds:

    - *coloured noise*: the deviations of a sequence have the power spectrum
      :math:`\propto 1 / f^\beta` over time, so that what is tried holds on for several steps;
    - *kept elites*: a share of each round's elites competes in the next round, too;
    - *shifted elites*: a share of the last plan's elites, moved on by one step, competes in the
      first round of this one (`warm_start`), each with a new last action;
    - *decay of the population*: round i draws :math:`\max(N \gamma^{-i}, 2 K)` sequences;
    - *the mean is tried*, in the last round;
    - *the best sequence acts* (`act_by`), which a kept elite may be.

    Attributes:
      environment: in which it simulates; its actions are numbers.
      objective: whose discount it counts rewards with.
      n_candidates: N, sequences of the first round. Static.
      n_elites: best sequences of a round, K, to which the next is fitted. Static.
      n_iterations: rounds. Static.
      horizon: H, actions of a sequence. Static.
      n_particles: simulations per candidate, whose returns are averaged. Static.
      std: standard deviation at the beginning, in halves of the range of the actions.
      smoothing: share of the last round's mean and deviation that stays.
      noise_beta: beta, the exponent of the noise's spectrum: 0 is white noise, 2 a random walk.
        Static.
      keep_elites: share of the elites that goes on. Static.
      decay: gamma, by which the population shrinks from round to round. Static.
      act_by: "best" or "mean". In a deterministic model the best of few samples is the better
        choice; where chance or a fitted model's errors decide, the mean exploits them less. Static.
      warm_start: whether a plan begins where the last one ended. Static.
      terminal_value: V(state, observation) after the last action; None for zero.

    Raises:
      UpslopeError: numbers out of their range, more elites than candidates, or actions that are no
        numbers.

    References:
      Pinneri et al. (2020), "Sample-efficient Cross-Entropy Method for Real-time Planning",
      Algorithm 1; Timmer and Koenig (1995) for the noise.
    """

    environment: Environment
    objective: Objective = EpisodicReturn()
    n_candidates: int = eqx.field(static=True, default=64)
    n_elites: int = eqx.field(static=True, default=10)
    n_iterations: int = eqx.field(static=True, default=3)
    horizon: int = eqx.field(static=True, default=20)
    n_particles: int = eqx.field(static=True, default=1)
    std: float = 0.5
    smoothing: float = 0.1
    noise_beta: float = eqx.field(static=True, default=2.0)
    keep_elites: float = eqx.field(static=True, default=0.3)
    decay: float = eqx.field(static=True, default=1.25)
    act_by: Literal["best", "mean"] = eqx.field(static=True, default="best")
    warm_start: bool = eqx.field(static=True, default=True)
    terminal_value: TerminalValue | None = eqx.field(converter=as_module, default=None)
    actions: ActionKind = eqx.field(init=False, static=True)

    def __post_init__(self) -> None:
        owner = type(self).__name__
        check_model(owner, self.environment)
        for name, least in (
            ("n_candidates", 2),
            ("n_elites", 1),
            ("n_iterations", 1),
            ("n_particles", 1),
            ("horizon", 2),
        ):
            check_number(owner, name, getattr(self, name), at_least=least, integer=True)
        if self.n_elites > self.n_candidates:
            raise UpslopeError(
                f"{owner} got n_elites={self.n_elites} of n_candidates={self.n_candidates}: it "
                "cannot keep more than it draws."
            )
        check_number(owner, "std", self.std, above=0.0)
        check_number(owner, "smoothing", self.smoothing, at_least=0.0, below=1.0)
        check_number(owner, "noise_beta", self.noise_beta, at_least=0.0)
        check_number(owner, "keep_elites", self.keep_elites, at_least=0.0, at_most=1.0)
        check_number(owner, "decay", self.decay, at_least=1.0)
        check_choice(owner, "act_by", self.act_by, ["best", "mean"])
        self.actions = action_kind(owner, self.environment)
        if self.actions.n_actions is not None:
            raise UpslopeError(
                f"{owner} got {type(self.environment).__name__} with the actions "
                f"{self.environment.action_space}: coloured noise is of numbers. For choices there "
                "are 'cem', 'rollout' and 'mcts'."
            )

    @property
    def populations(self) -> tuple[int, ...]:
        """Sequences drawn in each round; a round's kept elites and the mean come on top."""
        least = min(self.n_candidates, 2 * self.n_elites)
        return tuple(
            max(int(self.n_candidates / self.decay**i), least) for i in range(self.n_iterations)
        )

    @property
    def n_kept(self) -> int:
        """Elites that compete again."""
        return round(self.keep_elites * self.n_elites)

    @property
    def model_steps(self) -> int:
        kept = self.n_kept * self.n_iterations
        return (sum(self.populations) + kept + 1) * self.n_particles * self.horizon

    @property
    def lookahead(self) -> int | None:
        return self.horizon if self.terminal_value is None else None

    def initial_memory(self) -> Memory:
        if not self.warm_start:
            return ()
        start = self.start()
        elites = jnp.broadcast_to(start.mean, (self.n_elites, *start.mean.shape))
        return KeptElites(start, elites, jnp.zeros((), bool))

    def start(self) -> GaussianSequences:
        """The distribution when nothing is known."""
        start = initial_sequences(self.actions, self.environment, self.horizon, self.std)
        assert isinstance(start, GaussianSequences)
        return start

    def plan(self, key: Key, state: EnvironmentState, memory: Memory) -> PlannerOutput:
        if self.warm_start:
            sequences, elites, known = memory
        else:
            sequences, known = self.start(), jnp.zeros((), bool)
            elites = jnp.broadcast_to(sequences.mean, (self.n_elites, *sequences.mean.shape))
        best, best_score = sequences.mean, -jnp.inf * jnp.ones(())

        last_scores = jnp.zeros(self.n_elites)
        for number, population in enumerate(self.populations):
            noise_key, last_key, model_key = jax.random.split(jax.random.fold_in(key, number), 3)
            noise = coloured_noise(noise_key, self.noise_beta, population, sequences.mean.shape)
            drawn = sequences.clip(sequences.mean[None] + sequences.std[None] * noise)
            kept = elites[: self.n_kept]
            if number == 0 and self.n_kept:
                # The last action of a sequence that was moved on is drawn anew.
                noise = jax.random.normal(last_key, kept[:, -1].shape)
                tail = sequences.initial[None] + sequences.initial_std[None] * noise
                kept = sequences.clip(kept.at[:, -1].set(tail))
                # Nothing to keep yet: more of the same round.
                more = coloured_noise(last_key, self.noise_beta, self.n_kept, sequences.mean.shape)
                more = sequences.clip(sequences.mean[None] + sequences.std[None] * more)
                kept = jnp.where(known, kept, more)
            candidates = jnp.concatenate([drawn, kept])
            if number == self.n_iterations - 1:
                candidates = jnp.concatenate([candidates, sequences.clip(sequences.mean[None])])
            scores = candidate_returns(
                model_key,
                self.environment,
                state,
                candidates,
                self.objective.discount,
                self.n_particles,
                self.terminal_value,
            )
            last_scores, order = jax.lax.top_k(scores, self.n_elites)
            elites = candidates[order]
            weights = jnp.full(self.n_elites, 1.0 / self.n_elites)
            sequences = sequences.fit(elites, weights, jnp.asarray(self.smoothing))
            better = last_scores[0] > best_score
            best = jnp.where(better, elites[0], best)
            best_score = jnp.where(better, last_scores[0], best_score)
        chosen = best if self.act_by == "best" else sequences.clip(sequences.mean[None])[0]
        left: Memory = ()
        if self.warm_start:
            moved = jnp.concatenate([elites[:, 1:], elites[:, -1:]], axis=1)
            left = KeptElites(sequences.shifted(), moved, jnp.ones((), bool))
        finite = jnp.where(jnp.isfinite(last_scores), last_scores, 0.0)
        value = best_score if self.act_by == "best" else jnp.mean(finite)
        return PlannerOutput(action=chosen[0], action_weights=(), value=value, memory=left)


def coloured_noise(key: Key, beta: float, n: int, shape: tuple[int, ...]) -> Array:
    r"""Gaussian noise [n, H, ...] whose power over the H steps is proportional to 1 / f^beta.

    .. math:: \hat\epsilon(f) = f^{-\beta / 2} (z_1 + i z_2), \qquad z \sim N(0, 1)

    Every entry has variance 1 (over the ensemble); entries of one step are independent.

    Args:
      key: consumed.
      beta: 0 for white noise.
      n: how many.
      shape: [H, ...], H at least 2.

    References:
      Timmer and Koenig (1995), "On Generating Power Law Noise".
    """
    horizon = shape[0]
    # The constant part has the power of the lowest frequency.
    scale = np.maximum(np.fft.rfftfreq(horizon), 1.0 / horizon) ** (-beta / 2)
    # The constant part, and the highest of an even number of steps, are real and stand once in the
    # spectrum; the others are complex and stand twice, with their conjugates.
    single = np.arange(len(scale)) == 0
    single[-1] |= horizon % 2 == 0
    power = np.sum(np.where(single, 1, 2) * scale**2) / horizon**2  # of one entry, by Parseval
    scale = scale / np.sqrt(power)
    wide = (1,) * len(shape)
    real_part = (scale * np.where(single, 1.0, np.sqrt(0.5))).reshape(*wide, -1)
    imaginary_part = (scale * np.where(single, 0.0, np.sqrt(0.5))).reshape(*wide, -1)
    real, imaginary = jax.random.normal(key, (2, n, *shape[1:], len(scale)))
    spectrum = real_part * real + 1j * (imaginary_part * imaginary)
    return jnp.moveaxis(jnp.fft.irfft(spectrum, n=horizon, axis=-1), -1, 1)
