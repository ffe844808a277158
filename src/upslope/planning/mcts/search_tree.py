"""A search tree in arrays of fixed size."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from upslope.core import tree as trees
from upslope.core.annotations import EnvironmentState

UNKNOWN = jnp.nan  # an action that is not solved
ILLEGAL = -jnp.inf  # the exact value of an action that the rules forbid
NO_CHILD = -1


class SearchTree(NamedTuple):
    """M nodes, of which the first `n_nodes` are in use; node 0 is the root.

    A node is a state that was met; an edge is an action in it. An edge has one child per outcome
    that was met, K at most. A parent's index is below its children's. Values are seen from the side
    of the player who is to move in the edge's own node.
    """

    state: EnvironmentState  # [M, ...]
    parent: Int[Array, " M"]
    reward: Float[Array, " M"]  # of the step into the node, the parent's mover's
    discount: Float[Array, " M"]  # gamma times the step's own discount; 0: the node is an end
    children: Int[Array, "M A K"]  # NO_CHILD where there is none
    visits: Int[Array, "M A"]  # N(s, a): simulations through the edge
    total: Float[Array, "M A"]  # the sum of their returns from the edge's node on
    exact: Float[Array, "M A"]  # the edge's minimax value where it is solved, UNKNOWN or ILLEGAL
    plies: Int[Array, "M A"]  # steps to the end of a solved edge
    n_nodes: Int[Array, ""]
    lowest: Float[Array, ""]  # of all returns in the tree
    highest: Float[Array, ""]


def empty_tree(
    state: EnvironmentState, n_actions: int, capacity: int, n_outcomes: int
) -> SearchTree:
    """A tree of M = `capacity` nodes without any, for states like this one."""
    wide = (capacity, n_actions)
    number = jnp.zeros(())

    def room(leaf: Array) -> Array:
        shape = (capacity, *jnp.shape(leaf))
        # A key's fill value is a key: broadcast whatever there is.
        return jnp.broadcast_to(jnp.asarray(leaf)[None], shape)

    return SearchTree(
        state=jax.tree.map(room, state),
        parent=jnp.zeros(capacity, jnp.int32),
        reward=jnp.zeros_like(number, shape=(capacity,)),
        discount=jnp.zeros_like(number, shape=(capacity,)),
        children=jnp.full((*wide, n_outcomes), NO_CHILD, jnp.int32),
        visits=jnp.zeros(wide, jnp.int32),
        total=jnp.zeros_like(number, shape=wide),
        exact=jnp.full(wide, UNKNOWN, number.dtype),
        plies=jnp.zeros(wide, jnp.int32),
        n_nodes=jnp.zeros((), jnp.int32),
        lowest=jnp.full((), jnp.inf, number.dtype),
        highest=jnp.full((), -jnp.inf, number.dtype),
    )


def plant(tree: SearchTree, state: EnvironmentState, legal: Bool[Array, " A"]) -> SearchTree:
    """An empty tree with a root."""
    return tree._replace(
        state=jax.tree.map(lambda leaf, new: leaf.at[0].set(new), tree.state, state),
        exact=tree.exact.at[0].set(jnp.where(legal, UNKNOWN, ILLEGAL)),
        discount=tree.discount.at[0].set(1.0),
        n_nodes=jnp.ones((), jnp.int32),
    )


def subtree(tree: SearchTree, root: Int[Array, ""]) -> SearchTree:
    """The tree below one of its nodes, with all that is known of it and nothing else.

    Nodes keep their order, so that parents stay before their children.
    """
    size = tree.parent.shape[0]
    number = jnp.arange(size)
    below, ancestor = number == root, jnp.where(number == 0, 0, tree.parent)
    # Doubling: after k rounds every node has asked its 2^k nearest ancestors.
    for _ in range(max(1, (size - 1).bit_length())):
        below = below | below[ancestor]
        ancestor = ancestor[ancestor]
    below = below & (number < tree.n_nodes)
    place = jnp.where(below, jnp.cumsum(below) - 1, NO_CHILD).astype(jnp.int32)
    kept = jnp.sum(below).astype(jnp.int32)
    source = jnp.nonzero(below, size=size, fill_value=0)[0]
    moved = trees.take(tree._replace(n_nodes=(), lowest=(), highest=()), source)
    used = number < kept
    links = jnp.where(moved.children == NO_CHILD, NO_CHILD, place[moved.children])
    fill = used[:, None]
    return SearchTree(
        state=moved.state,
        parent=jnp.where(used, jnp.maximum(place[moved.parent], 0), 0),
        reward=moved.reward,
        discount=moved.discount,
        children=jnp.where(fill[..., None], links, NO_CHILD),
        visits=jnp.where(fill, moved.visits, 0),
        total=jnp.where(fill, moved.total, 0.0),
        exact=jnp.where(fill, moved.exact, UNKNOWN),
        plies=jnp.where(fill, moved.plies, 0),
        n_nodes=kept,
        lowest=tree.lowest,
        highest=tree.highest,
    )


def same_states(
    many: EnvironmentState, one: EnvironmentState, shape: tuple[int, ...]
) -> Bool[Array, ...]:
    """Where states are equal to one in every leaf.

    Args:
      many: states with the leading axes `shape`.
      one: a state.
      shape: of the answer.
    """
    same = jnp.ones(shape, bool)
    for left, right in zip(jax.tree.leaves(many), jax.tree.leaves(one), strict=True):
        if jnp.issubdtype(left.dtype, jax.dtypes.prng_key):
            left, right = jax.random.key_data(left), jax.random.key_data(right)
        right = jnp.asarray(right).reshape((1,) * len(shape) + jnp.shape(right))
        same = same & jnp.all(left == right, axis=tuple(range(len(shape), left.ndim)))
    return same
