"""The result of training: policies with the evidence that they are good."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from upslope.core.actor import Actor
from upslope.core.checks import StorageError, UpslopeError, check_choice, check_number, check_path
from upslope.core.html_table import html_table
from upslope.core.shell_command import shell_command
from upslope.engine.history import History
from upslope.engine.progress import Evaluation, Summary
from upslope.storage.policy_artifact import save_policy
from upslope.training.agent import Agent
from upslope.training.config import RunConfig
from upslope.training.statistics import bootstrap_interval, interquartile_mean

if TYPE_CHECKING:
    from gymnasium import spaces

    from upslope.environments.adaptors.gymnasium import GymnasiumSpec
    from upslope.environments.environment import Environment
    from upslope.environments.factory import EnvironmentLike
    from upslope.training.film import Film


class Run:
    """What `train` returns, and what `Run.load` reads from a run folder.

    `upslope.export(run, folder)` writes its policy for machines without this library, and
    `upslope.compare([run, ...])` compares it with others.

    Attributes:
      config: that reruns it exactly.
      policies: the solutions, leaves [S, ...]; None in a folder of an unfinished run.
      history: every logged row.
      summary: how it ended.
      folder: the run folder, None if nothing was written.
      given: the environment of its held-out episodes, where the run folder cannot name it: code of
        the user's own. None in a run that was loaded.
    """

    def __init__(
        self,
        config: RunConfig,
        policies: Actor | None,
        history: History,
        summary: Summary,
        observation_space: spaces.Space | None,
        action_space: spaces.Space | None,
    ):
        self.config, self.policies, self.history = config, policies, history
        self.summary, self.folder = summary, summary.folder
        self.observation_space, self.action_space = observation_space, action_space
        self.final_returns: np.ndarray | None = None  # [S], where a folder has them in full
        self.given: Environment | GymnasiumSpec | None = None

    @classmethod
    def load(cls, path: str | Path) -> Run:
        """The run in a folder, finished or not, without its environment.

        Curves, evaluations and settings are as they were; policies are there once the run is
        done. Nothing in the folder is executed or imported, and nothing is written.

            upslope.Run.load("runs/CartPole-v1/ppo").plot("curve.png")

        Raises:
          StorageError: it is no run folder, or something in it is damaged.
        """
        from upslope.training.opened_run import open_run

        return open_run(path)

    @property
    def evaluations(self) -> list[Evaluation]:
        """Held-out evaluations on the way, the final one last."""
        return self.history.evaluations

    @property
    def curves(self) -> dict[str, np.ndarray]:
        """Learning curves as columns: `seed, iteration, steps, return, length, ...`, [rows]."""
        return self.history.arrays()

    def episodes(self, name: str = "length") -> list[np.ndarray]:
        """Lengths (or with `"return"`, returns) of the training episodes of each seed, in order.

        A long run's log has a row for several iterations; where several episodes ended in one, each
        is given their mean. `upslope plot RUN --curves length --against episodes` draws them.

        Raises:
          UpslopeError: for another name.
        """
        check_choice("episodes", "name", name, ("length", "return"))
        return [self.history.episode_curve(name, seed)[1] for seed in range(self.config.seeds)]

    @property
    def returns(self) -> np.ndarray:
        """The last evaluation: mean undiscounted return of each seed's solution, [S].

        Raises:
          UpslopeError: nothing has been evaluated yet.
        """
        if self.final_returns is not None:
            return self.final_returns
        if not self.evaluations:
            raise UpslopeError(
                f"The run has no evaluation yet (its state is {self.summary.reason!r})."
            )
        return self.evaluations[-1].returns.mean(axis=1)

    def evaluate(
        self,
        *,
        episodes: int = 100,
        environment: EnvironmentLike | None = None,
        deterministic: bool | None = None,
        seed: int = 0,
    ) -> Evaluation:
        """Fresh held-out episodes of the policies of all seeds; the environment is built for it.

        The arguments are those of `upslope.evaluate`.

        Raises:
          UpslopeError: the run has no folder.
          StorageError: the folder holds no policy yet.
        """
        if self.folder is None:
            raise UpslopeError("This run wrote no folder to evaluate: give train a folder (out=).")
        from upslope.training.evaluate_run import evaluate

        found = evaluate(
            self.folder,
            episodes=episodes,
            environment=self.given if environment is None else environment,
            deterministic=deterministic,
            seed=seed,
        )
        assert isinstance(found, Evaluation)  # no planner: no match
        return found

    def interval(self, confidence: float = 0.95) -> tuple[float, float, float]:
        """Interquartile mean of `returns` over seeds, and its bootstrap interval."""
        return interquartile_mean(self.returns), *bootstrap_interval(
            self.returns, confidence=confidence
        )

    def policy(self, seed: int | None = None) -> Any:
        """The policy of one seed; None for the one with the best final evaluation."""
        self._check_done()
        index = int(np.argmax(self.returns)) if seed is None else seed
        last = self.config.seeds - 1
        check_number("policy()", "seed", index, at_least=0, at_most=last, integer=True)
        return jax.tree.map(lambda leaf: leaf[index], self.policies)

    def agent(self, seed: int | None = None) -> Agent:
        """The policy of one seed with Stable-Baselines3's `predict`."""
        policy = self.policy(seed)
        assert self.observation_space is not None
        assert self.action_space is not None
        return Agent(policy, self.observation_space, self.action_space)

    def _check_done(self) -> None:
        if self.policies is None:
            raise StorageError(
                f"{self.folder} holds no policy yet (its state is {self.summary.reason!r}). "
                f"Finish it first: {shell_command('resume', self.folder)}"
            )

    def save(self, path: str | Path) -> Path:
        """Writes the policies of all seeds as a folder that `upslope.load` reads."""
        self._check_done()
        assert self.observation_space is not None
        assert self.action_space is not None
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
            self.evaluations, f"{self.config.method} on {self.config.environment_title}"
        )
        if path is not None:
            try:
                figure.savefig(path, dpi=150)
            except (OSError, ValueError) as error:
                raise StorageError(f"Could not write the figure {path}: {error}.") from error
        return figure

    def record(
        self,
        out: str | Path | None = None,
        *,
        episodes: int = 1,
        deterministic: bool | None = None,
        seed: int = 0,
        fps: float | None = None,
        max_steps: int = 1000,
        environment: EnvironmentLike | None = None,
    ) -> Film:
        """A film of the policies' held-out episodes, as GIF and MP4.

        The arguments are those of `upslope.record`.

        Raises:
          UpslopeError: the run has no folder, a bad argument, or a package is missing.
          StorageError: the folder holds no policy yet, or the film cannot be written.
        """
        from upslope.training.record_run import record

        return record(
            self,
            out,
            episodes=episodes,
            deterministic=deterministic,
            seed=seed,
            fps=fps,
            max_steps=max_steps,
            environment=self.given if environment is None else environment,
        )

    def report(
        self,
        out: str | Path | None = None,
        *,
        film: bool = True,
        environment: EnvironmentLike | None = None,
    ) -> Path:
        """One file of HTML about the run, to look at and to send around; returns its path.

        The arguments are those of `upslope.report`, which also reports on several runs.

        Raises:
          UpslopeError: no file is named and the run has no folder, another ending than `.html`, or
            jinja2 is not installed.
          StorageError: the file cannot be written.
        """
        from upslope.training.report_run import report_run

        environment = self.given if environment is None else environment
        return report_run(self, out, film=film, environment=environment)

    def _return_text(self) -> str:
        if not self.evaluations:
            return "not evaluated yet"
        if self.config.seeds == 1:
            return f"return {self.returns[0]:.1f}"
        centre, low, high = self.interval()
        return f"return {centre:.1f} [{low:.1f}, {high:.1f}]"

    def __repr__(self) -> str:
        state = "" if self.summary.reason == "done" else f", {self.summary.reason}"
        return f"Run({self.config.title}, {self._return_text()}{state}, folder={self.folder})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the last evaluation of each seed."""
        if not self.evaluations:
            return html_table(f"{self.config.title}: {self._return_text()}", [], [])
        last = self.evaluations[-1]
        rows = [
            [seed, f"{self.returns[seed]:.1f}", f"{lengths.mean():.1f}", f"{last.steps[seed]:,}"]
            for seed, lengths in enumerate(last.lengths)
        ]
        state = "" if self.summary.reason == "done" else f" ({self.summary.reason})"
        title = f"{self.config.title}: {self._return_text()}{state}"
        return html_table(title, ["seed", "return", "length", "steps"], rows)
