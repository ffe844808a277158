"""Stable-Baselines3's PPO on Pendulum-v1 with rl-zoo's settings, as one whole process."""

import argparse

import torch
from sb3_until_solved import run
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--threads", type=int, default=1, help="torch threads (0: torch's default)")
parser.add_argument("--until", choices=["solved", "budget"], default="solved")
parser.add_argument("--threshold", type=float, default=-200.0)
arguments = parser.parse_args()
if arguments.threads:
    torch.set_num_threads(arguments.threads)

model = PPO(
    "MlpPolicy",
    make_vec_env("Pendulum-v1", n_envs=4, seed=arguments.seed),
    n_steps=1024,
    gae_lambda=0.95,
    gamma=0.9,
    n_epochs=10,
    ent_coef=0.0,
    learning_rate=1e-3,
    clip_range=0.2,
    use_sde=True,
    sde_sample_freq=4,
    seed=arguments.seed,
    device="cpu",
)
run(
    model,
    "Pendulum-v1",
    total=100_000,
    threshold=arguments.threshold,
    every=4096,
    until=arguments.until,
)
