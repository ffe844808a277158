"""What a sequence of actions earns in an environment."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Action, EnvironmentState, Key, Observation
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


def candidate_returns(
    key: Key,
    environment: Environment,
    state: EnvironmentState,
    candidates: Action,
    discount: float | Array,
    n_particles: int = 1,
    terminal_value: TerminalValue | None = None,
) -> Float[Array, " N"]:
    """The mean return of each of N open-loop sequences in `n_particles` simulations.

    All candidates meet the same randomness. Where the environment is undecided
    (`Environment.hypotheses`) each simulation stays in one hypothesis: those of a candidate in
    different ones, and all hypotheses in turn among the candidates. A simulation that diverged to
    NaN is worth minus infinity; NaN would win every comparison.

    Args:
      key: consumed.
      environment: the model.
      state: where to begin.
      candidates: [N, H, ...].
      discount: gamma.
      n_particles: simulations per candidate.
      terminal_value: V, of the state and observation after the last action; None for zero.
    """

    def score(key: Key, model: Environment, state: EnvironmentState, actions: Action) -> Array:
        return simulate(key, model, state, actions, discount, terminal_value)

    keys = jax.random.split(key, n_particles)
    of_candidates = jax.vmap(score, (None, None, None, 0))
    found = environment.hypotheses(state)
    if found is None:
        each = jax.vmap(of_candidates, (0, None, None, None))
        returns = jnp.mean(each(keys, environment, state, candidates), axis=0)
        return jnp.where(jnp.isnan(returns), -jnp.inf, returns)
    models, state = found
    n_models = jax.tree.leaves(models)[0].shape[0]
    n = jax.tree.leaves(candidates)[0].shape[0]
    rows = -(-n // n_models)
    # Candidate i stands in row i // E of column i % E; hypothesis e simulates a column, and
    # another one in each particle: a product of matrices per hypothesis, nothing gathered.
    filled = candidates[jnp.arange(rows * n_models) % n]
    columns = jnp.swapaxes(filled.reshape(rows, n_models, *candidates.shape[1:]), 0, 1)

    def particle(key: Key, shift: Array) -> Array:
        turned = jax.tree.map(lambda leaf: jnp.roll(leaf, shift, axis=0), models)
        return jax.vmap(of_candidates, (None, 0, None, 0))(key, turned, state, columns)

    scores = jnp.mean(jax.vmap(particle)(keys, jnp.arange(n_particles)), axis=0)
    returns = jnp.swapaxes(scores, 0, 1).reshape(-1)[:n]
    return jnp.where(jnp.isnan(returns), -jnp.inf, returns)
