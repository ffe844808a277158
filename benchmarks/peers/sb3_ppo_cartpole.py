"""Stable-Baselines3's PPO on CartPole-v1 with rl-zoo's settings, as one whole process."""

import argparse

import torch
from sb3_until_solved import run
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--threads", type=int, default=1, help="torch threads (0: torch's default)")
parser.add_argument("--until", choices=["solved", "budget"], default="solved")
arguments = parser.parse_args()
if arguments.threads:
    torch.set_num_threads(arguments.threads)


def linear(initial: float):
    """The zoo's lin_x: x times the fraction of training that remains."""
    return lambda remaining: remaining * initial


model = PPO(
    "MlpPolicy",
    make_vec_env("CartPole-v1", n_envs=8, seed=arguments.seed),
    n_steps=32,
    batch_size=256,
    gae_lambda=0.8,
    gamma=0.98,
    n_epochs=20,
    ent_coef=0.0,
    learning_rate=linear(0.001),
    clip_range=linear(0.2),
    seed=arguments.seed,
    device="cpu",
)
run(model, "CartPole-v1", total=100_000, threshold=475.0, every=2048, until=arguments.until)
