"""Stable-Baselines3 under the protocol: stop at the third evaluation in a row at the threshold.

The greedy policy is evaluated every `every` steps over 20 episodes; once two evaluations in a row
reach the threshold, the third is over 100 held-out episodes. Evaluations use fresh
environments stepped together, and their time is reported apart.
"""

import json
import time

import gymnasium
import numpy as np
import stable_baselines3
import torch
from process_clock import cpu_seconds, peak_memory_mb, process_seconds
from stable_baselines3.common.callbacks import BaseCallback

IN_A_ROW = 3
HELD_OUT_SEED = 1_000_000
HELD_OUT_EPISODES = 100


def greedy_returns(model, environment_name: str, episodes: int, seed: int) -> np.ndarray:
    """Returns [episodes] of the greedy policy: the first episode of each of as many copies."""
    native = gymnasium.spec(environment_name).vector_entry_point is not None
    mode = "vector_entry_point" if native else "sync"
    environments = gymnasium.make_vec(environment_name, episodes, vectorization_mode=mode)
    observations, _ = environments.reset(seed=seed)
    running = np.ones(episodes, bool)
    returns = np.zeros(episodes)
    while running.any():
        actions, _ = model.predict(observations, deterministic=True)
        observations, rewards, terminated, truncated, _ = environments.step(actions)
        returns += running * rewards
        running &= ~(terminated | truncated)
    environments.close()
    return returns


class UntilSolved(BaseCallback):
    """Evaluates between rollouts and ends training at the third good evaluation in a row."""

    def __init__(self, environment_name: str, threshold: float, every: int):
        super().__init__()
        self.environment_name, self.threshold, self.every = environment_name, threshold, every
        self.next_evaluation = every
        self.in_a_row = 0
        self.solved = False
        self.evaluation_seconds = 0.0
        self.curve: list[tuple[int, int, float]] = []

    def _on_rollout_start(self) -> None:
        if self.num_timesteps >= self.next_evaluation:
            self.next_evaluation += self.every
            self.evaluate()

    def evaluate(self) -> None:
        """One evaluation of the curve; the one that would decide is over held-out episodes."""
        start = time.perf_counter()
        deciding = self.in_a_row == IN_A_ROW - 1
        episodes = HELD_OUT_EPISODES if deciding else 20
        seed = HELD_OUT_SEED if deciding else 10_000 + self.num_timesteps
        result = float(greedy_returns(self.model, self.environment_name, episodes, seed).mean())
        self.curve.append((self.num_timesteps, episodes, round(result, 2)))
        self.in_a_row = self.in_a_row + 1 if result >= self.threshold else 0
        self.solved = self.in_a_row == IN_A_ROW
        self.evaluation_seconds += time.perf_counter() - start

    def _on_step(self) -> bool:
        return not self.solved


def run(model, environment_name: str, *, total: int, threshold: float, every: int, until: str):
    """Train `until` "solved" or "budget" (then one held-out evaluation) and print one JSON line."""
    import_seconds = process_seconds()
    solving = until == "solved"
    callback = UntilSolved(environment_name, threshold, every) if solving else None
    start = time.perf_counter()
    model.learn(total, callback=callback)
    learn_seconds = time.perf_counter() - start
    start = time.perf_counter()
    if solving:
        evaluation_seconds, solved, curve = (
            callback.evaluation_seconds,
            callback.solved,
            callback.curve,
        )
        train_seconds = learn_seconds - evaluation_seconds
        held_out = next((r for _, n, r in reversed(curve) if n == HELD_OUT_EPISODES), None)
    else:
        returns = greedy_returns(model, environment_name, HELD_OUT_EPISODES, HELD_OUT_SEED)
        held_out = float(returns.mean())
        evaluation_seconds = time.perf_counter() - start
        train_seconds, solved, curve = learn_seconds, held_out >= threshold, None
    record = {
        "library": "stable_baselines3",
        "version": stable_baselines3.__version__,
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "environment": environment_name,
        "until": until,
        "seed": model.seed,
        "solved": solved,
        "held_out_return": held_out,
        "steps": model.num_timesteps,
        "import_and_setup_seconds": round(import_seconds, 3),
        "train_seconds": round(train_seconds, 3),
        "evaluation_seconds": round(evaluation_seconds, 3),
        "process_seconds": round(process_seconds(), 3),
        "process_seconds_without_evaluation": round(process_seconds() - evaluation_seconds, 3),
        "cpu_seconds": round(cpu_seconds(), 3),
        "train_steps_per_second": round(model.num_timesteps / train_seconds, 1),
        "peak_memory_mb": peak_memory_mb(),
        "curve": curve,
    }
    print(json.dumps(record), flush=True)
