"""The simplex method of Nelder and Mead, one evaluation at a time."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import UpslopeError, check_number
from upslope.core.records import Returns
from upslope.core.tree import ravel_parameters, take
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy
from upslope.sampling.experience import EpisodeReturns
from upslope.search.evolution.candidate_returns import observed, ranked_returns, untried
from upslope.search.search_method import Defaults, SearchMethod
from upslope.search.spaces.space import require_real

# What the point under trial is; what `tell` makes of it follows.
REFLECT, EXPAND, OUTSIDE, INSIDE, BUILD, SHRINK, DONE = range(7)
LARGEST = 5_000  # parameters: the simplex has D (D + 1) numbers


class NelderMeadState(NamedTuple):
    """The simplex, best vertex first once it is built, and where in its step the search stands."""

    policy: Policy  # the start: the structure of all, with its observation moments
    vertices: Array  # [D + 1, D]
    returns: Array  # [D + 1], -inf until tried
    phase: Array  # scalar int: what is tried next
    index: Array  # scalar int: which vertex is tried while building or shrinking
    reflected: Array  # [D]; while the simplex shrinks, what it shrinks to
    reflected_return: Array  # scalar
    iterations: Array  # scalar int: SciPy's nit
    evaluations: Array  # scalar int: SciPy's nfev


class NelderMeadDiagnostics(NamedTuple):
    """What its users look at."""

    best: Array  # the best vertex's mean return (optimistic where returns are noisy)
    size: Array  # largest distance of a vertex from the best in a coordinate
    spread: Array  # largest difference of a return from the best
    iterations: Array  # of the simplex, the first one included
    converged: Array  # 1 from when size <= xatol and spread <= fatol


class NelderMead(SearchMethod[NelderMeadState, Returns]):
    r"""Moves a simplex of D + 1 points: away from its worst, further if that is good, else closer.

    .. math:: \theta = \bar\theta + c (\bar\theta - \theta_\text{worst}), \qquad
              c = \rho,\; \rho \chi,\; \psi \rho,\; -\psi \;\text{ (reflect, expand, contract)},
              \qquad \theta_k \leftarrow \theta_1 + \sigma (\theta_k - \theta_1) \text{ (shrink)}

    Each iteration of the search tries one point of that decision tree, and each step of the simplex
    is SciPy's: the same points in the same order, the same stopping rule, counts included (of
    vertices with equal returns the earlier one stands first; NumPy leaves that open). Once it
    has converged nothing moves any more. Coefficients 1, 2, 1/2, 1/2, or adapted to the dimension.
    Made for exact returns: with noise, average (`episodes_per_candidate`). NaN counts as the worst.

    Attributes:
      episodes_per_candidate: episodes whose mean return is a point's. Static.
      xatol: tolerance in every coordinate: no vertex is further than this from the best one, and
      fatol: tolerance of the returns: none differs by more from the best one's, once the search
        has converged. Both 0: never, unless all are equal.
      adaptive: coefficients 1, 1 + 2/D, 3/4 - 1/(2D), 1 - 1/D, better in many dimensions. Static.
      std: edge of the first simplex along each coordinate; None: 5 % of the coordinate, 0.00025
        where it is 0, as in SciPy.

    References:
      Nelder and Mead (1965); Lagarias et al. (1998), section 2; Gao and Han (2012), equation 4.1.
    """

    name: ClassVar[str] = "nelder-mead"
    defaults: ClassVar[Defaults] = Defaults(policy="deterministic")
    episodes_per_candidate: int = eqx.field(static=True, default=1)
    xatol: float | Array = 1e-4
    fatol: float | Array = 1e-4
    adaptive: bool = eqx.field(static=True, default=False)
    std: float | Array | None = None

    def __check_init__(self) -> None:
        check = lambda name, **limits: check_number(  # noqa: E731
            "NelderMead", name, getattr(self, name), **limits
        )
        check("episodes_per_candidate", at_least=1, integer=True)
        check("xatol", at_least=0)
        check("fatol", at_least=0)
        if self.std is not None:
            check("std", above=0)

    @property
    def experience(self) -> EpisodeReturns:
        return EpisodeReturns(1, self.episodes_per_candidate)

    def init(self, key: Array, policy: Policy, objective: Objective) -> NelderMeadState:
        require_real("NelderMead", policy)
        theta, _ = ravel_parameters(policy)
        if theta.size > LARGEST:
            raise UpslopeError(
                f"NelderMead got a start of {theta.size} parameters: its simplex of "
                f"{theta.size + 1} x {theta.size} numbers is for at most {LARGEST}. Use a method "
                "that keeps one number a parameter, such as cem."
            )
        moved = jnp.where(theta == 0, 0.00025, 1.05 * theta)
        if self.std is not None:
            moved = theta + self.std
        vertices = jnp.where(jnp.eye(theta.size, dtype=bool), moved[:, None], theta[None, :])
        return self.from_simplex(policy, jnp.concatenate([theta[None], vertices]))

    def from_simplex(self, policy: Policy, vertices: Array) -> NelderMeadState:
        """The state of a search whose first simplex is given.

        Args:
          policy: its structure and observation moments; its searched numbers do not matter.
          vertices: [D + 1, D].

        Raises:
          UpslopeError: another shape.
        """
        policy = jax.tree.map(jnp.asarray, policy)
        theta, _ = ravel_parameters(policy)
        if jnp.shape(vertices) != (theta.size + 1, theta.size):
            raise UpslopeError(
                f"NelderMead got a simplex of shape {jnp.shape(vertices)} for {theta.size} "
                f"parameters: it must be [{theta.size + 1}, {theta.size}]."
            )
        returns = untried(theta.size + 1)
        zero = jnp.zeros((), int)
        vertices = jnp.asarray(vertices, theta.dtype)
        return NelderMeadState(
            policy=policy,
            vertices=vertices,
            returns=returns,
            phase=zero + BUILD,
            index=zero,
            reflected=theta,
            reflected_return=returns[0],
            iterations=zero,
            evaluations=zero,
        )

    def ask(self, key: Array, state: NelderMeadState) -> Policy:
        worst, size = state.vertices[-1], state.vertices.shape[1]
        rho, chi, psi, sigma = self.coefficients(size)
        centre = jnp.sum(state.vertices[:-1], axis=0) / size
        inward = jnp.asarray([-rho, -rho * chi, -psi * rho, psi, 0.0, 0.0, 0.0], centre.dtype)
        share = inward[state.phase]
        chosen = state.vertices[state.index]
        theta = (1.0 - share) * centre + share * worst
        theta = jnp.where(state.phase >= BUILD, chosen, theta)
        towards = state.reflected
        theta = jnp.where(state.phase == SHRINK, towards + sigma * (chosen - towards), theta)
        policy = ravel_parameters(state.policy)[1](theta)
        return jax.tree.map(lambda leaf: leaf[None], policy)

    def coefficients(self, size: int) -> tuple[float, float, float, float]:
        """rho, chi, psi and sigma in `size` dimensions."""
        if self.adaptive:
            return 1.0, 1.0 + 2.0 / size, 0.75 - 1.0 / (2.0 * size), 1.0 - 1.0 / size
        return 1.0, 2.0, 0.5, 0.5

    def tell(
        self,
        key: Array,
        state: NelderMeadState,
        candidates: Policy,
        experience: Returns,
        objective: Objective,
    ) -> tuple[NelderMeadState, NelderMeadDiagnostics]:
        value = ranked_returns(experience)[0].astype(state.returns.dtype)
        theta, _ = ravel_parameters(take(candidates, 0))
        counted = state._replace(evaluations=state.evaluations + (state.phase != DONE))
        new = moved(counted, theta, value)
        size = jnp.max(jnp.abs(new.vertices[1:] - new.vertices[:1]))
        spread = jnp.max(jnp.abs(new.returns[1:] - new.returns[:1]))
        met = (new.phase == REFLECT) & (size <= self.xatol) & (spread <= self.fatol)
        phase = jnp.where(met, DONE, new.phase).astype(new.phase.dtype)
        new = new._replace(phase=phase, policy=observed(state.policy, experience.moments))
        diagnostics = NelderMeadDiagnostics(
            best=jnp.max(new.returns),
            size=size,
            spread=spread,
            iterations=new.iterations,
            converged=(phase == DONE).astype(size.dtype),
        )
        return new, diagnostics

    def stopped(self, state: NelderMeadState) -> Array:
        return (state.phase == DONE).astype(int)

    def stop_reason(self, code: int) -> str:
        return f"the simplex spans at most xatol={self.xatol} and its returns fatol={self.fatol}"

    def asks_per_iteration(self, dimension: int) -> int:
        """D + 2: a reflection, a contraction, and a shrink of all vertices but the best."""
        return dimension + 2

    def solution(self, state: NelderMeadState) -> Policy:
        best = state.vertices[jnp.argmax(state.returns)]
        return ravel_parameters(state.policy)[1](best)


def moved(state: NelderMeadState, theta: Array, value: Array) -> NelderMeadState:
    """The state after a trial: every phase is the same few selections, so that nothing branches.

    A trial ends in one of three ways: the point takes its place in the order of the vertices, the
    search tries another point of the same step, or it shrinks. Vertices that are being built, or
    that shrink, stand in order up to `index`; the others wait behind it as they were.
    """
    phase, index, returns = state.phase, state.index, state.returns
    size = returns.size - 1
    best, second, worst = returns[0], returns[-2], returns[-1]
    one_by_one = (phase == BUILD) | (phase == SHRINK)

    # What becomes of a reflection, an expansion, a contraction.
    reflecting = phase == REFLECT
    taken = (value > second) & ~(value > best)
    expanding = phase == EXPAND
    further = value > state.reflected_return
    outside = value >= state.reflected_return
    good = jnp.where(phase == OUTSIDE, outside, value > worst)
    contracting = (phase == OUTSIDE) | (phase == INSIDE)
    enters = jnp.where(reflecting, taken, jnp.where(contracting, good, phase != DONE))
    shrinks = contracting & ~good

    back = expanding & ~further  # the reflection was better
    point = jnp.where(back, state.reflected, theta)
    worth = jnp.where(back, state.reflected_return, value)
    end = jnp.where(one_by_one, index, size)  # the vertex that gives way
    rank = jnp.arange(size + 1)
    place = jnp.sum((returns >= worth) & (rank < end))
    before, here = rank < place, rank == place
    behind = (rank > place) & (rank <= end)
    shifted = lambda x: jnp.concatenate([x[:1], x[:-1]])  # noqa: E731
    ordered = jnp.where(
        before[:, None] | ~(here | behind)[:, None],
        state.vertices,
        jnp.where(here[:, None], point[None], shifted(state.vertices)),
    )
    ranked = jnp.where(before | ~(here | behind), returns, jnp.where(here, worth, shifted(returns)))

    last = ~one_by_one | (index == size)
    stepped = enters & last  # a step of the simplex is over
    closer = jnp.where(value > worst, OUTSIDE, INSIDE)
    instead = jnp.where(reflecting, jnp.where(value > best, EXPAND, closer), phase)
    following = jnp.where(
        stepped, REFLECT, jnp.where(shrinks, SHRINK, jnp.where(enters, phase, instead))
    )
    keeps = reflecting & ~taken
    return state._replace(
        vertices=jnp.where(enters, ordered, state.vertices),
        returns=jnp.where(enters, ranked, returns),
        phase=following.astype(phase.dtype),
        index=jnp.where(stepped, 0, jnp.where(shrinks, 1, index + enters)).astype(index.dtype),
        # While it shrinks: towards where the best vertex stood at its beginning.
        reflected=jnp.where(keeps, theta, jnp.where(shrinks, state.vertices[0], state.reflected)),
        reflected_return=jnp.where(keeps, value, state.reflected_return),
        iterations=state.iterations + stepped,
    )
