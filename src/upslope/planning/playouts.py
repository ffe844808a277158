"""What an actor earns from a state on."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from upslope.core.actor import Actor
from upslope.core.annotations import EnvironmentState, Key, Memory, Observation
from upslope.core.records import Step
from upslope.core.unbatched_reductions import any_across_batch
from upslope.environments.environment import Environment
from upslope.environments.games.alternating_game import AlternatingGame
from upslope.environments.games.random_legal import nth_true, uniform_index
from upslope.environments.wrappers.fully_observed import FullState
from upslope.planning.simulation import TerminalValue

# Separates the actor's noise from the model's randomness.
ACTOR_STREAM = 0xAC70


def play_out(
    key: Key,
    environment: Environment,
    state: EnvironmentState,
    observation: Observation,
    actor: Actor | None,
    n_steps: int,
    discount: float | Array,
    *,
    n_actions: int,
    terminal_value: TerminalValue | None = None,
    ended: Bool[Array, ""] | bool = False,
) -> Float[Array, ""]:
    r"""The return of an actor from a state on, at most n steps long.

    .. math:: \sum_{t<n} D_t \, r_t + D_n V(s_n), \qquad D_t = \prod_{k<t} \gamma d_k

    with d the environment's own `Step.discount`, -1 after a move of an alternating game, in which
    the actor moves for both players; the return is that of the player who is to move now.

    Args:
      key: consumed.
      environment: the model.
      state: where to begin.
      observation: of that state; it may be () where neither the actor nor V looks at it.
      actor: who acts, with its initial memory; None for legal actions at random.
      n_steps: the most.
      discount: gamma.
      n_actions: A, of the discrete actions.
      terminal_value: V, of the state and observation after the last step; None for zero.
      ended: nothing is earned from here on.
    """
    model_key, actor_key = key, jax.random.fold_in(key, ACTOR_STREAM)
    # One draw for all steps of a player at random is much cheaper than a key for each.
    draws = jax.random.uniform(actor_key, (max(n_steps, 1) if actor is None else 1,))
    looks = actor is not None or terminal_value is not None

    def choose(
        time: Array, state: EnvironmentState, seen: Observation, memory: Memory
    ) -> tuple[Array, Memory]:
        if actor is None:
            return random_action(draws[time], environment, state, n_actions), memory
        noise = actor.noise(jax.random.fold_in(actor_key, time))
        shown = FullState(seen, state) if actor.observes_state else seen
        act = actor.act(noise, shown, memory)
        return act.action, act.memory

    def step(carry: tuple) -> tuple:
        time, state, seen, memory, weight, total = carry
        action, memory = choose(time, state, seen, memory)
        state, out = environment.step(jax.random.fold_in(model_key, time), state, action)
        # An ended process may go on to anything: a weight of zero must not meet an infinity.
        total = jnp.where(weight == 0, total, total + weight * out.reward)
        weight = weight * transition_discount(discount, out)
        return time + 1, state, out.observation if looks else (), memory, weight, total

    def goes_on(carry: tuple) -> Array:
        return (carry[0] < n_steps) & any_across_batch(carry[4] != 0)

    memory = () if actor is None else jax.tree.map(jnp.asarray, actor.initial_memory())
    weight = jnp.where(ended, 0.0, jnp.ones(()))
    start = (jnp.zeros((), int), state, observation if looks else (), memory, weight)
    _, state, seen, _, weight, total = jax.lax.while_loop(
        goes_on, step, (*start, jnp.zeros_like(weight))
    )
    if terminal_value is None:
        return total
    return total + jnp.where(weight == 0, 0.0, weight * terminal_value(state, seen))


def transition_discount(discount: float | Array, out: Step) -> Float[Array, ""]:
    """Gamma times the environment's own discount; zero after a terminating step."""
    own = jnp.ones(()) if out.discount is None else out.discount
    return jnp.where(out.terminated, 0.0, discount * own)


def random_action(
    draw: Float[Array, ""], environment: Environment, state: EnvironmentState, n_actions: int
) -> Int[Array, ""]:
    """A legal action, each with the same probability.

    Args:
      draw: uniform on [0, 1).
      environment: whose mask it is.
      state: where to act.
      n_actions: A.
    """
    if isinstance(environment, AlternatingGame):
        return environment.random_move(draw, state)
    mask = environment.action_mask(state)
    return uniform_index(draw, n_actions) if mask is None else nth_true(draw, mask)
