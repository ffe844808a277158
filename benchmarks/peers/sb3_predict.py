"""Stable-Baselines3's `predict` with a 64x64 network: calls per second."""

import gymnasium
import stable_baselines3
import torch
from predict_calls import arguments, serve, spaces
from stable_baselines3 import PPO

given = arguments()
torch.set_num_threads(1)


class Idle(gymnasium.Env):
    """An environment that has the spaces and is never stepped."""

    observation_space, action_space = spaces(given.actions)

    def reset(self, *, seed=None, options=None):
        """A zero observation."""
        return 0 * self.observation_space.sample(), {}


model = PPO("MlpPolicy", Idle(), device="cpu", seed=0)
serve(model, {"stable_baselines3": stable_baselines3.__version__}, given)
