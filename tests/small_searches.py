"""Searching plain functions with a search method's own verbs."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from upslope.objectives import EpisodicReturn
from upslope.sampling import Returns
from upslope.search.search_method import ProblemSpec

OBJECTIVE = EpisodicReturn()


def returns_of(values: Any) -> Returns:
    """Values [P] or [P, E] as what a world would have said."""
    values = jnp.asarray(values)
    values = values.reshape(values.shape[0], -1)
    return Returns(values, jnp.ones(values.shape, int))


def maximize(method: Any, function: Any, start: Any, iterations: int, key: Any = 0) -> Any:
    """The last state and the diagnostics of every iteration; compiled, so `vmap` it over keys.

    Args:
      function: of one candidate, or of (key, candidate) if it is noisy.
    """
    key = jax.random.key(key) if isinstance(key, int) else key

    def step(state: Any, key: Any) -> Any:
        ask, noise, tell = jax.random.split(key, 3)
        candidates = method.ask(ask, state)
        if getattr(function, "noisy", False):
            keys = jax.random.split(noise, jax.tree.leaves(candidates)[0].shape[0])
            values = jax.vmap(function)(keys, candidates)
        else:
            values = jax.vmap(function)(candidates)
        return method.tell(tell, state, candidates, returns_of(values), OBJECTIVE)

    @jax.jit
    def run(key: Any) -> Any:
        first, key = jax.random.split(key)
        state = method.init(first, start, OBJECTIVE)
        return jax.lax.scan(step, state, jax.random.split(key, iterations))

    return run(key)


def told(method: Any, state: Any, candidates: Any, values: Any, key: int = 0) -> Any:
    """One `tell` with values that are given."""
    return method.tell(jax.random.key(key), state, candidates, returns_of(values), OBJECTIVE)


def first_state(method: Any, start: Any, key: int = 0) -> Any:
    """A search before its first iteration."""
    return method.init(jax.random.key(key), start, OBJECTIVE)


def sphere(x: Any) -> Any:
    """-|x - 1|^2: the maximum is 0 at (1, ..., 1)."""
    return -jnp.sum(jnp.square(x - 1.0))


def one_max(bits: Any) -> Any:
    """How many bits are set."""
    return jnp.sum(bits).astype(float)


def z_score(samples: Any, mean: float) -> float:
    """How many standard errors the mean of some samples is away from `mean`."""
    samples = np.asarray(samples, np.float64)
    return float((samples.mean() - mean) / (samples.std(ddof=1) / np.sqrt(samples.size)))


def fitted(method, policy):
    """The method configured for a policy."""
    shapes = jax.eval_shape(lambda: policy)
    return method.configure(ProblemSpec(None, None, None, shapes, OBJECTIVE, None))
