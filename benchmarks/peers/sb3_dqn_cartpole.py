"""Stable-Baselines3's DQN on CartPole-v1 with rl-zoo's settings: steps per second of `learn`."""

import argparse

import gymnasium
import stable_baselines3
import torch
from process_clock import peak_memory_mb, process_seconds
from repeat_on_request import repeat_on_request
from stable_baselines3 import DQN

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--timesteps", type=int, default=50_000)
parser.add_argument("--repeats", type=int, help="run so often; without it, once a line of stdin")
arguments = parser.parse_args()
torch.set_num_threads(arguments.threads)
import_seconds = process_seconds()


def run(number: int) -> None:
    """A whole search from a fresh policy."""
    model = DQN(
        "MlpPolicy",
        gymnasium.make("CartPole-v1"),
        learning_rate=2.3e-3,
        batch_size=64,
        buffer_size=100_000,
        learning_starts=1000,
        gamma=0.99,
        target_update_interval=10,
        train_freq=256,
        gradient_steps=128,
        exploration_fraction=0.16,
        exploration_final_eps=0.04,
        policy_kwargs={"net_arch": [256, 256]},
        seed=number,
    )
    model.learn(arguments.timesteps)


repeat_on_request(
    {
        "library": "stable_baselines3",
        "version": stable_baselines3.__version__,
        "torch": torch.__version__,
        "threads": arguments.threads,
        "import_seconds": import_seconds,
        "compile_seconds": 0.0,
        "peak_memory_mb": peak_memory_mb(),
    },
    run,
    steps=arguments.timesteps,
    repeats=arguments.repeats,
)
