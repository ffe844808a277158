"""flashbax's flat buffer: one step added and a batch drawn, so many times in a compiled loop."""

import argparse
import importlib.metadata

import flashbax
import jax
import jax.numpy as jnp
from process_clock import peak_memory_mb, process_seconds
from repeat_on_request import repeat_on_request

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--rows", type=int, default=1_000_000)
parser.add_argument("--timesteps", type=int, default=100_000)
parser.add_argument("--repeats", type=int, help="run so often; without it, once a line of stdin")
arguments = parser.parse_args()

buffer = flashbax.make_flat_buffer(
    max_length=arguments.rows, min_length=64, sample_batch_size=64, add_batch_size=None
)
step = {
    "observation": jnp.ones(4),
    "action": jnp.zeros((), jnp.int32),
    "reward": jnp.ones(()),
    "terminated": jnp.zeros((), bool),
    "truncated": jnp.zeros((), bool),
}


def loop(state, key):
    """Adds and draws; returns the buffer and a number that depends on all that was drawn."""

    def body(carry, key):
        state, total = carry
        state = buffer.add(state, step)
        drawn = buffer.sample(state, key)
        return (state, total + jnp.sum(drawn.experience.second["observation"])), None

    keys = jax.random.split(key, arguments.timesteps)
    return jax.lax.scan(body, (state, jnp.zeros(())), keys)[0]


run_loop = jax.jit(loop, donate_argnums=0)
kept = [buffer.init(step)]
import_seconds = process_seconds()


def run(number: int) -> None:
    """The loop once more, on the same buffer."""
    state, total = run_loop(kept[0], jax.random.PRNGKey(number))
    jax.block_until_ready(total)
    kept[0] = state


run(0)
repeat_on_request(
    {
        "library": "flashbax",
        "version": importlib.metadata.version("flashbax"),
        "jax": jax.__version__,
        "import_seconds": import_seconds,
        "compile_seconds": 0.0,
        "peak_memory_mb": peak_memory_mb(),
    },
    run,
    steps=arguments.timesteps,
    repeats=arguments.repeats,
)
