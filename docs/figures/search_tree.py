"""Draws the tree of a search in tic-tac-toe: `python docs/figures/search_tree.py`."""

from pathlib import Path

import jax
import jax.numpy as jnp

from upslope.environments import TicTacToe
from upslope.planning import UCT, search_tree_svg

game = TicTacToe()
state, _ = game.reset(jax.random.key(0))
for move in (0, 4, 8):
    state, _ = game.step(jax.random.key(0), state, jnp.asarray(move))
planner = UCT(game, n_simulations=200)
plan = jax.jit(planner.plan)(jax.random.key(0), state, planner.initial_memory())
svg = search_tree_svg(game, plan.memory, breadth=4, depth=2)
Path(__file__).with_name("search-tree.svg").write_text(f"{svg}\n")
