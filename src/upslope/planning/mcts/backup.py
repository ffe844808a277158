"""Backup: what a simulation found goes into every edge of its way."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from upslope.core.unbatched_reductions import max_across_batch
from upslope.planning.mcts.descent import Leaf, Way
from upslope.planning.mcts.search_tree import UNKNOWN, SearchTree


def back_up(
    tree: SearchTree,
    way: Way,
    leaf: Leaf,
    value: Float[Array, ""],
    best: float,
    *,
    exact_ends: bool,
    solves: bool,
) -> SearchTree:
    r"""The tree with one more simulation.

    .. math:: G_t = r_{t+1} + \gamma d_{t+1} G_{t+1}, \qquad
              N(s_t, a_t) \mathrel{+}= 1, \quad W(s_t, a_t) \mathrel{+}= G_t

    Sums and counts grow together, so that no mean is of a count that has grown already.

    Args:
      tree: with the leaf in it.
      way: to the leaf.
      leaf: where it ends.
      value: of the leaf's state, from the side of who is to move there; unused at an end.
      best: what no return exceeds.
      exact_ends: whether the edge to an end is exact from now on.
      solves: whether what is exact goes up for as long as it makes nodes exact.
    """
    last = jnp.maximum(way.length - 1, 0)
    end = leaf.discount == 0
    known = jnp.where(end, 0.0, UNKNOWN)
    if exact_ends:
        exact = tree.exact[way.node, way.actions[last]]
        # What is exact already is not estimated: its value stands for the step and what follows.
        solved = ~jnp.isnan(exact)
        reward = jnp.where(solved, exact, leaf.reward)
        discount = jnp.where(solved, 0.0, leaf.discount)
    else:
        reward, discount = leaf.reward, leaf.discount
    rewards = way.rewards.at[last].set(reward)
    discounts = way.discounts.at[last].set(discount)
    value = jnp.where(discount == 0, 0.0, value)
    top = jnp.full((), tree.parent.shape[0], jnp.int32)  # out of the tree: nothing is written

    def up(carry: tuple) -> tuple:
        t, tree, value, known, plies = carry
        here = t < way.length
        node, action = jnp.where(here, way.nodes[t], top), way.actions[t]
        value = jnp.where(here, rewards[t] + discounts[t] * value, value)
        tree = tree._replace(
            visits=tree.visits.at[node, action].add(1, mode="drop"),
            total=tree.total.at[node, action].add(value, mode="drop"),
            lowest=jnp.where(here, jnp.minimum(tree.lowest, value), tree.lowest),
            highest=jnp.where(here, jnp.maximum(tree.highest, value), tree.highest),
        )
        if exact_ends:
            proven = here & ~jnp.isnan(known)
            place = jnp.where(proven, node, top)
            worth = jnp.where(discounts[t] == 0, rewards[t], rewards[t] + discounts[t] * known)
            tree = tree._replace(
                exact=tree.exact.at[place, action].set(worth, mode="drop"),
                plies=tree.plies.at[place, action].set(plies + 1, mode="drop"),
            )
            value_above, plies_above = UNKNOWN, plies
            if solves:
                value_above, plies_above = solved_value(tree.exact[node], tree.plies[node], best)
            known = jnp.where(here, jnp.where(proven, value_above, UNKNOWN), known)
            plies = jnp.where(proven, plies_above, plies)
        return t - 1, tree, value, known, plies

    start = max_across_batch(way.length) - 1
    carry = (start, tree, value, known, jnp.zeros((), jnp.int32))
    return jax.lax.while_loop(lambda carry: carry[0] >= 0, up, carry)[1]


def solved_value(
    exact: Float[Array, " A"], plies: Int[Array, " A"], best: float
) -> tuple[Float[Array, ""], Int[Array, ""]]:
    """The exact value of a node and the steps to its end; UNKNOWN for what is not solved.

    A node is solved when an action earns the most there is, or when all are solved. The greatest
    value counts: among wins the shortest, among losses the longest.

    Args:
      exact: values [A] of the actions: UNKNOWN or ILLEGAL where they are.
      plies: [A] steps to the end.
      best: what no return exceeds.
    """
    solved = ~jnp.isnan(exact)
    greatest = jnp.max(jnp.where(solved, exact, -jnp.inf))
    proven = (greatest >= best) | jnp.all(solved)
    among = solved & (exact == greatest)
    far = jnp.iinfo(jnp.int32).max
    shortest = jnp.min(jnp.where(among, plies, far))
    longest = jnp.max(jnp.where(among, plies, 0))
    steps = jnp.where(greatest > 0, shortest, longest)
    return jnp.where(proven, greatest, UNKNOWN), steps


def best_edge(
    visits: Int[Array, " A"],
    total: Float[Array, " A"],
    exact: Float[Array, " A"],
    plies: Int[Array, " A"],
    best: float,
) -> Int[Array, ""]:
    """The action to take after a search.

    In this order: a proven win, the shortest; where everything is solved the greatest value, among
    losses the longest; otherwise what was visited most among all that does not lose for certain,
    and of those the greatest mean.

    Args:
      visits: N(s, a), [A].
      total: sums of returns [A].
      exact: values [A] of the actions: UNKNOWN or ILLEGAL where they are.
      plies: [A] steps to the end of solved actions.
      best: what no return exceeds; minus it is a loss.
    """
    mean = total / jnp.maximum(visits, 1)
    value, _ = solved_value(exact, plies, best)
    proven = ~jnp.isnan(value)
    among = jnp.where(proven, exact == value, ~(exact <= -best) & (exact != -jnp.inf))
    # Nothing but losses and what nobody has looked at: the rules are all that is left.
    among = jnp.where(jnp.any(among), among, exact != -jnp.inf)
    near = jnp.where(value > 0, -plies, plies)
    near = jnp.where(proven & (jnp.abs(value) > 0), near, 0)
    for preference in (near, visits, mean):
        lowest = -jnp.inf if preference.dtype == mean.dtype else jnp.iinfo(jnp.int32).min
        ranked = jnp.where(among, preference, lowest)
        among = among & (ranked == jnp.max(ranked))
    return jnp.argmax(among)
