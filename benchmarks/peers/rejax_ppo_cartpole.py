"""rejax's PPO on gymnax's CartPole-v1 with its shipped cartpole.yaml: steady steps per second.

Its own evaluations (most of its time as shipped) are switched off: only training is timed.
"""

import argparse
import importlib.metadata
import time

import jax
import jax.numpy as jnp
import rejax
from process_clock import peak_memory_mb, process_seconds
from repeat_on_request import repeat_on_request

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--seeds", type=int, default=16)
parser.add_argument("--timesteps", type=int, default=100_000, help="per seed")
parser.add_argument("--repeats", type=int, help="run so often; without it, once a line of stdin")
arguments = parser.parse_args()

algorithm = rejax.PPO.create(
    env="CartPole-v1",
    agent_kwargs={"activation": "tanh"},
    num_envs=5,
    num_steps=100,
    num_epochs=5,
    num_minibatches=5,
    learning_rate=0.00075,
    max_grad_norm=0.5,
    total_timesteps=arguments.timesteps,
    gamma=0.99,
    gae_lambda=0.95,
    clip_eps=0.2,
    ent_coef=0.01,
    vf_coef=0.5,
    eval_freq=arguments.timesteps,
    skip_initial_evaluation=True,
).replace(eval_callback=lambda algorithm, state, key: jnp.zeros(()))


def keys(number: int) -> jax.Array:
    """One key a seed, another set for each run."""
    return jax.random.split(jax.random.PRNGKey(number), arguments.seeds)


import_seconds = process_seconds()
start = time.perf_counter()
lowered = jax.jit(jax.vmap(lambda key: algorithm.train(key))).lower(keys(0))
trace_seconds = time.perf_counter() - start
train = lowered.compile()
compile_seconds = time.perf_counter() - start - trace_seconds
repeat_on_request(
    {
        "library": "rejax",
        "version": importlib.metadata.version("rejax"),
        "jax": jax.__version__,
        "seeds": arguments.seeds,
        "import_seconds": import_seconds,
        "trace_seconds": trace_seconds,
        "compile_seconds": compile_seconds,
        "peak_memory_mb": peak_memory_mb(),
    },
    lambda number: jax.block_until_ready(train(keys(number))),
    steps=arguments.seeds * arguments.timesteps,
    repeats=arguments.repeats,
)
