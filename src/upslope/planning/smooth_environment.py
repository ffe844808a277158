"""An environment as a smooth function of vectors: what planners that differentiate it need."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jax import Array
from jax.flatten_util import ravel_pytree
from jaxtyping import Bool, Float

from upslope.core.annotations import EnvironmentState, PyTree
from upslope.core.checks import UpslopeError
from upslope.environments.environment import Environment
from upslope.exact.tables import known
from upslope.planning.simulation import TerminalValue

# States and actions at which the derivatives are looked at before anything is planned.
N_PROBES = 4


class SmoothStep(NamedTuple):
    """A step with the numbers of the state as a vector, and all else beside it."""

    x: Float[Array, " n"]  # the numbers of the next state
    rest: PyTree  # what else the next state has: counters, switches
    cost: Float[Array, ""]  # minus the reward; of the last step, with the terminal value
    discount: Float[Array, ""]  # what the cost of the rest counts: gamma d, 0 after the end


class FlatStates(NamedTuple):
    """States of one structure as vectors and back."""

    unravel: Callable[[Array], PyTree]
    shape: tuple[int, ...]  # of an action

    @classmethod
    def of(cls, state: EnvironmentState, shape: tuple[int, ...]) -> FlatStates:
        """States like this one, actions of this shape."""
        numbers, _ = eqx.partition(state, eqx.is_inexact_array)
        return cls(ravel_pytree(numbers)[1], shape)

    def split(self, state: EnvironmentState) -> tuple[Float[Array, " n"], PyTree]:
        """The numbers of a state, and the rest of it."""
        numbers, rest = eqx.partition(state, eqx.is_inexact_array)
        return ravel_pytree(numbers)[0], rest

    def step(
        self,
        key: Array,
        environment: Environment,
        x: Float[Array, " n"],
        rest: PyTree,
        u: Float[Array, " m"],
        discount: float | Array,
        last: Bool[Array, ""],
        terminal_value: TerminalValue | None,
    ) -> SmoothStep:
        """One step of the environment; `last` steps are paid the terminal value."""
        state = eqx.combine(self.unravel(x), rest)
        state, out = environment.step(key, state, u.reshape(self.shape))
        weight = discount * (1.0 if out.discount is None else out.discount)
        weight = jnp.where(out.terminated, 0.0, weight)
        cost = -out.reward
        if terminal_value is not None:
            after = jnp.where(last & ~out.terminated, 1.0, 0.0) * weight
            # A value of no interest must not meet a weight of zero as an infinity.
            worth = jnp.where(after == 0, 0.0, terminal_value(state, out.observation))
            cost = cost - after * worth
        x, rest = self.split(state)
        return SmoothStep(x, rest, cost, weight)


def check_smooth(owner: str, environment: Environment) -> tuple[int, ...]:
    """The shape of an environment's actions; refuses one whose steps cannot be differentiated.

    Args:
      owner: whose error it is.
      environment: with numbers that are known, else only its actions are looked at.

    Raises:
      UpslopeError: it is no `Environment`; actions that are no Box; a state without numbers; a
        step that JAX cannot differentiate, or whose derivatives with respect to the action are
        zero or NaN wherever they were looked at.
    """
    if not isinstance(cast(object, environment), Environment):
        raise UpslopeError(
            f"{owner} got environment={environment!r:.80}: it must be an upslope Environment, "
            "whose steps a program can differentiate."
        )
    name, space = type(environment).__name__, environment.action_space
    if not isinstance(space, spaces.Box):
        raise UpslopeError(
            f"{owner} got {name} with the actions {space}: it follows derivatives with respect to "
            "the action, so that actions must be numbers (a Box). For choices take the planner "
            "'cem'."
        )
    shape = tuple(int(n) for n in space.shape)
    state, _ = eqx.filter_eval_shape(environment.reset, jax.random.key(0))
    if not any(jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in jax.tree.leaves(state)):
        raise UpslopeError(
            f"{owner} got {name}, whose state has no real numbers: there is nothing to "
            "differentiate. Take the planner 'cem', which needs returns alone."
        )
    if known(environment):
        _check_derivatives(owner, environment, shape)
    return shape


def _check_derivatives(owner: str, environment: Environment, shape: tuple[int, ...]) -> None:
    name = type(environment).__name__
    bounds = environment.action_bounds()
    low, high = (-1.0, 1.0) if bounds is None else bounds
    low, high = (np.broadcast_to(np.asarray(b, float), shape) for b in (low, high))
    low, high = np.where(np.isfinite(low), low, -1.0), np.where(np.isfinite(high), high, 1.0)

    @jax.jit
    def slopes(environment: Environment, low: Array, high: Array) -> Array:
        def one(key: Array) -> Array:
            state, _ = environment.reset(key)
            flat = FlatStates.of(state, shape)
            x, rest = flat.split(state)
            share = 0.25 + 0.5 * jax.random.uniform(key, shape)
            u = (low + share * (high - low)).reshape(math.prod(shape))

            def step(u: Array) -> Array:
                last = jnp.zeros((), bool)
                out = flat.step(key, environment, x, rest, u.astype(x.dtype), 1.0, last, None)
                return jnp.append(out.x, out.cost)

            return jax.jacrev(step)(u)

        return jax.vmap(one)(jax.random.split(jax.random.key(0), N_PROBES))

    try:
        found = np.asarray(slopes(environment, jnp.asarray(low), jnp.asarray(high)))
    except Exception as error:
        raise UpslopeError(
            f"{owner} cannot differentiate a step of {name}: {type(error).__name__}: "
            f"{str(error).splitlines()[0]:.200}. Take the planner 'cem', which needs returns alone."
        ) from error
    if not np.isfinite(found).all():
        raise UpslopeError(
            f"{owner} got {name}, whose step has a derivative that is not finite (a square root of "
            "zero, or arccos at 1, say). Take the planner 'cem', which needs returns alone."
        )
    if not np.any(found):
        raise UpslopeError(
            f"{owner} got {name}, in which neither the next state nor the reward changes smoothly "
            f"with the action: every derivative at {N_PROBES} states is zero. Take the planner "
            "'cem', which needs returns alone."
        )
