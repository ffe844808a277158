"""Ascent on finite differences of returns."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array

from upslope.core.checks import check_number
from upslope.core.records import Returns
from upslope.core.tree import ravel_parameters
from upslope.estimators.expectation.finite_differences import DifferenceKind, FiniteDifferences
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy
from upslope.sampling.experience import EpisodeReturns
from upslope.search.evolution.candidate_returns import averaged_returns, finite_mean, observed
from upslope.search.gradient.ascent import clip_by_norm
from upslope.search.gradient.optimizer import Optimizer, ascend, check_optimizer, start_ascent
from upslope.search.search_method import Defaults, ProblemSpec, SearchMethod
from upslope.search.spaces.space import require_real


class FiniteDifferenceState(NamedTuple):
    """What the next iteration needs."""

    policy: Policy
    optimizer: optax.OptState


class FiniteDifferenceDiagnostics(NamedTuple):
    """What its users look at."""

    gradient_norm: Array  # before clipping
    population_mean: Array  # of the policies around the one that is improved
    population_best: Array
    nonfinite_share: Array  # share of the candidates whose return was not finite


class FiniteDifferenceAscent(SearchMethod[FiniteDifferenceState, Returns]):
    r"""Follows a gradient of J that is measured by trying policies close by.

    .. math:: \theta \leftarrow \theta + \eta \, \hat g(\theta)

    Nothing but returns is needed: policies that cannot be differentiated are welcome, as long as J
    itself is smooth at the scale of a step. A return that is not finite counts as the worst finite
    one of its population.

    Attributes:
      estimator: of grad J from the returns of perturbed policies.
      learning_rate: eta, the step size.
      optimizer: what turns a gradient into a direction. Static.
      max_grad_norm: bound on the norm of the gradient; None for none.
      episodes_per_candidate: episodes whose mean return is a candidate's. Static.
      common_random_numbers: all candidates of an iteration meet the same randomness, which cancels
        from their differences. Static.
      adam_eps: what Adam adds to the root of the second moment. Static.

    References:
      Kiefer and Wolfowitz (1952); Spall (1992), section 2; Peters and Schaal (2008), section 2.1.
    """

    name: ClassVar[str] = "finite-differences"
    defaults: ClassVar[Defaults] = Defaults(policy="deterministic")
    estimator: FiniteDifferences = eqx.field(default_factory=FiniteDifferences)
    learning_rate: float | Array = 0.05
    optimizer: Optimizer = eqx.field(static=True, default="adam")
    max_grad_norm: float | Array | None = None
    episodes_per_candidate: int = eqx.field(static=True, default=2)
    common_random_numbers: bool = eqx.field(static=True, default=True)
    adam_eps: float = eqx.field(static=True, default=1e-5)

    def __check_init__(self) -> None:
        check = lambda name, **limits: check_number(  # noqa: E731
            "FiniteDifferenceAscent", name, getattr(self, name), **limits
        )
        check("learning_rate", above=0)
        check("episodes_per_candidate", at_least=1, integer=True)
        if self.max_grad_norm is not None:
            check("max_grad_norm", above=0)
        check_optimizer("FiniteDifferenceAscent", self.optimizer, self.adam_eps)

    def configure(self, spec: ProblemSpec) -> FiniteDifferenceAscent:
        """The same method, knowing how many parameters the policy has."""
        count = jax.eval_shape(lambda policy: ravel_parameters(policy)[0], spec.policy).size
        own = self.estimator
        estimator = FiniteDifferences(own.step, own.kind, count, own.n_directions)
        return eqx.tree_at(lambda method: method.estimator, self, estimator)

    @property
    def experience(self) -> EpisodeReturns:
        return EpisodeReturns(
            self.estimator.population_size, self.episodes_per_candidate, self.common_random_numbers
        )

    def init(self, key: Array, policy: Policy, objective: Objective) -> FiniteDifferenceState:
        require_real("FiniteDifferenceAscent", policy)
        policy = jax.tree.map(jnp.asarray, policy)
        return FiniteDifferenceState(
            policy, start_ascent(self.optimizer, ravel_parameters(policy)[0], self.adam_eps)
        )

    def ask(self, key: Array, state: FiniteDifferenceState) -> Policy:
        return self.estimator.propose(key, state.policy)

    def tell(
        self,
        key: Array,
        state: FiniteDifferenceState,
        candidates: Policy,
        experience: Returns,
        objective: Objective,
    ) -> tuple[FiniteDifferenceState, FiniteDifferenceDiagnostics]:
        returns = averaged_returns(experience)
        gradient = self.estimator.estimate(state.policy, candidates, returns)
        theta, unravel = ravel_parameters(state.policy)
        vector, norm = clip_by_norm(ravel_parameters(gradient)[0], self.max_grad_norm)
        theta, optimizer = ascend(
            self.optimizer, state.optimizer, theta, vector, self.learning_rate, self.adam_eps
        )
        policy = observed(unravel(theta), experience.moments)
        raw = jnp.mean(experience.returns, axis=1)
        diagnostics = FiniteDifferenceDiagnostics(
            norm,
            finite_mean(raw),
            jnp.max(returns),
            jnp.mean((~jnp.isfinite(raw)).astype(returns.dtype)),
        )
        return FiniteDifferenceState(policy, optimizer), diagnostics

    def solution(self, state: FiniteDifferenceState) -> Policy:
        return state.policy


def finite_differences(
    kind: DifferenceKind = "spsa",
    step: float = 0.1,
    n_directions: int = 16,
    num_parameters: int | None = None,
    learning_rate: float = 0.05,
    optimizer: Optimizer = "adam",
    max_grad_norm: float | None = None,
    episodes_per_candidate: int = 2,
    common_random_numbers: bool = True,
    adam_eps: float = 1e-5,
) -> FiniteDifferenceAscent:
    r"""Finite differences in the flat settings of the command line.

    .. math:: \text{forward: } g_k = \frac{J(\theta + \epsilon e_k) - J(\theta)}{\epsilon}, \qquad
              \text{central: } g_k = \frac{J(\theta + \epsilon e_k) - J(\theta - \epsilon e_k)}
              {2 \epsilon}, \qquad
              \text{random, spsa: } g = \frac cM \sum_m
              \frac{J(\theta + \epsilon u_m) - J(\theta - \epsilon u_m)}{2 \epsilon} u_m, \qquad
              \text{regression: } g = \arg\min_g \sum_m
              \big(J(\theta + \epsilon u_m) - J(\theta) - \epsilon \, g \cdot u_m\big)^2, \qquad
              \theta \leftarrow \theta + \eta \, g

    Args:
      kind: the differences: by coordinate, "forward" (D + 1 evaluations) or "central" (2 D);
        along "random" directions or "spsa" signs (2 M); by "regression" (M + 1).
      step: epsilon, how far the policies tried are away, in units of theta.
      n_directions: M, the directions tried (random, spsa, regression).
      num_parameters: D of the policy, needed by the coordinate kinds; counted by `train`.
      learning_rate: step size eta.
      optimizer: what turns a gradient into a direction.
      max_grad_norm: bound on the norm of the gradient; none by default.
      episodes_per_candidate: episodes whose mean return is a candidate's.
      common_random_numbers: all candidates of an iteration meet the same randomness.
      adam_eps: what Adam adds to the root of the second moment.
    """
    return FiniteDifferenceAscent(
        FiniteDifferences(step, kind, num_parameters, n_directions),
        learning_rate=learning_rate,
        optimizer=optimizer,
        max_grad_norm=max_grad_norm,
        episodes_per_candidate=episodes_per_candidate,
        common_random_numbers=common_random_numbers,
        adam_eps=adam_eps,
    )
