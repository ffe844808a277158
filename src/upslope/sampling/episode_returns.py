"""Returns alone: memory does not grow with the length of an episode."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from upslope.core import tree
from upslope.core.annotations import EnvironmentState, Key, Memory, Observation, PyTree
from upslope.core.compensated_sum import CompensatedSum
from upslope.core.moments import Moments
from upslope.core.records import Act, EpisodeStatistics, Returns, finite_steps
from upslope.core.unbatched_reductions import any_across_batch
from upslope.environments.environment import Environment
from upslope.objectives.objective import Objective
from upslope.policies.actor import Actor
from upslope.sampling.action_bounds import action_clipper

# Episodes at a time; more take turns, so that their memory does not grow with the population.
SLICE = 2**16

T = TypeVar("T")


class Recording(NamedTuple):
    """Which episodes are recorded, and what of them."""

    candidates: tuple[int, ...]  # R places among the candidates of a call
    steps: int  # K, as far as they are recorded
    state: bool  # whether the environment's states are kept, besides the observations


class EpisodeRecord(NamedTuple):
    """Every moment of the episodes of R candidates; row 0 is before the first step.

    Rows after an episode's end are of no meaning.
    """

    state: EnvironmentState  # [K + 1, R, E, ...], None where it is not kept
    observation: Observation  # [K + 1, R, E, ...]
    returns: Float[Array, "K1 R E"]  # undiscounted, up to that moment
    lengths: Int[Array, "K1 R E"]  # steps taken up to that moment


def sample_returns(
    key: Key,
    environment: Environment,
    candidates: Actor,
    objective: Objective,
    episodes_per_candidate: int,
    limit: int,
    *,
    deterministic: bool = False,
    common_random_numbers: bool = False,
    axis: str | None = None,
    slice_size: int = SLICE,
) -> tuple[Returns, EpisodeStatistics]:
    """E episodes of each of P candidates; the loop ends when every episode has ended.

    Every episode is a function of the key and of its own number: how many devices share the
    population, and in how many slices they take it, changes nothing.

    Args:
      key: consumed.
      candidates: a population, leaves [P, ...]; an actor without any is one candidate.
      limit: after how many steps an episode is truncated.
      deterministic: act by the mode of the policy instead of a draw from it.
      common_random_numbers: episode e of every candidate meets the same randomness.
      axis: of the mesh, whose devices share the population; every one gets all returns.
      slice_size: episodes that run at the same time on a device, at most (one candidate's at
        least).

    Returns:
      The returns [P, E] under the objective and their lengths, and statistics. Where the policy
      normalises its observations, the moments of all observations visited too.
    """
    population = population_of(candidates)
    rollout = episode_rollout(
        key,
        environment,
        candidates,
        objective,
        episodes_per_candidate,
        limit,
        deterministic=deterministic,
        common_random_numbers=common_random_numbers,
    )
    end = in_slices(rollout, population, max(slice_size // episodes_per_candidate, 1), axis)
    bad = end["bad"].reshape(-1)
    where = jnp.argmax(bad >= 0)
    statistics = EpisodeStatistics(
        returns=jnp.mean(end["plain"]),
        lengths=jnp.mean(end["length"].astype(end["total"].dtype)),
        episodes=jnp.asarray(population * episodes_per_candidate, int),
        steps=jnp.sum(end["length"]),
        nonfinite_env=jnp.where(jnp.any(bad >= 0), where + 1, 0),
        nonfinite_step=jnp.maximum(bad[where], 0),
    )
    moments = end["moments"].together() if "moments" in end else None
    returns = objective.episode_return(end["total"], end["length"])
    return Returns(returns, end["length"], moments), statistics


def population_of(candidates: Actor) -> int:
    """P of leaves [P, ...]; an actor without any is one candidate."""
    numbers = jax.tree.leaves(candidates)
    return numbers[0].shape[0] if numbers else 1


def episode_rollout(
    key: Key,
    environment: Environment,
    candidates: Actor,
    objective: Objective,
    episodes: int,
    limit: int,
    *,
    deterministic: bool = False,
    common_random_numbers: bool = False,
    recording: Recording | None = None,
) -> Callable[[Int[Array, " N"]], dict[str, PyTree]]:
    """What plays the episodes of some candidates of a population; see `sample_returns`.

    Args:
      recording: of which candidates every moment is kept; what is played does not depend on it.

    Returns:
      A function of indices [N] to leaves [N, E]: `total` (under the objective) and `plain`
      returns, `length`, `bad` (the first step that was not finite, or -1), `moments` where
      observations are normalised; and `record`, an `EpisodeRecord`, where episodes are recorded.
    """
    population = population_of(candidates)
    clip = action_clipper(environment)
    normalises = candidates.observation_moments is not None
    if deterministic:
        candidates = candidates.greedy()

    def rollout(indices: Array) -> dict[str, PyTree]:
        """The episodes of some candidates [N]; numbers beyond the population are padding."""
        policies = tree.take(candidates, jnp.minimum(indices, population - 1))
        count = indices.shape[0]

        def keys(key: Array) -> Array:
            each = lambda number: jax.random.fold_in(key, number)  # noqa: E731
            row = jnp.arange(episodes, dtype=jnp.uint32)
            if common_random_numbers:
                return jnp.broadcast_to(jax.vmap(each)(row)[None], (count, episodes))
            numbers = indices.astype(jnp.uint32)[:, None] * episodes + row[None]
            return jax.vmap(jax.vmap(each))(numbers)

        reset_key, act_key, step_key = jax.random.split(key, 3)
        both = lambda f: jax.vmap(jax.vmap(f))  # noqa: E731 over candidates and their episodes
        state, observation = both(environment.reset)(keys(reset_key))
        memory = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf[:, None], (count, episodes, *leaf.shape[1:])),
            jax.vmap(
                lambda policy: jax.tree.map(jnp.asarray, policy.initial_memory()), axis_size=count
            )(policies),
        )

        def act(actor: Actor, key: Array, observation: Observation, memory: Memory) -> Act:
            return actor.act(actor.noise(key), observation, memory)

        # A candidate is shared by its episodes: the inner map is over episodes alone.
        act_all = jax.vmap(jax.vmap(act, in_axes=(None, 0, 0, 0)))

        def unfinished(carry: dict[str, PyTree]) -> Array:
            return (carry["time"] < limit) & any_across_batch(carry["alive"])

        def body(carry: dict[str, PyTree]) -> dict[str, PyTree]:
            time, alive = carry["time"], carry["alive"]
            done = act_all(
                policies,
                keys(jax.random.fold_in(act_key, time)),
                carry["observation"],
                carry["memory"],
            )
            step_keys = keys(jax.random.fold_in(step_key, time))
            state, out = both(environment.step)(step_keys, carry["state"], clip(done.action))
            reward = jnp.where(alive, out.reward, 0.0)
            bad = alive & ~finite_steps(reward, out.observation)
            new = {
                "time": time + 1,
                "alive": alive & ~out.terminated,
                "state": state,
                "observation": out.observation,
                "memory": done.memory,
                "total": carry["total"].add(carry["discount"] * carry["sign"] * reward),
                "plain": carry["plain"].add(carry["sign"] * reward),
                "discount": carry["discount"] * objective.discount,
                # the product of the environment's own discounts: the sign of who is to move
                "sign": carry["sign"] if out.discount is None else carry["sign"] * out.discount,
                "length": carry["length"] + alive,
                "bad": jnp.where((carry["bad"] < 0) & bad, time, carry["bad"]),
            }
            if normalises:  # each candidate's own, so that their sum has one order for all
                seen = jax.vmap(Moments.of)(carry["observation"], alive)
                new["moments"] = jax.vmap(Moments.merge)(carry["moments"], seen)
            if recording is not None:  # what lies beyond the buffer is dropped
                now = shown(state, out.observation, new["plain"], new["length"])
                new["record"] = jax.tree.map(
                    lambda kept, leaf: kept.at[time + 1].set(leaf, mode="drop"),
                    carry["record"],
                    now,
                )
            return new

        def shown(
            state: PyTree, observation: Observation, total: CompensatedSum, length: Array
        ) -> EpisodeRecord:
            """A moment of the candidates that are recorded."""
            assert recording is not None
            kept = state if recording.state else None
            seen = EpisodeRecord(kept, observation, total.value, length)
            return tree.take(seen, jnp.asarray(recording.candidates))

        zeros = jnp.zeros((count, episodes))
        done = jax.eval_shape(act_all, policies, keys(act_key), observation, memory)
        _, out = jax.eval_shape(both(environment.step), keys(step_key), state, done.action)
        start = {
            "time": jnp.asarray(0),
            "alive": jnp.broadcast_to(indices[:, None] < population, (count, episodes)),
            "state": state,
            "observation": observation,
            "memory": memory,
            "total": CompensatedSum.start(zeros),
            "plain": CompensatedSum.start(zeros),
            "discount": jnp.ones(()),
            "sign": jnp.ones(()) if out.discount is None else jnp.ones((count, episodes)),
            "length": jnp.zeros((count, episodes), int),
            "bad": jnp.full((count, episodes), -1, int),
        }
        if normalises:
            sample = jax.eval_shape(lambda: jax.tree.map(lambda leaf: leaf[0, 0], observation))
            nothing = Moments.zeros_like(sample)
            start["moments"] = jax.tree.map(
                lambda leaf: jnp.broadcast_to(leaf, (count, *leaf.shape)), nothing
            )
        if recording is not None:
            moments = recording.steps + 1
            start["record"] = jax.tree.map(
                lambda leaf: jnp.zeros((moments, *leaf.shape), leaf.dtype).at[0].set(leaf),
                shown(state, observation, start["plain"], start["length"]),
            )
        end = jax.lax.while_loop(unfinished, body, start)
        end |= {name: end[name].value for name in ("total", "plain")}
        kept = ("total", "plain", "length", "bad", "moments", "record")
        return {name: end[name] for name in kept if name in end}

    return rollout


def in_slices(
    rollout: Callable[[Int[Array, " N"]], T], population: int, most: int, axis: str | None
) -> T:
    """`rollout(indices [N])` of a population, leaves [P, ...]: shared by devices, in slices.

    Args:
      rollout: indices of the population and beyond to leaves [N, ...].
      population: P.
      most: N at most.
      axis: of the mesh whose devices share the work; None for this device alone.
    """
    devices = 1 if axis is None else jax.lax.axis_size(axis)
    share = -(-population // devices)
    first = 0 if axis is None else jax.lax.axis_index(axis) * share
    slices = -(-share // most)
    size = -(-share // slices)
    numbers = jnp.arange(slices * size)
    # What a slice has beyond its device's share belongs to nobody.
    indices = jnp.where(numbers < share, first + numbers, population).reshape(slices, size)
    out = rollout(indices[0]) if slices == 1 else jax.lax.map(rollout, indices)
    if slices > 1:
        out = jax.tree.map(lambda leaf: leaf.reshape(slices * size, *leaf.shape[2:])[:share], out)
    if axis is not None:
        out = jax.lax.all_gather(out, axis, axis=0, tiled=True)
    return jax.tree.map(lambda leaf: leaf[:population], out)
