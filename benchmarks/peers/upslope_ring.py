"""Upslope's replay buffer: one step added and a batch drawn, so many times in a compiled loop."""

import argparse
import importlib.metadata

import jax
import jax.numpy as jnp
from process_clock import peak_memory_mb, process_seconds
from repeat_on_request import repeat_on_request

import upslope
from upslope.core.records import Trajectories
from upslope.sampling.experience import Replay, Steps
from upslope.sampling.replay import add_steps, draw_batches, empty_buffer

# What the command asks of XLA: loops over little data are compiled as one function.
upslope.configure()

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--rows", type=int, default=1_000_000)
parser.add_argument("--timesteps", type=int, default=100_000)
parser.add_argument("--repeats", type=int, help="run so often; without it, once a line of stdin")
arguments = parser.parse_args()

spec = Replay(Steps(1, 1), arguments.rows, 1, 64)
flag = jnp.zeros((1, 1), bool)
step = Trajectories(
    observation=jnp.ones((1, 1, 4)),
    action=jnp.zeros((1, 1), int),
    reward=jnp.ones((1, 1)),
    next_observation=jnp.ones((1, 1, 4)),
    terminated=flag,
    truncated=flag,
    valid=~flag,
)


def loop(buffer, key):
    """Adds and draws; returns the buffer and a number that depends on all that was drawn."""

    def body(carry, key):
        buffer, total = carry
        buffer = add_steps(spec, buffer, step)
        drawn = draw_batches(key, spec, buffer, step)
        return (buffer, total + jnp.sum(drawn.batches.next_observation)), None

    keys = jax.random.split(key, arguments.timesteps)
    return jax.lax.scan(body, (buffer, jnp.zeros(())), keys)[0]


run_loop = jax.jit(loop, donate_argnums=0)
state = [jax.jit(lambda: empty_buffer(spec, step))()]
import_seconds = process_seconds()


def run(number: int) -> None:
    """The loop once more, on the same buffer."""
    buffer, total = run_loop(state[0], jax.random.key(number))
    jax.block_until_ready(total)
    state[0] = buffer


run(0)
repeat_on_request(
    {
        "library": "upslope",
        "version": importlib.metadata.version("upslope"),
        "jax": jax.__version__,
        "import_seconds": import_seconds,
        "compile_seconds": 0.0,
        "peak_memory_mb": peak_memory_mb(),
    },
    run,
    steps=arguments.timesteps,
    repeats=arguments.repeats,
)
