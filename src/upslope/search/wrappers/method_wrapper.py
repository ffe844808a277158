"""Methods around methods: they ask and tell in their own way; the rest is the inner one's."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import jax
import jax.numpy as jnp
from jax import Array

from upslope.core import tree
from upslope.core.moments import Moments
from upslope.core.records import Returns
from upslope.policies.actor import Actor, observation_moments
from upslope.policies.policy import Policy
from upslope.search.search_method import SearchMethod

State = TypeVar("State")


class WrapperState(Protocol):
    """The state of a method around another one."""

    @property
    def inner(self) -> Any:
        """The state of the method inside."""
        ...


Around = TypeVar("Around", bound=WrapperState)


class MethodWrapper(SearchMethod[Around, Returns]):
    """Solves, stops and advises as the method inside does.

    Attributes:
      method: inside; the state of a method around it has the inner one's as `inner`.
    """

    method: SearchMethod[Any, Returns]

    def solution(self, state: Around) -> Actor:
        return self.method.solution(state.inner)

    def advice(self, diagnostics: dict[str, float]) -> str | None:
        return self.method.advice(diagnostics)

    def stopped(self, state: Around) -> Array:
        return self.method.stopped(state.inner)

    def stop_reason(self, code: int) -> str:
        return self.method.stop_reason(code)

    def scheduled_by_budget(self) -> tuple[str, ...]:
        return self.method.scheduled_by_budget()

    def asks_per_iteration(self, dimension: int) -> int:
        return self.method.asks_per_iteration(dimension)

    def converged(self, code: int) -> bool:
        return self.method.converged(code)


def blank_candidates(method: SearchMethod[State, Returns], key: Array, state: State) -> Policy:
    """Zeros of the shapes and types that the method asks for."""
    shapes = jax.eval_shape(method.ask, key, state)
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)


def no_moments(policy: Actor) -> Moments | None:
    """Moments of nothing for a policy that normalises what it sees, None for another."""
    moments = observation_moments(policy)
    return None if moments is None else jax.tree.map(jnp.zeros_like, moments)


def gathered(moments: Moments | None, seen: Moments | None, first: Array) -> Moments | None:
    """The moments of all turns so far; those of a first turn alone."""
    if moments is None:
        return None
    assert seen is not None, "what samples a policy with moments gives moments back"
    return tree.where(first, seen, moments.merge(seen))
