"""Covariance matrix adaptation evolution strategy."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import UpslopeError, check_choice, check_number
from upslope.core.records import Returns
from upslope.core.tree import ravel_parameters
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy
from upslope.sampling.experience import EpisodeReturns
from upslope.search.evolution.candidate_returns import finite_mean, observed, ranked_returns
from upslope.search.evolution.cma.box_transform import BoxTransform
from upslope.search.evolution.cma.descent import Descent, advance, start_run
from upslope.search.evolution.cma.margin import IntegerLattice, with_margin
from upslope.search.evolution.cma.restarts import Restarts, parameters_at, restarted, start_restarts
from upslope.search.evolution.cma.search_distribution import SearchDistribution
from upslope.search.evolution.cma.stopping import (
    REASONS,
    has_converged,
    looked_at,
    stopping_reasons,
)
from upslope.search.evolution.cma.strategy_parameters import (
    MAX_FULL,
    StrategyParameters,
    default_population_size,
    strategy_parameters,
)
from upslope.search.search_method import Defaults, SearchMethod

OWNER = "CMAES"
COVARIANCES = ("full", "separable")
RESTARTS = ("none", "ipop", "bipop")


class CMAESState(NamedTuple):
    """What the next iteration needs."""

    policy: Policy  # at the mean (with its observation moments)
    run: Descent
    restarts: Restarts | None
    stop: Array  # scalar int: why the run stands still, see `stopping_reasons`; 0 for no reason


class CMAESDiagnostics(NamedTuple):
    """What its users look at."""

    best: Array  # best mean return of a candidate in this iteration (optimistic: a maximum)
    population_mean: Array
    sigma: Array
    std: Array  # mean standard deviation of a parameter
    axis_ratio: Array  # the Gaussian's longest axis by its shortest
    stop: Array  # reasons to stop as bits of an integer: `stopping_reasons(stop)` names them
    restarts: Array  # how often the search has begun anew


class CMAES(SearchMethod[CMAESState, Returns]):
    r"""Draws policies from a Gaussian whose mean, step size and covariance follow the best ones.

    .. math:: \theta_p = m + \sigma y_p, \quad y_p \sim \mathcal N(0, C), \qquad
              m \leftarrow m + \sigma \bar y, \quad \bar y = \sum_{i \le \mu} w_i y_{i:P}, \qquad
              p_\sigma \leftarrow (1 - c_\sigma) p_\sigma
              + \sqrt{c_\sigma (2 - c_\sigma) \mu_\text{eff}} \, C^{-1/2} \bar y, \qquad
              \sigma \leftarrow \sigma \exp\Big(\frac{c_\sigma}{d_\sigma}
              \Big(\frac{|p_\sigma|}{E|\mathcal N(0, I)|} - 1\Big)\Big), \qquad
              p_c \leftarrow (1 - c_c) p_c
              + h \sqrt{c_c (2 - c_c) \mu_\text{eff}} \, \bar y, \qquad
              C \leftarrow (1 - c_1 - c_\mu \textstyle\sum_i w_i) C + c_1 p_c p_c^\top
              + c_\mu \sum_i w_i y_{i:P} y_{i:P}^\top

    Invariant under monotone maps of the return and, with the full covariance, under rotations of
    theta. Rates, weights and damping are the published functions of D and P, nothing is to be
    tuned but `std` and `population_size`; `default_population_size(D)` is the published 4 + 3 ln D.
    A NaN return counts as the worst. Where the objective is flat or the run has converged, `stop`
    says so and why. Initial `std` should be about a quarter of the distance within which the
    optimum is expected.

    Attributes:
      population_size: P, candidates per iteration. Static.
      episodes_per_candidate: episodes whose mean return ranks a candidate. Static.
      std: initial sigma, in units of theta.
      covariance: `"full"`, for up to 5000 parameters, or `"separable"`: a variance for each
        parameter, linear in their number. Static.
      active: let the worst candidates shrink the covariance in their directions. Static.
      restarts: what follows when a run stops: `"none"` nothing, `"ipop"` runs of doubled
        populations, `"bipop"` those and small ones in turn. Static.
      max_doublings: populations grow to at most 2^that P. Static.
      lower: bound of every parameter, a number or a vector [D]; None for none.
      upper: the other bound.
      integers: which parameters are whole numbers; None for none. Candidates come unrounded, and
        `IntegerLattice.rounded` makes of them what is evaluated; a margin of probability 1 / (D P)
        keeps the neighbours of the mean's whole numbers in reach.
      distribution: the mean and the covariance to begin with, instead of the policy's parameters
        and I; None for those.
      decomposition_gap: C is factorised anew after that / (D (c_1 + c_mu)) updates.
      tolfun: stop when returns, of this population and the best of recent ones, differ by less.
      tolfunhist: stop when the best returns of recent populations differ by less.
      tolx: stop when no parameter varies by more.
      tolfacupx: stop when a standard deviation has grown by more.
      tolconditioncov: stop when the condition number of C is larger.
      common_random_numbers: all candidates of an iteration meet the same randomness. Static.

    Raises:
      UpslopeError: for a population below 2, for more than 5000 parameters with a full covariance,
        for bounds that are crossed or that the start violates.

    References:
      Hansen (2016), arXiv:1604.00772, figure 6; Jastrebski and Arnold (2006) for `active`; Ros and
      Hansen (2008) for `"separable"`; Auger and Hansen (2005) and Hansen (2009) for restarts;
      Hamano et al. (2022) for `integers`.
    """

    name: ClassVar[str] = "cma-es"
    defaults: ClassVar[Defaults] = Defaults(policy="deterministic")
    population_size: int = eqx.field(static=True, default=32)
    episodes_per_candidate: int = eqx.field(static=True, default=1)
    std: float | Array = 0.5
    covariance: Literal["full", "separable"] = eqx.field(static=True, default="full")
    active: bool = eqx.field(static=True, default=True)
    restarts: Literal["none", "ipop", "bipop"] = eqx.field(static=True, default="none")
    max_doublings: int = eqx.field(static=True, default=6)
    lower: float | Array | None = None
    upper: float | Array | None = None
    integers: IntegerLattice | None = None
    distribution: SearchDistribution | None = None
    decomposition_gap: float | Array = 0.5
    tolfun: float | Array = 1e-11
    tolfunhist: float | Array = 1e-12
    tolx: float | Array = 1e-11
    tolfacupx: float | Array = 1e3
    tolconditioncov: float | Array = 1e14
    common_random_numbers: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        check = lambda name, **limits: check_number(OWNER, name, getattr(self, name), **limits)  # noqa: E731
        check("population_size", at_least=2, integer=True)
        check("episodes_per_candidate", at_least=1, integer=True)
        check("std", above=0)
        check("max_doublings", at_least=1, at_most=12, integer=True)
        check("tolfacupx", above=1)
        for name in ("decomposition_gap", "tolfun", "tolfunhist", "tolx", "tolconditioncov"):
            check(name, at_least=0)
        check_choice(OWNER, "covariance", self.covariance, COVARIANCES)
        check_choice(OWNER, "restarts", self.restarts, RESTARTS)
        BoxTransform(self.lower, self.upper)
        if self.integers is not None and not isinstance(self.integers, IntegerLattice):
            raise UpslopeError(
                f"{OWNER} got integers={self.integers!r:.80}: must be an IntegerLattice. "
                "`minimize` makes it of integrality=[0, 1, 1], in SciPy's words."
            )
        if self.integers is not None and self.box.active:
            raise UpslopeError(
                f"{OWNER} got integers= and lower= or upper=: bounds of whole numbers are part of "
                "the IntegerLattice; give the others by the bounds= of `minimize`."
            )

    def population_for(self, dimension: int) -> int:
        return default_population_size(dimension)

    @property
    def experience(self) -> EpisodeReturns:
        return EpisodeReturns(
            self.population_size, self.episodes_per_candidate, self.common_random_numbers
        )

    @property
    def box(self) -> BoxTransform:
        """What keeps candidates within the bounds."""
        return BoxTransform(self.lower, self.upper)

    def init(self, key: Array, policy: Policy, objective: Objective) -> CMAESState:
        policy = jax.tree.map(jnp.asarray, policy)
        theta, _ = ravel_parameters(policy)
        separable = self.covariance == "separable"
        if theta.size > MAX_FULL and not separable:
            raise UpslopeError(
                f"{OWNER} got a policy of {theta.size} parameters: a full covariance matrix of "
                f"more than {MAX_FULL} is too large. Use covariance='separable' (the method "
                "'sep-cma-es'), or 'openai-es'."
            )
        self.box.check(theta)
        mean = self.box.inverse(theta)
        run = start_run(
            mean,
            self.std,
            self.population_size,
            separable=separable,
            integers=self.integers is not None,
        )
        if self.distribution is not None:
            self.distribution.check(theta.size, separable=separable)
            mean = jnp.asarray(self.distribution.mean, mean.dtype)
            shape = jax.tree.map(jnp.asarray, self.distribution.shape)
            run = run._replace(mean=mean, shape=shape)
        restarts = None
        if self.restarts != "none":
            restarts = start_restarts(mean, self.population_size, self.max_doublings)
        return CMAESState(policy, run, restarts, jnp.zeros((), int))

    def ask(self, key: Array, state: CMAESState) -> Policy:
        run, (_, unravel) = state.run, ravel_parameters(state.policy)
        noise = jax.random.normal(key, (self.population_size, run.mean.size), run.mean.dtype)
        steps = run.sigma * run.shape.shaped(noise)
        if run.scale is not None:
            steps = run.scale[None] * steps
        points = run.mean[None] + steps
        return jax.vmap(lambda point: unravel(self.box(point)))(points)

    def tell(
        self,
        key: Array,
        state: CMAESState,
        candidates: Policy,
        experience: Returns,
        objective: Objective,
    ) -> tuple[CMAESState, CMAESDiagnostics]:
        theta = jax.vmap(lambda policy: ravel_parameters(policy)[0])(candidates)
        returns = ranked_returns(experience).astype(theta.dtype)
        run = state.run
        steps = (jax.vmap(self.box.inverse)(theta) - run.mean[None]) / run.sigma
        if run.scale is not None:
            steps = steps / run.scale[None]
        if state.restarts is None:
            parameters = strategy_parameters(
                run.mean.size,
                self.population_size,
                active=self.active,
                separable=self.covariance == "separable",
            )
            run = self._advance(run, steps, returns, parameters, self.population_size)
            restarts, best_mean, stop = None, run.mean, run.history.stop
        else:
            run, restarts, stop = self._gather(key, state, state.restarts, steps, returns)
            ahead = run.history.best_recent >= restarts.best_return
            best_mean = jnp.where(ahead, run.mean, restarts.best_mean)
        policy = ravel_parameters(state.policy)[1](self.box(best_mean))
        diagnostics = CMAESDiagnostics(
            best=jnp.max(returns),
            population_mean=finite_mean(returns),
            sigma=run.sigma,
            std=run.sigma * jnp.mean(run.shape.stds),
            axis_ratio=run.shape.axis_ratio,
            stop=stop,
            restarts=jnp.zeros((), int) if restarts is None else restarts.count,
        )
        policy = observed(policy, experience.moments)
        return CMAESState(policy, run, restarts, stop), diagnostics

    def _advance(
        self,
        run: Descent,
        steps: Array,
        returns: Array,
        parameters: StrategyParameters,
        count: int | Array,
    ) -> Descent:
        """The run after a population of which `count` candidates count."""
        gap = self.decomposition_gap / (run.mean.size * (parameters.c_1 + parameters.c_mu))
        widest = self.box.spread(run.mean) / 3 if self.box.active else None
        run, ordered = advance(run, parameters, steps, returns, count, gap, widest)
        if self.integers is not None and run.scale is not None:
            margin = 1.0 / (run.mean.size * count)
            stds = run.sigma * run.shape.stds
            mean, scale = with_margin(self.integers, run.mean, run.scale, stds, margin)
            run = run._replace(mean=mean, scale=scale)
        history = looked_at(
            run.history,
            ordered,
            count,
            run.mean,
            run.sigma,
            run.path_c,
            run.shape,
            self,
            integers=self.integers is not None,
        )
        return run._replace(history=history)

    def _gather(
        self, key: Array, state: CMAESState, restarts: Restarts, steps: Array, returns: Array
    ) -> tuple[Descent, Restarts, Array]:
        """Holds candidates back until the population of the present run is complete."""
        run, size = state.run, self.population_size
        parameters, count = parameters_at(
            restarts.level,
            run.mean.size,
            size,
            self.max_doublings,
            run.mean.dtype,
            active=self.active,
            separable=self.covariance == "separable",
        )
        put = lambda into, rows: jax.lax.dynamic_update_slice_in_dim(  # noqa: E731
            into, rows, restarts.filled, 0
        )
        filled = restarts.filled + size
        spent = restarts.spent.at[restarts.small.astype(int)].add(size)
        restarts = restarts._replace(
            filled=filled,
            spent=spent,
            steps=put(restarts.steps, steps),
            returns=put(restarts.returns, returns),
        )
        # Candidates of an earlier, larger population stand behind this one's, with zero weight.
        known = jnp.where(jnp.arange(restarts.returns.size) < filled, restarts.returns, -jnp.inf)

        def complete() -> tuple[Descent, Restarts, Array]:
            new = self._advance(run, restarts.steps, known, parameters, count)
            stop = new.history.stop
            after = restarts._replace(filled=jnp.zeros_like(filled))
            last = jnp.max(known)
            bipop = self.restarts == "bipop"
            new, after = restarted(
                key, new, after, stop, last, self.std, self.box, size, bipop=bipop
            )
            return new, after, stop

        return jax.lax.cond(
            filled >= count, complete, lambda: (run, restarts, jnp.zeros_like(state.stop))
        )

    def stopped(self, state: CMAESState) -> Array:
        """The reasons of the present run as bits; 0 with restarts, which go on."""
        return state.stop if self.restarts == "none" else jnp.zeros_like(state.stop)

    def stop_reason(self, code: int) -> str:
        return "; ".join(f"{name}: {REASONS[name]}" for name in stopping_reasons(code))

    def converged(self, code: int) -> bool:
        return has_converged(code)

    def solution(self, state: CMAESState) -> Policy:
        return state.policy
