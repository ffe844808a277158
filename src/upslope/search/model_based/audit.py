"""The simulation lemma inside a compiled loop: how far a finite model is off for one policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from upslope.environments.tabular.finite_mdp import FiniteMDP

# Sweeps at most; with a discount of 0.999 an error falls to a hundredth of a per cent.
SWEEPS = 10_000


class Audit(NamedTuple):
    """The two sides of the lemma and its bound; NaN where the truth is not known."""

    gap: Array  # scalar: value in the model minus the true value, of the start
    gap_by_lemma: Array  # scalar: the same, from the errors of single steps
    bound: Array  # scalar: what the absolute gap is never above


def audit(
    policy: Int[Array, " S"], truth: FiniteMDP, model: FiniteMDP, gamma: float | Array
) -> Audit:
    r"""`exact.simulation_gap` and `exact.simulation_error_bound` of a deterministic policy.

    By sweeps, not by solving: several seeds do this side by side, where LAPACK calls of one program
    may wait for each other for ever.

    Args:
      policy: an action for each state.
      truth: the environment's.
      model: with as many states.
      gamma: in [0, 1).
    """
    states = jnp.arange(policy.shape[0])
    moves, reward = truth.transition[states, policy], truth.reward[states, policy]
    guessed, promised = model.transition[states, policy], model.reward[states, policy]
    value = _fixed_point(lambda v: reward + gamma * moves @ v, reward)
    modelled = _fixed_point(lambda v: promised + gamma * guessed @ v, promised)
    visits = _fixed_point(lambda d: truth.initial + gamma * d @ moves, truth.initial)
    step = promised - reward + gamma * (guessed - moves) @ modelled
    span = jnp.max(modelled) - jnp.min(modelled)
    distance = jnp.sum(jnp.abs(guessed - moves), axis=1)
    error = jnp.abs(promised - reward) + 0.5 * gamma * span * distance
    return Audit(
        gap=jnp.sum(truth.initial * (modelled - value)),
        gap_by_lemma=jnp.sum(visits * step),
        bound=jnp.sum(visits * error),
    )


def _fixed_point(sweep: Callable[[Array], Array], start: Float[Array, " S"]) -> Float[Array, " S"]:
    """Where a contraction stays, up to rounding."""
    eps = float(jnp.finfo(start.dtype).eps)

    def going(carry: tuple[Array, Array, Array]) -> Array:
        now, change, count = carry
        return (change > eps * jnp.max(jnp.abs(now))) & (count < SWEEPS)

    def once(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        now, _, count = carry
        after = sweep(now)
        return after, jnp.max(jnp.abs(after - now)), count + 1

    begin = (start, jnp.asarray(jnp.inf, start.dtype), jnp.zeros((), int))
    return jax.lax.while_loop(going, once, begin)[0]
