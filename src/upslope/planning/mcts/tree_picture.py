"""A picture of what a search has looked at."""

from __future__ import annotations

import jax
import numpy as np

from upslope.core.checks import UpslopeError, check_number
from upslope.drawing.board_view import move_names, view_of
from upslope.drawing.tree_svg import TreeNode, tree_svg
from upslope.environments.games.alternating_game import AlternatingGame
from upslope.planning.mcts.search_tree import SearchTree

WORDS = {1.0: "wins", 0.0: "draws", -1.0: "loses"}


def search_tree_svg(
    game: AlternatingGame, tree: SearchTree, *, breadth: int = 3, depth: int = 3
) -> str:
    """The tree of a search by `UCT` as SVG: boards, visits, and what each move is worth.

        plan = jax.jit(planner.plan)(key, state, planner.initial_memory())
        svg = search_tree_svg(game, plan.memory)

    From each position the most visited moves are drawn. Below a line stand the move with its
    visits and the mean of its returns to who makes it, or what it is proven to do.

    Args:
      game: of stones on a grid.
      tree: the memory of a plan, of a planner with `keep_tree`.
      breadth: moves of a position, at most.
      depth: levels below the root, at most.

    Raises:
      UpslopeError: a game without a board, a memory that is no tree, or a number below 1.
    """
    check_number("search_tree_svg", "breadth", breadth, at_least=1, integer=True)
    check_number("search_tree_svg", "depth", depth, at_least=1, integer=True)
    if not isinstance(tree, SearchTree):
        raise UpslopeError(
            f"search_tree_svg got {type(tree).__name__}: give it the memory of a plan by UCT, with "
            "keep_tree=True."
        )
    numbers = jax.tree.map(np.asarray, tree)
    root = node_of(game, numbers, 0, breadth, depth)
    simulations = int(numbers.visits[0].sum())
    return tree_svg(root, f"The tree of a search with {simulations} simulations")


def node_of(
    game: AlternatingGame,
    tree: SearchTree,
    place: int,
    breadth: int,
    depth: int,
    **drawn: object,
) -> TreeNode:
    """A node with the most visited of its moves."""
    state = jax.tree.map(lambda leaf: leaf[place], tree.state)
    view = view_of(game, state)
    if view is None:
        raise UpslopeError(
            f"search_tree_svg got {type(game).__name__}, which has no board of stones to draw."
        )
    names, visits = move_names(game), np.asarray(tree.visits[place])
    most = np.argsort(-visits, kind="stable")[:breadth] if depth else []
    children = []
    for action in sorted(int(one) for one in most if visits[one] > 0):
        child = int(tree.children[place, action, 0])
        if child < 0:
            continue
        exact = float(tree.exact[place, action])
        mean = float(tree.total[place, action]) / int(visits[action])
        worth = f"{mean:+.2f}" if np.isnan(exact) else WORDS.get(exact, f"{exact:+.2f}")
        children.append(
            node_of(
                game,
                tree,
                child,
                breadth,
                depth - 1,
                last=action,
                above=f"{names[action]}: {visits[action]:,}",
                below=worth,
                strength=float(visits[action] / visits.sum()),
            )
        )
    return TreeNode(view, children=tuple(children), **drawn)  # pyright: ignore[reportArgumentType]
