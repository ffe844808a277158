"""What gradient-free methods read from the returns of a population, NaN and all."""

from __future__ import annotations

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.moments import Moments
from upslope.core.records import Returns
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy
from upslope.sampling.experience import EpisodeReturns
from upslope.search.search_method import SearchMethod

T = TypeVar("T")
State = TypeVar("State")


def untried(*shape: int) -> Array:
    """Returns of what has not been tried yet: -inf, as a type that stays the same for ever."""
    return jnp.full(shape, -jnp.inf, float)


def ranked_returns(experience: Returns) -> Array:
    """Each candidate's mean return [P] for methods that compare: NaN is -inf, the worst."""
    returns = jnp.mean(experience.returns, axis=1)
    return jnp.where(jnp.isnan(returns), -jnp.inf, returns)


def averaged_returns(experience: Returns) -> Array:
    """Each candidate's mean return [P] for methods that average: all of them finite.

    What is NaN or infinite counts as the worst finite return of the population; where nothing is
    finite all are 0, so that the population says nothing.
    """
    returns = jnp.mean(experience.returns, axis=1)
    finite = jnp.isfinite(returns)
    worst = jnp.min(jnp.where(finite, returns, jnp.inf))
    return jnp.where(finite, returns, jnp.where(jnp.any(finite), worst, 0.0))


def finite_mean(returns: Array) -> Array:
    """The mean of the finite ones among some returns, NaN if there is none."""
    finite = jnp.isfinite(returns)
    total = jnp.sum(jnp.where(finite, returns, 0.0))
    return jnp.where(jnp.any(finite), total / jnp.maximum(jnp.sum(finite), 1), jnp.nan)


def observed(policy: T, moments: Moments | None) -> T:
    """The policy with the moments of what the population saw merged into its own, if it has any."""
    return policy if moments is None else policy.observe(moments)  # pyright: ignore[reportAttributeAccessIssue]


def unknown_diagnostics(
    method: SearchMethod[State, Returns],
    key: Array,
    state: State,
    candidates: Policy,
    objective: Objective,
    moments: Moments | None,
) -> Any:
    """Diagnostics of an iteration that has not been: NaN, and 0 where they are integers."""
    spec = method.experience
    assert isinstance(spec, EpisodeReturns)  # as it is told returns
    shape = (spec.population_size, 1)
    experience = Returns(jnp.zeros(shape), jnp.zeros(shape, int), moments)
    _, shapes = jax.eval_shape(
        lambda key, state, candidates, experience: method.tell(
            key, state, candidates, experience, objective
        ),
        key,
        state,
        candidates,
        experience,
    )
    blank = lambda leaf: jnp.full(  # noqa: E731
        leaf.shape, jnp.nan if jnp.issubdtype(leaf.dtype, jnp.floating) else 0, leaf.dtype
    )
    return jax.tree.map(blank, shapes)
