"""mctx's Gumbel search on connect four, alone or through Upslope's planner.

Simulations per second. The evaluator is a linear layer on the board, the same in both. Alone means
mctx as its documentation calls it: one batch, a recurrent function over the batch.
"""

import argparse
import importlib.metadata
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import mctx
from process_clock import peak_memory_mb, process_seconds
from repeat_on_request import repeat_on_request

from upslope.environments import ConnectFour
from upslope.planning import GumbelMCTS

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--alone", action="store_true")
parser.add_argument("--games", type=int, default=256)
parser.add_argument("--simulations", type=int, default=32)
parser.add_argument("--searches", type=int, default=40)
parser.add_argument("--repeats", type=int)
arguments = parser.parse_args()

game = ConnectFour()
weights = jax.random.normal(jax.random.key(7), (2 * 6 * 7, 8)) * 0.1
start, first = game.reset(jax.random.key(0))
lowest = jnp.finfo(jnp.zeros(()).dtype).min


def evaluate(state, observation):
    """Logits and a value of one position."""
    out = observation["board"].reshape(-1) @ weights
    return out[:7], jnp.tanh(out[7])


planner = GumbelMCTS(game, evaluator=evaluate, n_simulations=arguments.simulations)


def recurrent(params, key, action, states):
    """A step of all games."""
    states, out = jax.vmap(game.step)(jax.random.split(key, action.shape[0]), states, action)
    logits, value = jax.vmap(evaluate)(states, out.observation)
    logits = jnp.where(out.observation["action_mask"], logits, lowest)
    discount = jnp.where(out.terminated, 0.0, -1.0)
    value = jnp.where(out.terminated, 0.0, value)
    output = mctx.RecurrentFnOutput(
        reward=out.reward, discount=discount, prior_logits=logits, value=value
    )
    return output, states


@jax.jit
def alone(key):
    """mctx itself."""
    batch = lambda leaf: jnp.broadcast_to(leaf, (arguments.games, *leaf.shape))  # noqa: E731
    logits, value = evaluate(start, first)
    root = mctx.RootFnOutput(
        prior_logits=batch(logits), value=batch(value), embedding=jax.tree.map(batch, start)
    )
    invalid = batch(~first["action_mask"])
    found = mctx.gumbel_muzero_policy(
        (), key, root, recurrent, arguments.simulations, invalid, gumbel_scale=0.0
    )
    return found.search_tree.summary().visit_counts, found.action_weights


@jax.jit
def through_upslope(key):
    """The planner, batched by vmap."""
    keys = jax.random.split(key, arguments.games)
    found = jax.vmap(planner.plan, (0, None, None))(keys, start, ())
    return found.extras.visits, found.action_weights


search = alone if arguments.alone else through_upslope
import_seconds = process_seconds()


def one(number: int) -> None:
    """One search in every game."""
    visits, _ = search(jax.random.key(number))
    assert int(visits.sum()) == arguments.games * arguments.simulations


def run(number: int) -> None:
    """Some searches, one after the other."""
    for repeat in range(arguments.searches):
        one(arguments.searches * number + repeat)


began = time.perf_counter()
one(0)
repeat_on_request(
    {
        "library": "mctx" if arguments.alone else "upslope over mctx",
        "version": importlib.metadata.version("mctx"),
        "jax": jax.__version__,
        "import_seconds": import_seconds,
        "compile_seconds": time.perf_counter() - began,
        "peak_memory_mb": peak_memory_mb(),
    },
    run,
    steps=arguments.games * arguments.simulations * arguments.searches,
    repeats=arguments.repeats,
)
