"""Selection: from the root of a search tree down to what is not known yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from upslope.core import tree as trees
from upslope.core.annotations import EnvironmentState, Key, Observation
from upslope.core.unbatched_reductions import any_across_batch
from upslope.environments.environment import Environment
from upslope.environments.games.random_legal import uniform_index
from upslope.planning.mcts.search_tree import NO_CHILD, SearchTree, same_states
from upslope.planning.playouts import transition_discount

# Separates the choice among kept outcomes from the model's randomness.
OUTCOME_STREAM = 0x07C0
# The action to try in a node, by a draw from [0, 1).
Choose = Callable[[SearchTree, Array, Array], Array]


class Way(NamedTuple):
    """A way from the root down; D is the greatest depth."""

    time: Int[Array, ""]  # edges looked at, the same for a whole batch
    node: Int[Array, ""]  # where the way is
    open: Bool[Array, ""]  # whether it goes on
    nodes: Int[Array, " D"]  # of its edges; what lies beyond `length` means nothing
    actions: Int[Array, " D"]
    rewards: Float[Array, " D"]
    discounts: Float[Array, " D"]
    length: Int[Array, ""]


class Leaf(NamedTuple):
    """Where a way ends."""

    child: Int[Array, ""]  # the node, or NO_CHILD where it is new
    state: EnvironmentState
    observation: Observation
    reward: Float[Array, ""]  # of the last step
    discount: Float[Array, ""]  # gamma times the step's own; 0: an end


def beginning(depth: int, live: Array) -> Way:
    """A way of no edge; closed where `live` is False."""
    zero = jnp.zeros((), jnp.int32)
    whole, numbers = jnp.zeros(depth, jnp.int32), jnp.zeros(depth)
    return Way(zero, zero, live, whole, whole, numbers, numbers, zero)


def goes_on(way: Way) -> Array:
    """Whether a way of the batch is open."""
    return (way.time < way.nodes.shape[0]) & any_across_batch(way.open)


def after(way: Way, action: Array, child: Array, reward: Array, discount: Array, leads_on: Array):
    """The way with another edge."""
    t = way.time
    leads_on = leads_on & (child != NO_CHILD) & (discount != 0) & (t + 1 < way.nodes.shape[0])
    # Once a way is closed, what is written lies beyond its length.
    return Way(
        time=t + 1,
        node=jnp.where(way.open & leads_on, child, way.node),
        open=way.open & leads_on,
        nodes=way.nodes.at[t].set(way.node),
        actions=way.actions.at[t].set(action),
        rewards=way.rewards.at[t].set(reward),
        discounts=way.discounts.at[t].set(discount),
        length=way.length + way.open,
    )


def descend(
    key: Key,
    environment: Environment,
    discount: float | Array,
    tree: SearchTree,
    choose: Choose,
    draws: Float[Array, " D"],
    live: Bool[Array, ""],
) -> tuple[Way, Leaf]:
    """Down to an edge without a child, an end, a solved edge, or the greatest depth.

    Args:
      key: consumed.
      environment: deterministic: an edge has one child.
      discount: gamma.
      tree: to descend.
      choose: the action of a node.
      draws: for ties.
      live: False for a search that has ended.
    """

    def down(way: Way) -> Way:
        action = choose(tree, way.node, draws[way.time]).astype(jnp.int32)
        child = tree.children[way.node, action, 0]
        unsolved = jnp.isnan(tree.exact[way.node, action])
        return after(way, action, child, tree.reward[child], tree.discount[child], unsolved)

    way = jax.lax.while_loop(goes_on, down, beginning(draws.shape[0], live))
    action = way.actions[jnp.maximum(way.length - 1, 0)]
    state, out = environment.step(key, trees.take(tree.state, way.node), action)
    leaf = Leaf(
        child=tree.children[way.node, action, 0],
        state=state,
        observation=out.observation,
        reward=out.reward,
        discount=transition_discount(discount, out),
    )
    return way, leaf


def descend_by_chance(
    key: Key,
    environment: Environment,
    discount: float | Array,
    tree: SearchTree,
    choose: Choose,
    draws: Float[Array, " D"],
    live: Bool[Array, ""],
) -> tuple[Way, Leaf]:
    """Down by what the steps draw, to an outcome that has not been met, an end, or too deep.

    Args:
      key: consumed.
      environment: an edge has a child for each outcome, K at most.
      discount: gamma.
      tree: to descend.
      choose: the action of a node.
      draws: for ties.
      live: False for a search that has ended.
    """

    def down(carry: tuple[Way, Leaf]) -> tuple[Way, Leaf]:
        way, leaf = carry
        action = choose(tree, way.node, draws[way.time]).astype(jnp.int32)
        step_key, other_key = jax.random.split(jax.random.fold_in(key, way.time))
        state, out = environment.step(step_key, trees.take(tree.state, way.node), action)
        reward, weight = out.reward, transition_discount(discount, out)
        children = tree.children[way.node, action]
        met = children != NO_CHILD
        same = met & same_states(trees.take(tree.state, children), state, children.shape)
        # An outcome beyond the K that have been met: one of those instead, as it was.
        full, new = jnp.all(met), ~jnp.any(same)
        other = children[uniform_index(jax.random.uniform(other_key), children.shape[0])]
        child = jnp.where(new, jnp.where(full, other, NO_CHILD), children[jnp.argmax(same)])
        replaced = new & full
        reward = jnp.where(replaced, tree.reward[child], reward)
        weight = jnp.where(replaced, tree.discount[child], weight)
        met_leaf = Leaf(child, state, out.observation, reward, weight)
        moved = after(way, action, child, reward, weight, jnp.ones((), bool))
        return moved, trees.where(way.open, met_leaf, leaf)

    root = trees.take(tree.state, 0)
    example = jax.eval_shape(environment.step, key, root, jnp.zeros((), jnp.int32))
    state, out = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), example)
    zero = jnp.zeros_like(tree.lowest)
    nowhere = Leaf(jnp.full((), NO_CHILD, jnp.int32), state, out.observation, zero, zero)
    return jax.lax.while_loop(
        lambda carry: goes_on(carry[0]), down, (beginning(draws.shape[0], live), nowhere)
    )
