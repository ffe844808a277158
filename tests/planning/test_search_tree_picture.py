"""A search tree as a picture: its boards, visits and proven moves."""

import xml.etree.ElementTree as ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.checks import UpslopeError
from upslope.environments import Nim, TicTacToe
from upslope.planning import UCT, search_tree_svg
from upslope.planning.mcts.tree_picture import node_of


@pytest.mark.slow
def test_the_tree_of_a_search():
    """The most visited moves, each with its count; a win on the spot is said to win."""
    game = TicTacToe()
    state, _ = game.reset(jax.random.key(0))
    for move in (0, 3, 1):
        state, _ = game.step(jax.random.key(0), state, jnp.asarray(move))
    planner = UCT(game, n_simulations=80)
    plan = jax.jit(planner.plan)(jax.random.key(0), state, planner.initial_memory())
    numbers = jax.tree.map(np.asarray, plan.memory)
    root = node_of(game, numbers, 0, 2, 2)
    visits = np.asarray(plan.extras.visits)
    shown = [int(child.above.split(": ")[1]) for child in root.children]
    assert sorted(shown, reverse=True) == sorted(visits, reverse=True)[:2]
    assert [child.view.stones.ravel()[child.last] for child in root.children] == [2, 2]
    threat = next(child for child in root.children if child.last != 2)
    assert "wins" in [child.below for child in threat.children]  # X completes the upper row
    svg = search_tree_svg(game, plan.memory, breadth=2, depth=2)
    tree = ElementTree.fromstring(svg)
    boards = [one for one in tree.iter() if one.get("class") == "board"]
    assert len(boards) == 1 + len(root.children) + sum(len(c.children) for c in root.children)
    assert tree.get("aria-label") == f"The tree of a search with {visits.sum()} simulations"


def test_refusals():
    with pytest.raises(UpslopeError, match=r"got tuple: give it the memory.*keep_tree=True"):
        search_tree_svg(TicTacToe(), ())
    planner = UCT(Nim(4), n_simulations=4)
    memory = planner.initial_memory()
    with pytest.raises(UpslopeError, match="Nim, which has no board"):
        search_tree_svg(Nim(4), memory)
    with pytest.raises(UpslopeError, match=r"breadth=0.*at least 1"):
        search_tree_svg(TicTacToe(), memory, breadth=0)
