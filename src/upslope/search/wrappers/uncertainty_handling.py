"""Uncertainty handling: as many evaluations as the ranking of a population needs."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core import tree
from upslope.core.checks import UpslopeError, check_number
from upslope.core.moments import Moments
from upslope.core.records import Returns
from upslope.objectives.objective import Objective
from upslope.policies.actor import observation_moments
from upslope.policies.policy import Policy
from upslope.sampling.experience import EpisodeReturns
from upslope.search.evolution.candidate_returns import unknown_diagnostics
from upslope.search.evolution.cma.cma_es import CMAES, CMAESState
from upslope.search.wrappers.method_wrapper import (
    MethodWrapper,
    blank_candidates,
    gathered,
    no_moments,
)

# Of the paper and of its authors' present code: the latter's where they differ.
ACCEPTED = 0.5  # share of random rank changes that is no reason to worry
MEMORY = 0.3  # weight of a new measurement


class UncertaintyHandlingState(NamedTuple):
    """Where the measuring stands."""

    inner: CMAESState
    candidates: Policy  # leaves [P + R, ...]; the last R repeat the first
    totals: Array  # [P + R] sum of the returns so far
    turns: Array  # scalar int: how often the present population has been evaluated
    evaluations: Array  # scalar float: how often the next one shall be
    uncertainty: Array  # scalar: s, above 0 where noise decides the ranking
    moments: Moments | None  # of what all turns saw
    diagnostics: Any  # of the last update


class UncertaintyHandlingDiagnostics(NamedTuple):
    """What its users look at: those of CMA-ES, and of the noise."""

    best: Array
    population_mean: Array
    sigma: Array
    std: Array
    axis_ratio: Array
    stop: Array
    restarts: Array
    uncertainty: Array  # s, above 0 where noise decides the ranking
    evaluations: Array  # turns of every candidate


class UncertaintyHandlingCMAES(MethodWrapper[UncertaintyHandlingState]):
    r"""CMA-ES that evaluates some candidates again and asks whether their ranks stand.

    .. math:: s = \frac1R \sum_{i \le R} |\Delta_i| - \tfrac12 \big(
              \Delta^\text{lim}(\rho_i) + \Delta^\text{lim}(\rho'_i) \big), \qquad
              \bar s \leftarrow 0.7 \bar s + 0.3 s

    Delta_i is how many ranks lie between the two values of candidate i among all values, and
    Delta^lim a quarter-quantile of the changes that pure chance would make. While the mean s is
    positive, every candidate gets `growth` times as many evaluations, up to `max_evaluations`, and
    once those are reached sigma grows by 1 + 2 / (D + 10), so that the signal outgrows the noise;
    while it is not, evaluations fall back by `growth`^(-1/4). A candidate's value is the mean of
    all its evaluations. An update takes as many iterations of the loop as evaluations; what the
    method shows stays as it was in between.

    Attributes:
      method: the CMA-ES, without restarts.
      reevaluated: R, how many candidates have a second set of evaluations. Static.
      max_evaluations: of a candidate, in units of `episodes_per_candidate`.
      growth: of the evaluations.

    Raises:
      UpslopeError: common random numbers, which would hide the noise that is to be measured;
        restarts; numbers out of range.

    References:
      Hansen, Niederberger, Guzzella and Koumoutsakos (2009), algorithms 2 and 3; the constants
      0.5 and 0.3, the weighing of the limits and the slower way down are those of pycma's
      `NoiseHandler`.
    """

    name: ClassVar[str] = "cma-es"
    method: CMAES
    reevaluated: int = eqx.field(static=True)
    max_evaluations: float | Array = 32.0
    growth: float | Array = 1.5

    def __check_init__(self) -> None:
        owner = "CMAES with uncertainty_handling"
        check_number(owner, "max_evaluations", self.max_evaluations, at_least=1)
        check_number(owner, "growth", self.growth, above=1)
        check_handling(self.method)

    @property
    def experience(self) -> EpisodeReturns:
        inner = self.method.experience
        return EpisodeReturns(
            inner.population_size + self.reevaluated, inner.episodes_per_candidate
        )

    def init(self, key: Array, policy: Policy, objective: Objective) -> UncertaintyHandlingState:
        inner = self.method.init(key, policy, objective)
        blank = blank_candidates(self.method, key, inner)
        moments = observation_moments(policy)
        known = unknown_diagnostics(self.method, key, inner, blank, objective, moments)
        one = jnp.ones(())
        return UncertaintyHandlingState(
            inner=inner,
            candidates=self._repeated(blank),
            totals=jnp.zeros(self.experience.population_size),
            turns=jnp.zeros((), int),
            evaluations=one,
            uncertainty=0.0 * one,
            moments=no_moments(policy),
            diagnostics=UncertaintyHandlingDiagnostics(
                **known._asdict(), uncertainty=0.0 * one, evaluations=one
            ),
        )

    def _repeated(self, candidates: Policy) -> Policy:
        first = self.reevaluated
        return jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf[:first]]), candidates)

    def ask(self, key: Array, state: UncertaintyHandlingState) -> Policy:
        fresh = self._repeated(self.method.ask(key, state.inner))
        return tree.where(state.turns == 0, fresh, state.candidates)

    def tell(
        self,
        key: Array,
        state: UncertaintyHandlingState,
        candidates: Policy,
        experience: Returns,
        objective: Objective,
    ) -> tuple[UncertaintyHandlingState, UncertaintyHandlingDiagnostics]:
        first = state.turns == 0
        returns = jnp.mean(experience.returns, axis=1).astype(state.totals.dtype)
        totals = jnp.where(first, 0.0, state.totals) + returns
        turns = state.turns + 1
        moments = gathered(state.moments, experience.moments, first)

        def complete() -> Any:
            return self._updated(key, state, candidates, totals / turns, moments, objective)

        def wait() -> Any:
            return state.inner, state.evaluations, state.uncertainty, state.diagnostics

        done = turns >= jnp.floor(state.evaluations)
        inner, evaluations, uncertainty, diagnostics = jax.lax.cond(done, complete, wait)
        new = UncertaintyHandlingState(
            inner=inner,
            candidates=candidates,
            totals=totals,
            turns=jnp.where(done, 0, turns),
            evaluations=evaluations,
            uncertainty=uncertainty,
            moments=moments,
            diagnostics=diagnostics,
        )
        return new, diagnostics

    def _updated(
        self,
        key: Array,
        state: UncertaintyHandlingState,
        candidates: Policy,
        means: Array,
        moments: Moments | None,
        objective: Objective,
    ) -> Any:
        again = self.reevaluated
        size = means.size - again
        old, new = means[:size], means[size:]
        measured = rank_changes(old, new)
        uncertainty = state.uncertainty + MEMORY * (measured - state.uncertainty)
        both = old.at[:again].set(0.5 * (old[:again] + new))
        population = jax.tree.map(lambda leaf: leaf[:size], candidates)
        result = Returns(both[:, None], jnp.ones((size, 1), int), moments)
        inner, known = self.method.tell(key, state.inner, population, result, objective)
        most = jnp.asarray(self.max_evaluations, means.dtype)
        noisy, full = uncertainty > 0, state.evaluations >= most
        fewer = jnp.maximum(state.evaluations * self.growth**-0.25, 1.0)
        more = jnp.minimum(state.evaluations * self.growth, most)
        dimension = inner.run.mean.size
        widened = jnp.where(noisy & full, 1 + 2 / (dimension + 10), 1.0)
        sigma = inner.run.sigma * widened.astype(inner.run.sigma.dtype)
        inner = inner._replace(run=inner.run._replace(sigma=sigma))
        diagnostics = UncertaintyHandlingDiagnostics(
            **known._asdict(), uncertainty=uncertainty, evaluations=state.evaluations
        )
        return inner, jnp.where(noisy, more, fewer), uncertainty, diagnostics

    def advice(self, diagnostics: dict[str, float]) -> str | None:
        if diagnostics.get("uncertainty", 0.0) > 0 and diagnostics.get(
            "evaluations", 0.0
        ) >= 0.9 * float(self.max_evaluations):
            return (
                "Noise still decided the ranking at max_evaluations: raise max_evaluations or "
                "episodes_per_candidate."
            )
        return super().advice(diagnostics)


def check_handling(method: CMAES) -> None:
    """Refuses what uncertainty handling does not go with.

    Raises:
      UpslopeError: names the setting and what to do.
    """
    reasons = {
        "common_random_numbers": (False, "they would hide the noise that is to be measured"),
        "restarts": ("none", "its populations change in size"),
    }
    for name, (needed, why) in reasons.items():
        if getattr(method, name) != needed:
            raise UpslopeError(
                f"CMAES has uncertainty_handling with {name}={getattr(method, name)!r}: {why}. "
                f"Set {name}={needed!r}."
            )


def rank_changes(old: Array, new: Array) -> Array:
    r"""How much more the ranks changed than chance is allowed to change them; a scalar.

    Args:
      old: values [P].
      new: values [R] of the first R candidates, evaluated again.

    References:
      Hansen et al. (2009), algorithm 2, with the limits of pycma's `NoiseHandler.update_measure`:
      all P candidates stand in both lists, those not evaluated again with their old value.
    """
    size, again = old.size, new.size
    second = old.at[:again].set(new)
    # The smaller the value the better in the source: what matters is the distance of ranks alone.
    values = jnp.concatenate([old, second])
    values = -jnp.where(jnp.isnan(values), -jnp.inf, values)
    ranks = jnp.argsort(jnp.argsort(values, stable=True), stable=True)
    was, now = ranks[:size][:again], ranks[size:][:again]
    change = jnp.abs(was - now - jnp.sign(was - now))
    steps = jnp.arange(1, 2 * size)

    def limit(rank: Array, behind: Array) -> Array:
        distances = jnp.abs(steps[None] - (rank + 1 - behind)[:, None])
        return hazen_quantile(jnp.sort(distances.astype(float), axis=1), ACCEPTED / 2)

    limits = 0.5 * (limit(was, was > now) + limit(now, now > was))
    return jnp.mean(change - limits).astype(old.dtype)


def hazen_quantile(ordered: Array, share: float) -> Array:
    """The quantile [R] of rows [R, N] in ascending order, where row i stands at (i + 1/2) / N.

    References:
      Hyndman and Fan (1996), definition 5.
    """
    count = ordered.shape[1]
    place = min(max(share * count - 0.5, 0.0), count - 1.0)
    below = min(int(place), count - 2)
    part = place - below
    return (1 - part) * ordered[:, below] + part * ordered[:, below + 1]
