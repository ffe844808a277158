"""The simplex method of Nelder and Mead, one evaluation at a time."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import UpslopeError, check_number
from upslope.core.tree import ravel_parameters, take
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy
from upslope.sampling.collections import EpisodeReturns
from upslope.sampling.records import Returns
from upslope.search.candidate_returns import observed, ranked_returns, untried
from upslope.search.search_method import SearchMethod
from upslope.search.search_spaces import require_real

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
    reflected: Array  # [D]
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


class NelderMead(SearchMethod):
    r"""Moves a simplex of D + 1 points: away from its worst, further if that is good, else closer.

    .. math:: \theta = \bar\theta + c (\bar\theta - \theta_\text{worst}), \qquad
              c = \rho,\; \rho \chi,\; \psi \rho,\; -\psi \;\text{ (reflect, expand, contract)},
              \qquad \theta_k \leftarrow \theta_1 + \sigma (\theta_k - \theta_1) \text{ (shrink)}

    Each iteration of the search tries one point of that decision tree, and each step of the simplex
    is SciPy's: the same points in the same order, the same stopping rule, counts included. Once it
    has converged nothing moves any more. Coefficients 1, 2, 1/2, 1/2, or adapted to the dimension.
    Made for exact returns: with noise, average (`episodes_per_candidate`). NaN counts as the worst.

    Attributes:
      episodes_per_candidate: whose mean return is a point's. Static.
      xatol: converged when no vertex is further from the best in any coordinate,
      fatol: and no return further from the best one. Both 0: never, unless all are equal.
      adaptive: coefficients 1, 1 + 2/D, 3/4 - 1/(2D), 1 - 1/D, better in many dimensions. Static.
      std: edge of the first simplex along each coordinate; None: 5 % of the coordinate, 0.00025
        where it is 0, as in SciPy.

    References:
      Nelder and Mead (1965); Lagarias et al. (1998), section 2; Gao and Han (2012), equation 4.1.
    """

    name: ClassVar[str] = "nelder-mead"
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
    def collection(self) -> EpisodeReturns:
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
            policy, vertices, returns, zero + BUILD, zero, theta, returns[0], zero, zero
        )

    def ask(self, key: Array, state: NelderMeadState) -> Policy:
        best, worst, size = state.vertices[0], state.vertices[-1], state.vertices.shape[1]
        rho, chi, psi, sigma = self.coefficients(size)
        centre = jnp.sum(state.vertices[:-1], axis=0) / size
        inward = jnp.asarray([-rho, -rho * chi, -psi * rho, psi, 0.0, 0.0, 0.0], centre.dtype)
        share = inward[state.phase]
        chosen = state.vertices[state.index]
        theta = (1.0 - share) * centre + share * worst
        theta = jnp.where(state.phase >= BUILD, chosen, theta)
        theta = jnp.where(state.phase == SHRINK, best + sigma * (chosen - best), theta)
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
        branches = [
            reflected,
            expanded,
            contracted,
            contracted,
            built,
            built,
            converged,
        ]
        counted = state._replace(evaluations=state.evaluations + (state.phase != DONE))
        new = jax.lax.switch(state.phase, branches, counted, theta, value)
        size = jnp.max(jnp.abs(new.vertices[1:] - new.vertices[:1]))
        spread = jnp.max(jnp.abs(new.returns[1:] - new.returns[:1]))
        met = (new.phase == REFLECT) & (size <= self.xatol) & (spread <= self.fatol)
        phase = jnp.where(met, DONE, new.phase).astype(new.phase.dtype)
        new = new._replace(phase=phase, policy=observed(state.policy, experience.moments))
        diagnostics = NelderMeadDiagnostics(
            jnp.max(new.returns),
            size,
            spread,
            new.iterations,
            (phase == DONE).astype(size.dtype),
        )
        return new, diagnostics

    def stopped(self, state: NelderMeadState) -> Array:
        return (state.phase == DONE).astype(int)

    def stop_reason(self, code: int) -> str:
        return f"the simplex spans at most xatol={self.xatol} and its returns fatol={self.fatol}"

    def solution(self, state: NelderMeadState) -> Policy:
        best = state.vertices[jnp.argmax(state.returns)]
        return ravel_parameters(state.policy)[1](best)


def inserted(state: NelderMeadState, theta: Array, value: Array) -> NelderMeadState:
    """The worst vertex gives way to a point, which takes its place in the order."""
    place = jnp.sum(state.returns[:-1] >= value)
    rank = jnp.arange(state.returns.size)
    before = jnp.where(rank <= place, rank, rank - 1)
    vertices = state.vertices[before].at[place].set(theta)
    return step_done(state, vertices, state.returns[before].at[place].set(value))


def step_done(state: NelderMeadState, vertices: Array, returns: Array) -> NelderMeadState:
    """A step of the simplex is over; the next trial is a reflection."""
    return state._replace(
        vertices=vertices,
        returns=returns,
        phase=jnp.full_like(state.phase, REFLECT),
        index=jnp.zeros_like(state.index),
        iterations=state.iterations + 1,
    )


def either(condition: Array, then: NelderMeadState, otherwise: NelderMeadState) -> Any:
    """One of two states."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), then, otherwise)


def built(state: NelderMeadState, theta: Array, value: Array) -> NelderMeadState:
    """One vertex of the first or of the shrunken simplex is known."""
    filled = state._replace(
        vertices=state.vertices.at[state.index].set(theta),
        returns=state.returns.at[state.index].set(value),
        index=state.index + 1,
    )

    def complete(state: NelderMeadState) -> NelderMeadState:
        order = jnp.argsort(-state.returns, stable=True)
        return step_done(state, state.vertices[order], state.returns[order])

    last = state.index == state.returns.size - 1
    return jax.lax.cond(last, complete, lambda state: state, filled)


def reflected(state: NelderMeadState, theta: Array, value: Array) -> NelderMeadState:
    """The reflection is known: it is taken, or says what to try next."""
    best, second, worst = state.returns[0], state.returns[-2], state.returns[-1]
    closer = jnp.where(value > worst, OUTSIDE, INSIDE)
    phase = jnp.where(value > best, EXPAND, closer).astype(state.phase.dtype)
    kept = state._replace(phase=phase, reflected=theta, reflected_return=value)
    return either((value > second) & ~(value > best), inserted(state, theta, value), kept)


def expanded(state: NelderMeadState, theta: Array, value: Array) -> NelderMeadState:
    """The expansion is known: the better of it and the reflection is taken."""
    further = value > state.reflected_return
    theta = jnp.where(further, theta, state.reflected)
    return inserted(state, theta, jnp.maximum(value, state.reflected_return))


def contracted(state: NelderMeadState, theta: Array, value: Array) -> NelderMeadState:
    """The contraction is known: it is taken, or all vertices move closer to the best."""
    outside = value >= state.reflected_return
    good = jnp.where(state.phase == OUTSIDE, outside, value > state.returns[-1])
    phase, index = jnp.full_like(state.phase, SHRINK), jnp.ones_like(state.index)
    return either(good, inserted(state, theta, value), state._replace(phase=phase, index=index))


def converged(state: NelderMeadState, theta: Array, value: Array) -> NelderMeadState:
    """Nothing moves any more."""
    return state
