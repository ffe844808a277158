"""The result of training: policies with the evidence that they are good."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from upslope.core.actor import Actor
from upslope.core.checks import StorageError, check_number, check_path
from upslope.engine.history import History
from upslope.engine.progress import Evaluation, Summary
from upslope.storage.policy_artifact import save_policy
from upslope.training.agent import Agent
from upslope.training.config import RunConfig
from upslope.training.statistics import bootstrap_interval, interquartile_mean

if TYPE_CHECKING:
    from gymnasium import spaces


class Run:
    """What `train` returns.

    Attributes:
      config: that reruns it exactly.
      policies: the solutions, leaves [S, ...].
      history: every logged row.
      summary: how it ended.
      folder: the run folder, None if nothing was written.
    """

    def __init__(
        self,
        config: RunConfig,
        policies: Actor,
        history: History,
        summary: Summary,
        observation_space: spaces.Space,
        action_space: spaces.Space,
    ):
        self.config, self.policies, self.history = config, policies, history
        self.summary, self.folder = summary, summary.folder
        self.observation_space, self.action_space = observation_space, action_space

    @property
    def evaluations(self) -> list[Evaluation]:
        """Held-out evaluations on the way, the final one last."""
        return self.history.evaluations

    @property
    def curves(self) -> dict[str, np.ndarray]:
        """Learning curves as columns: `seed, iteration, steps, return, length, ...`, [rows]."""
        return self.history.arrays()

    @property
    def returns(self) -> np.ndarray:
        """The final evaluation: mean undiscounted return of each seed's solution, [S]."""
        return self.evaluations[-1].returns.mean(axis=1)

    def interval(self, confidence: float = 0.95) -> tuple[float, float, float]:
        """Interquartile mean of `returns` over seeds, and its bootstrap interval."""
        return interquartile_mean(self.returns), *bootstrap_interval(
            self.returns, confidence=confidence
        )

    def policy(self, seed: int | None = None) -> Any:
        """The policy of one seed; None for the one with the best final evaluation."""
        index = int(np.argmax(self.returns)) if seed is None else seed
        last = self.config.seeds - 1
        check_number("policy()", "seed", index, at_least=0, at_most=last, integer=True)
        return jax.tree.map(lambda leaf: leaf[index], self.policies)

    def agent(self, seed: int | None = None) -> Agent:
        """The policy of one seed with Stable-Baselines3's `predict`."""
        return Agent(self.policy(seed), self.observation_space, self.action_space)

    def save(self, path: str | Path) -> Path:
        """Writes the policies of all seeds as a folder that `upslope.load` reads."""
        return save_policy(
            check_path("Run.save", "path", path),
            self.policies,
            observation_space=self.observation_space,
            action_space=self.action_space,
            environment={
                "name": self.config.environment,
                "settings": self.config.environment_settings,
            },
            extra={
                "method": self.config.method,
                "steps": self.summary.steps.tolist(),
                "ended_by": self.summary.reason,
                "final_returns": self.returns.tolist() if self.evaluations else [],
            },
            seeds=self.config.seeds,
        )

    def plot(self, path: str | Path | None = None) -> Any:
        """The held-out learning curve: every seed, their interquartile mean, its 95 % interval.

        Args:
          path: a PNG, SVG or PDF file to write; None to only return the figure.

        Returns:
          A matplotlib figure.

        Raises:
          UpslopeError: when matplotlib is not installed.
          StorageError: when the file cannot be written.
        """
        from upslope.training.curve_figure import learning_curve

        figure = learning_curve(
            self.evaluations, f"{self.config.method} on {self.config.environment}"
        )
        if path is not None:
            try:
                figure.savefig(path, dpi=150)
            except (OSError, ValueError) as error:
                raise StorageError(f"Could not write the figure {path}: {error}.") from error
        return figure

    def __repr__(self) -> str:
        centre, low, high = self.interval()
        one = self.config.seeds == 1  # of which there is no interval
        interval = "" if one else f" [{low:.1f}, {high:.1f}]"
        return (
            f"Run({self.config.method} on {self.config.environment}, "
            f"{'1 seed' if one else f'{self.config.seeds} seeds'}, "
            f"return {centre:.1f}{interval}, folder={self.folder})"
        )
