"""The images and the settings that every contestant of `ppo_images.py` has."""

import numpy as np

SHAPE = (84, 84, 4)
TIME_LIMIT = 500
# Stable-Baselines3's names; rl-zoo's settings for Atari games, without schedules.
PPO_SETTINGS = {
    "learning_rate": 2.5e-4,
    "n_epochs": 4,
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "clip_range": 0.1,
    "ent_coef": 0.01,
    "vf_coef": 0.5,
    "max_grad_norm": 0.5,
}


def frames() -> np.ndarray:
    """64 frames of noise, [64, 84, 84, 4] uint8."""
    return np.random.default_rng(0).integers(0, 256, (64, *SHAPE), dtype=np.uint8)
