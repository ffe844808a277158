"""What a sequence of actions earns in an environment."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.annotations import Action, EnvironmentState, Observation
from upslope.environments.environment import Environment

# What comes after a state, of which the observation is shown.
TerminalValue = Callable[[EnvironmentState, Observation], Array]


def simulate(
    key: Array,
    environment: Environment,
    state: EnvironmentState,
    actions: Action,
    discount: float | Array,
    terminal_value: TerminalValue | None = None,
) -> Array:
    r"""The return of open-loop actions from a state.

    .. math:: \sum_{t<H} D_t \, r_t + D_H V(s_H), \qquad D_t = \prod_{k<t} \gamma d_k

    with d the environment's own `Step.discount` (-1 after a move of an alternating game). After
    a terminating step nothing more is earned, and there is no terminal value.

    Args:
      key: consumed; the randomness of the simulated steps.
      environment: the model.
      state: where to begin.
      actions: [H, ...], within the bounds.
      discount: gamma.
      terminal_value: V, of the state and observation after the last action; None for zero.
    """
    horizon = jax.tree.leaves(actions)[0].shape[0]

    def step(
        carry: tuple[EnvironmentState, Array, Array], inputs: tuple[Array, Action]
    ) -> tuple[tuple[EnvironmentState, Array, Array], Observation]:
        state, weight, total = carry
        state, out = environment.step(inputs[0], state, inputs[1])
        total = total + weight * out.reward
        weight = weight * discount * (1.0 if out.discount is None else out.discount)
        weight = jnp.where(out.terminated, 0.0, weight)
        # An ended process may go on to anything: a weight of zero must not meet an infinity.
        total = jnp.where(carry[1] == 0, carry[2], total)
        return (state, weight, total), out.observation if terminal_value is not None else ()

    start = (state, jnp.ones(()), jnp.zeros(()))
    (state, weight, total), seen = jax.lax.scan(
        step, start, (jax.random.split(key, horizon), actions)
    )
    if terminal_value is None:
        return total
    last = jax.tree.map(lambda leaf: leaf[-1], seen)
    return total + jnp.where(weight == 0, 0.0, weight * terminal_value(state, last))
