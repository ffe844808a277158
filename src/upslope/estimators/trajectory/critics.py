"""Critics: what states and actions are worth, looked up along trajectories."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, TypeGuard

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Observation
from upslope.core.records import Trajectories
from upslope.policies.policy import Policy, ValueFunction
from upslope.policies.unroll import successor_values

# From one observation (and the time, where it says `has_time`) to V or to Q [A].
Critic = Callable[..., Array]


class TableCritic(eqx.Module):
    """V(s) or Q(s, .) of a numbered state, from a table.

    Any callable from one observation to V (a scalar) or Q (an array [A]) is a critic, every
    `ValueFunction` too; it reads `policy.normalize(observation)`.

    Attributes:
      values: [S] or [S, A].
      exact: whether these are the true values of the policy whose gradient is estimated. It decides
        nothing but what an estimator declares. Static.
    """

    values: Array
    exact: bool = eqx.field(static=True, default=False)

    def __call__(self, observation: Array) -> Array:
        return jnp.asarray(self.values)[observation]


class TimeTableCritic(eqx.Module):
    """V_h(s) or Q_h(s, .) of a numbered state after h steps: the values of a finite horizon.

    Attributes:
      values: [H, S] or [H, S, A]; worth nothing from step H on.
      exact: as for `TableCritic`. Static.
    """

    has_time: ClassVar[bool] = True
    values: Array
    exact: bool = eqx.field(static=True, default=False)

    def __call__(self, observation: Array, time: Array) -> Array:
        """The value in a state after `time` steps."""
        horizon = self.values.shape[0]
        value = jnp.asarray(self.values)[jnp.minimum(time, horizon - 1), observation]
        return jnp.where(time < horizon, value, 0.0)


def is_exact(critic: Critic) -> bool:
    """Whether a critic claims to be the truth."""
    return bool(getattr(critic, "exact", False))


def remembers(critic: Critic) -> TypeGuard[ValueFunction]:
    """Whether a critic has a memory, as a `ValueFunction` may."""
    return bool(getattr(critic, "has_memory", False))


def values_along(
    critic: Critic, policy: Policy, episodes: Trajectories
) -> tuple[Float[Array, "T N"], Float[Array, "T N"]]:
    """V(s_t) and V of the true successors, both [T, N].

    The value after a terminated step is nobody's: whatever is returned there must not be used.
    """
    seen = normalized(policy, episodes.observation)
    successor = normalized(policy, episodes.next_observation)
    if remembers(critic):
        n_episodes = episodes.reward.shape[1]
        memory = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, (n_episodes, *jnp.shape(leaf))),
            critic.initial_memory(),
        )
        value, following, _ = successor_values(
            critic, seen, successor, episodes.terminated, episodes.truncated, memory
        )
        return value, following
    return each_step(critic, seen), each_step(critic, successor, 1)


def action_values_along(
    critic: Critic, policy: Policy, episodes: Trajectories
) -> Float[Array, "T N A"]:
    """Q(s_t, .), [T, N, A]."""
    return each_step(critic, normalized(policy, episodes.observation))


def taken(action_value: Float[Array, "T N A"], episodes: Trajectories) -> Float[Array, "T N"]:
    """Q of the actions taken, [T, N], from Q [T, N, A]."""
    return jnp.take_along_axis(action_value, episodes.action[..., None], axis=-1)[..., 0]


def normalized(policy: Policy, observation: Observation) -> Observation:
    """Observations (leaves [T, N, ...]) as critics read them."""
    return jax.vmap(jax.vmap(policy.normalize))(observation)


def each_step(critic: Critic, observation: Observation, later: int = 0) -> Array:
    """What a critic without memory says of every step (`later` steps on), [T, N, ...]."""
    if not getattr(critic, "has_time", False):
        return jax.vmap(jax.vmap(critic))(observation)
    time = jnp.arange(jax.tree.leaves(observation)[0].shape[0]) + later
    return jax.vmap(lambda o, t: jax.vmap(lambda x: critic(x, t))(o))(observation, time)
