"""Stable-Baselines3's PPO with CnnPolicy on 84 x 84 x 4 images: steps per second of `learn`."""

import argparse

import gymnasium
import numpy as np
import stable_baselines3
import torch
from image_settings import PPO_SETTINGS, SHAPE, TIME_LIMIT, frames
from process_clock import peak_memory_mb, process_seconds
from repeat_on_request import repeat_on_request
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv


class Images(gymnasium.Env):
    """Frames of noise, a reward for naming the brighter half: its own cost is next to nothing."""

    observation_space = gymnasium.spaces.Box(0, 255, SHAPE, np.uint8)
    action_space = gymnasium.spaces.Discrete(4)

    def __init__(self):
        self.frames, self.time = frames(), 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = int(self.np_random.integers(len(self.frames)))
        self.end = self.time + TIME_LIMIT
        return self.frames[self.time % len(self.frames)], {}

    def step(self, action):
        reward = float(action == self.time % 4)
        self.time += 1
        frame = self.frames[self.time % len(self.frames)]
        return frame, reward, False, self.time >= self.end, {}


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--timesteps", type=int, required=True)
parser.add_argument("--n-envs", type=int, default=8)
parser.add_argument("--n-steps", type=int, default=128)
parser.add_argument("--batch-size", type=int, default=256)
parser.add_argument("--threads", type=int, default=2, help="torch threads")
parser.add_argument("--repeats", type=int, help="run so often; without it, once a line of stdin")
arguments = parser.parse_args()
torch.set_num_threads(arguments.threads)

model = PPO(
    "CnnPolicy",
    DummyVecEnv([Images] * arguments.n_envs),
    n_steps=arguments.n_steps,
    batch_size=arguments.batch_size,
    device="cpu",
    **PPO_SETTINGS,
)
model.learn(arguments.n_envs * arguments.n_steps)  # what is allocated at first

repeat_on_request(
    {
        "library": "stable-baselines3",
        "version": stable_baselines3.__version__,
        "torch": torch.__version__,
        "threads": arguments.threads,
        "import_seconds": process_seconds(),
        "compile_seconds": 0.0,
        "peak_memory_mb": peak_memory_mb(),
    },
    lambda number: model.learn(arguments.timesteps),
    steps=arguments.timesteps,
    repeats=arguments.repeats,
)
