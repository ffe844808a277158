"""Self-play on connect four by Gumbel searches, through Upslope or by mctx and pgx alone.

Simulated moves per second. The network is dense, 128 x 128, the same in both.
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

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--alone", action="store_true")
parser.add_argument("--games", type=int, default=256)
parser.add_argument("--simulations", type=int, default=32)
parser.add_argument("--moves", type=int, default=16)
parser.add_argument("--repeats", type=int)
arguments = parser.parse_args()
games, n_simulations = arguments.games, arguments.simulations


def alone():
    """Games of pgx, searched by mctx: where they start, and some moves of all of them."""
    import pgx
    from pgx.experimental import auto_reset

    game = pgx.make("connect_four")
    sizes = (84, 128, 128, 8)
    keys = jax.random.split(jax.random.key(7), 3)
    layers = [
        jax.random.normal(key, (i, o)) / jnp.sqrt(i)
        for key, i, o in zip(keys, sizes[:-1], sizes[1:], strict=True)
    ]

    def evaluate(observation):
        x = observation.astype(jnp.float32).reshape(observation.shape[0], -1)
        for weight in layers[:-1]:
            x = jax.nn.relu(x @ weight)
        out = x @ layers[-1]
        return out[:, :7], jnp.tanh(out[:, 7])

    def masked(logits, state):
        return jnp.where(state.legal_action_mask, logits, jnp.finfo(logits.dtype).min)

    def recurrent(params, key, action, state):
        mover = state.current_player
        state = jax.vmap(game.step)(state, action)
        logits, value = evaluate(state.observation)
        reward = state.rewards[jnp.arange(games), mover]
        output = mctx.RecurrentFnOutput(
            reward=reward,
            discount=jnp.where(state.terminated, 0.0, -1.0),
            prior_logits=masked(logits, state),
            value=jnp.where(state.terminated, 0.0, value),
        )
        return output, state

    def move(state, key):
        search_key, reset_key = jax.random.split(key)
        logits, value = evaluate(state.observation)
        root = mctx.RootFnOutput(prior_logits=masked(logits, state), value=value, embedding=state)
        found = mctx.gumbel_muzero_policy(
            (), search_key, root, recurrent, n_simulations, ~state.legal_action_mask,
            max_num_considered_actions=7,
        )  # fmt: skip
        step = jax.vmap(auto_reset(game.step, game.init))
        return step(state, found.action, jax.random.split(reset_key, games)), None

    @jax.jit
    def play(state, key):
        return jax.lax.scan(move, state, jax.random.split(key, arguments.moves))[0]

    return jax.jit(jax.vmap(game.init))(jax.random.split(jax.random.key(0), games)), play


def through_upslope():
    """The same by the actor of AlphaZero, with what it notes for learning."""
    from upslope.environments import ConnectFour
    from upslope.objectives import EpisodicReturn
    from upslope.policies import default_policy
    from upslope.sampling.streams import sample_steps, start_streams
    from upslope.search import AlphaZero, ProblemSpec

    game = ConnectFour()
    spaces = game.observation_space, game.action_space
    policy = default_policy(jax.random.key(0), *spaces, hidden=(128, 128), activation="relu")
    method = AlphaZero(search="gumbel", n_simulations=n_simulations, max_considered=7)
    method = method.configure(ProblemSpec(None, *spaces, policy, EpisodicReturn(), game))
    environment = method.sampled_in(game)
    network = method.network(jax.random.key(7), policy)

    @jax.jit
    def play(streams, key):
        actor = method.self_play(network)
        noted, streams, _ = sample_steps(
            key, environment, actor, streams, arguments.moves, game.time_limit
        )
        return streams, noted

    actor = method.self_play(network)
    start = jax.jit(lambda key: start_streams(key, environment, games, actor))
    return start(jax.random.key(0)), lambda streams, key: play(streams, key)[0]


position, play = alone() if arguments.alone else through_upslope()
import_seconds = process_seconds()


def run(number: int) -> None:
    """Some moves of every game."""
    global position
    position = jax.block_until_ready(play(position, jax.random.key(number)))


began = time.perf_counter()
run(10**6)
repeat_on_request(
    {
        "library": "mctx and pgx" if arguments.alone else "upslope over mctx",
        "version": importlib.metadata.version("mctx"),
        "jax": jax.__version__,
        "import_seconds": import_seconds,
        "compile_seconds": time.perf_counter() - began,
        "peak_memory_mb": peak_memory_mb(),
    },
    run,
    games * n_simulations * arguments.moves,
    arguments.repeats,
)
