"""Methods around methods: they ask and tell in their own way; the rest is the inner one's."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from upslope.core import tree
from upslope.core.moments import Moments
from upslope.policies.actor import Actor, observation_moments
from upslope.search.search_method import SearchMethod


class MethodWrapper(SearchMethod):
    """Solves, stops and advises as the method inside does.

    Attributes:
      method: inside; the state of a method around it has the inner one's as `inner`.
    """

    method: SearchMethod

    def solution(self, state: Any) -> Actor:
        return self.method.solution(state.inner)

    def advice(self, diagnostics: dict[str, float]) -> str | None:
        return self.method.advice(diagnostics)

    def stopped(self, state: Any) -> Array:
        return self.method.stopped(state.inner)

    def stop_reason(self, code: int) -> str:
        return self.method.stop_reason(code)


def blank_candidates(method: SearchMethod, key: Array, state: Any) -> Any:
    """Zeros of the shapes and types that the method asks for."""
    shapes = jax.eval_shape(method.ask, key, state)
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)


def no_moments(policy: Actor) -> Moments | None:
    """Moments of nothing for a policy that normalises what it sees, None for another."""
    moments = observation_moments(policy)
    return None if moments is None else jax.tree.map(jnp.zeros_like, moments)


def gathered(moments: Moments | None, seen: Any, first: Array) -> Moments | None:
    """The moments of all turns so far; those of a first turn alone."""
    return None if moments is None else tree.where(first, seen, moments.merge(seen))
