"""Garnet: random finite MDPs to test methods on."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError, check_number
from upslope.environments.tabular.finite_mdp import FiniteMDP


def garnet(
    key: Key,
    n_states: int = 30,
    n_actions: int = 4,
    branching: int = 2,
    time_limit: int | None = None,
) -> FiniteMDP:
    r"""A random MDP Garnet(S, A, b): b successors for every state and action.

    The successors are drawn without replacement, their probabilities are the gaps between b - 1
    sorted uniform cuts of [0, 1], the rewards R(s, a) are standard normal, the start is uniform.
    It never terminates. Can be vmapped over the key: a batch of environments.

    Args:
      key: consumed; the same key gives the same MDP.
      n_states: S.
      n_actions: A.
      branching: b, from 1 to S.
      time_limit: of the MDP, steps.

    Raises:
      UpslopeError: a size below one, or a branching beyond the number of states.

    References:
      Archibald, McKinnon and Thomas (1995); Bhatnagar et al. (2009), section 6.
    """
    check_garnet("garnet", n_states, n_actions, branching)
    successor_key, cut_key, reward_key = jax.random.split(key, 3)
    noise = jax.random.uniform(successor_key, (n_states, n_actions, n_states))
    successors = jnp.argsort(noise, axis=-1)[..., :branching]  # [S, A, b]
    probability = gaps(cut_key, (n_states, n_actions), branching)
    chosen = jax.nn.one_hot(successors, n_states, dtype=probability.dtype)  # [S, A, b, S]
    transition = jnp.sum(chosen * probability[..., None], axis=2)
    reward = jax.random.normal(reward_key, (n_states, n_actions))
    initial = jnp.full((n_states,), 1.0 / n_states)
    never = jnp.zeros(n_states, bool)
    return FiniteMDP(transition, reward, initial, never, time_limit)


def seeded_garnet(
    n_states: int = 30,
    n_actions: int = 4,
    branching: int = 2,
    seed: int = 0,
    time_limit: int | None = 200,
) -> FiniteMDP:
    """`garnet` by a seed instead of a key, for names in files and on the command line.

    Args:
      n_states: S, the number of states.
      n_actions: A, the number of actions in each.
      branching: b, the successors of a state and an action, from 1 to S.
      seed: seed of the MDP's numbers.
      time_limit: steps; None for never.
    """
    check_number("garnet", "seed", seed, at_least=0, integer=True)
    return garnet(jax.random.key(seed), n_states, n_actions, branching, time_limit)


def check_garnet(owner: str, n_states: int, n_actions: int, branching: int) -> None:
    """Raises for sizes that make no random MDP."""
    for name, value in (("n_states", n_states), ("n_actions", n_actions), ("branching", branching)):
        check_number(owner, name, value, at_least=1, integer=True)
    if branching > n_states:
        raise UpslopeError(
            f"{owner} got branching={branching} with n_states={n_states}: a state cannot have more "
            "successors than there are states."
        )


def gaps(key: Key, pairs: tuple[int, int], branching: int) -> Float[Array, "S A b"]:
    """Probabilities [S, A, b]: the gaps between b - 1 sorted uniform cuts of [0, 1]."""
    cuts = jnp.sort(jax.random.uniform(key, (*pairs, branching - 1)), axis=-1)
    edges = jnp.pad(cuts, ((0, 0), (0, 0), (1, 0)))
    return jnp.pad(cuts, ((0, 0), (0, 0), (0, 1)), constant_values=1.0) - edges
