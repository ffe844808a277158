"""A method that writes and reads a large array in its state at every iteration."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.policies.policy import Policy
from upslope.sampling import Steps
from upslope.search.search_method import SearchMethod

WIDTH = 8


class RememberingState(NamedTuple):
    policy: Policy
    rows: Array  # [R, 8]
    next: Array  # scalar int


class RememberingDiagnostics(NamedTuple):
    mean: Array


class Remembering(SearchMethod):
    """Keeps what it saw, looks at 64 rows of it, and leaves the policy as it is."""

    n_rows: int = eqx.field(static=True, default=1000)

    @property
    def experience(self):
        return Steps(1, 1)

    def init(self, key, policy, objective):
        return RememberingState(policy, jnp.zeros((self.n_rows, WIDTH)), jnp.zeros((), int))

    def ask(self, key, state):
        return state.policy

    def tell(self, key, state, candidates, experience, objective):
        seen = jnp.resize(experience.observation[0, 0], (WIDTH,))
        rows = state.rows.at[state.next % self.n_rows].set(seen)
        drawn = rows[jax.random.randint(key, (64,), 0, self.n_rows)]
        new = RememberingState(state.policy, rows, state.next + 1)
        return new, RememberingDiagnostics(jnp.mean(drawn))

    def solution(self, state: Any):
        return state.policy
