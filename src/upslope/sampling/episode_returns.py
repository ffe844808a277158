"""Returns alone: memory does not grow with the length of an episode."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.lockstep import anywhere
from upslope.core.moments import Moments
from upslope.environments.environment import Environment
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy, act
from upslope.sampling.action_bounds import action_clipper
from upslope.sampling.records import EpisodeStatistics, Returns


def sample_returns(
    key: Array,
    environment: Environment,
    candidates: Policy,
    objective: Objective,
    episodes_per_candidate: int,
    limit: int,
    *,
    deterministic: bool = False,
    common_random_numbers: bool = False,
) -> tuple[Returns, EpisodeStatistics]:
    """E episodes of each of P candidates; the loop ends when every episode has ended.

    Args:
      key: consumed.
      candidates: a population, leaves [P, ...].
      limit: after how many steps an episode is truncated.
      deterministic: act by the mode of the policy instead of a draw from it.
      common_random_numbers: episode e of every candidate meets the same randomness.

    Returns:
      The returns [P, E] under the objective and their lengths, and statistics. Where the policy
      normalises its observations, the moments of all observations visited too.
    """
    population = jax.tree.leaves(candidates)[0].shape[0]
    episodes = episodes_per_candidate
    clip = action_clipper(environment)
    normalises = getattr(candidates, "moments", None) is not None

    def keys(key: Array) -> Array:
        if common_random_numbers:
            row = jax.random.split(key, episodes)
            return jnp.broadcast_to(row[None], (population, episodes))
        return jax.random.split(key, (population, episodes))

    reset_key, act_key, step_key = jax.random.split(key, 3)
    both = lambda f: jax.vmap(jax.vmap(f))  # noqa: E731 over candidates and their episodes
    state, observation = both(environment.reset)(keys(reset_key))
    memory = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf[:, None], (population, episodes, *leaf.shape[1:])),
        jax.vmap(lambda policy: jax.tree.map(jnp.asarray, policy.initial_memory()))(candidates),
    )

    def choose(policy: Policy, observation: Array, memory: Any, key: Array) -> tuple[Array, Any]:
        distribution, memory = act(policy, observation, memory)
        return distribution.mode() if deterministic else distribution.sample(key), memory

    # A candidate is shared by its episodes: the inner map is over episodes alone.
    choose_all = jax.vmap(jax.vmap(choose, in_axes=(None, 0, 0, 0)))

    def unfinished(carry: Any) -> Array:
        return (carry["time"] < limit) & anywhere(carry["alive"])

    def body(carry: Any) -> Any:
        time, alive = carry["time"], carry["alive"]
        action, memory = choose_all(
            candidates,
            carry["observation"],
            carry["memory"],
            keys(jax.random.fold_in(act_key, time)),
        )
        step_keys = keys(jax.random.fold_in(step_key, time))
        state, out = both(environment.step)(step_keys, carry["state"], clip(action))
        reward = jnp.where(alive, out.reward, 0.0)
        bad = alive & ~(
            jnp.isfinite(reward)
            & jnp.all(jnp.isfinite(out.observation.reshape(population, episodes, -1)), axis=-1)
        )
        new = {
            "time": time + 1,
            "alive": alive & ~out.terminated,
            "state": state,
            "observation": out.observation,
            "memory": memory,
            "total": carry["total"] + carry["discount"] * reward,
            "plain": carry["plain"] + reward,
            "discount": carry["discount"] * objective.discount,
            "length": carry["length"] + alive,
            "bad": jnp.where((carry["bad"] < 0) & bad, time, carry["bad"]),
        }
        if normalises:
            seen = Moments.of(carry["observation"], alive)
            new["moments"] = carry["moments"].merge(seen)
        return new

    zeros = jnp.zeros((population, episodes))
    start = {
        "time": jnp.asarray(0),
        "alive": jnp.ones((population, episodes), bool),
        "state": state,
        "observation": observation,
        "memory": memory,
        "total": zeros,
        "plain": zeros,
        "discount": jnp.ones(()),
        "length": jnp.zeros((population, episodes), int),
        "bad": jnp.full((population, episodes), -1, int),
    }
    if normalises:
        start["moments"] = Moments.zeros(observation.shape[2:])
    end = jax.lax.while_loop(unfinished, body, start)
    bad = end["bad"].reshape(-1)
    where = jnp.argmax(bad >= 0)
    statistics = EpisodeStatistics(
        returns=jnp.mean(end["plain"]),
        lengths=jnp.mean(end["length"].astype(zeros.dtype)),
        episodes=jnp.asarray(population * episodes, int),
        steps=jnp.sum(end["length"]),
        broken=jnp.where(jnp.any(bad >= 0), where + 1, 0),
        broken_step=jnp.maximum(bad[where], 0),
    )
    returns = Returns(
        objective.episode_return(end["total"], end["length"]), end["length"], end.get("moments")
    )
    return returns, statistics
