"""Windows of a game as they would have been on a turned board."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.annotations import Key
from upslope.core.records import Trajectories
from upslope.environments.games.symmetries import Symmetries
from upslope.planning.planning_actor import PlanExtras


def mirrored_windows(key: Key, symmetries: Symmetries, windows: Trajectories) -> Trajectories:
    """Each window [L, M, ...] in one symmetry, drawn evenly and the same in all its steps.

    Boards, masks, actions and the searches' policies turn together; rewards and values stay. The
    key is consumed.

    Args:
      symmetries: of the board, S permutations.
      windows: of self-play, with `PlanExtras`.
    """
    noted = windows.extras
    assert isinstance(noted, PlanExtras)
    policies = jnp.asarray(noted.action_weights)
    chosen = jax.random.randint(key, windows.reward.shape[1:], 0, len(symmetries))
    of_observation = jax.vmap(jax.vmap(symmetries.of_observation), (None, 0))
    of_actions = jax.vmap(jax.vmap(symmetries.of_actions), (None, 0))

    def turned(action: Array) -> Array:
        one_hot = jax.nn.one_hot(action, policies.shape[-1])
        return jnp.argmax(of_actions(chosen, one_hot), axis=-1).astype(action.dtype)

    return windows._replace(
        observation=of_observation(chosen, windows.observation),
        next_observation=of_observation(chosen, windows.next_observation),
        action=turned(windows.action),
        extras=noted._replace(action_weights=of_actions(chosen, policies)),
    )
