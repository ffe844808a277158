"""Upslope's PPO on 84 x 84 x 4 images with the Nature network: steady steps per second.

The program is the one that `upslope train` runs, without evaluations and log. The network has the
channels and the dense layer of Stable-Baselines3's NatureCNN; policy and value function share it,
as there.
"""

import argparse
import importlib.metadata
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from gymnasium import spaces
from image_settings import PPO_SETTINGS, SHAPE, TIME_LIMIT, frames
from jax import Array
from process_clock import peak_memory_mb, process_seconds
from repeat_on_request import repeat_on_request
from upslope_search import whole_search

import upslope.core.networks.convolutional as convolutional
from upslope.core.records import Step
from upslope.engine.devices import prepare
from upslope.engine.jax_program import JaxProgram
from upslope.environments.environment import Environment
from upslope.training.build import build
from upslope.training.config import resolve

NATURE = ((8, 4, 32), (4, 2, 64), (3, 1, 64))


class Images(Environment):
    """Frames of noise, a reward for naming the number of the frame: its own cost is small."""

    name = "images"
    frames: Array
    time_limit: int | None = eqx.field(static=True, default=TIME_LIMIT)

    def reset(self, key: Array) -> tuple[Array, Array]:
        time = jax.random.randint(key, (), 0, self.frames.shape[0])
        return time, self.frames[time]

    def step(self, key: Array, state: Array, action: Any) -> tuple[Array, Step]:
        reward = (action == state % 4).astype(float)
        time = (state + 1) % self.frames.shape[0]
        return time, Step(self.frames[time], reward, jnp.zeros((), bool))

    @property
    def observation_space(self) -> spaces.Box:
        return spaces.Box(0, 255, SHAPE, "uint8")

    @property
    def action_space(self) -> spaces.Discrete:
        return spaces.Discrete(4)


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--timesteps", type=int, required=True)
parser.add_argument("--n-envs", type=int, default=8)
parser.add_argument("--n-steps", type=int, default=128)
parser.add_argument("--batch-size", type=int, default=256)
parser.add_argument("--repeats", type=int, help="run so often; without it, once a line of stdin")
arguments = parser.parse_args()

convolutional.LARGE = NATURE
prepare(1)
import_seconds = process_seconds()
iteration = arguments.n_envs * arguments.n_steps
budget = arguments.timesteps // iteration * iteration
settings = {
    **PPO_SETTINGS,
    "n_envs": arguments.n_envs,
    "n_steps": arguments.n_steps,
    "batch_size": arguments.batch_size,
    "policy": "convolutional",
    "dense_size": 512,
    "total_timesteps": budget,
    "seeds": 1,
}
world = Images(jnp.asarray(frames()), TIME_LIMIT)
config = resolve("CartPole-v1", "ppo", settings, use_preset=False)
program = JaxProgram(build(config, world).problem, 1, seed=0)
program.compile(block=1)

repeat_on_request(
    {
        "library": "upslope",
        "version": importlib.metadata.version("upslope"),
        "jax": jax.__version__,
        "import_seconds": import_seconds,
        "compile_seconds": program.compile_seconds,  # tracing included
        "peak_memory_mb": peak_memory_mb(),
    },
    whole_search(program, 1, budget),
    steps=budget,
    repeats=arguments.repeats,
)
