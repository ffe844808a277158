"""An Optuna study in a file: asked for settings, told values, and resumed to the same trials."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upslope.core.checks import UpslopeError, check_choice, missing_extra
from upslope.tuning.ranges import Searched
from upslope.tuning.tuning_result import Trial

if TYPE_CHECKING:
    import optuna  # pyright: ignore[reportMissingImports]

SETTINGS, REASON = "settings", "reason"  # attributes of a trial

SAMPLERS: Mapping[str, Callable[[int], Any]] = {
    "tpe": lambda seed: samplers().TPESampler(seed=seed),
    "random": lambda seed: samplers().RandomSampler(seed=seed),
    "cma-es": lambda seed: samplers().CmaEsSampler(seed=seed),
}
# Packages besides Optuna that samplers are made of.
PACKAGES: Mapping[str, tuple[str, ...]] = {"cma-es": ("cmaes",)}
PRUNERS: Mapping[str, Callable[[], Any]] = {
    "median": lambda: pruners().MedianPruner(n_startup_trials=4, n_warmup_steps=1),
    "halving": lambda: pruners().SuccessiveHalvingPruner(),
    "none": lambda: pruners().NopPruner(),
}


def samplers() -> Any:
    """Optuna's samplers."""
    import optuna  # pyright: ignore[reportMissingImports]

    return optuna.samplers


def pruners() -> Any:
    """Optuna's pruners."""
    import optuna  # pyright: ignore[reportMissingImports]

    return optuna.pruners


def check_optuna(sampler: str, pruner: str) -> None:
    """Raises UpslopeError unless both exist and what they need is installed."""
    check_choice("tune()", "sampler", sampler, SAMPLERS)
    check_choice("tune()", "pruner", pruner, PRUNERS)
    for package in ("optuna", *PACKAGES.get(sampler, ())):
        if package not in sys.modules and importlib.util.find_spec(package) is None:
            raise missing_extra("tune", package, "tune")


class Study:
    """Trials in a journal file, whose lines are JSON.

    The sampler of each trial is made anew from the seed and the number of trials that have ended,
    so that a study that was interrupted goes on as the uninterrupted one.

    Args:
      path: the journal, made if it is not there.
      ranges: what is searched, by name.
      sampler: a name in `SAMPLERS`.
      pruner: a name in `PRUNERS`.
      seed: of the samplers.

    Raises:
      UpslopeError: an unknown sampler or pruner, or packages that are not installed.
    """

    def __init__(
        self,
        path: Path,
        ranges: Mapping[str, Searched],
        *,
        sampler: str,
        pruner: str,
        seed: int,
    ):
        check_optuna(sampler, pruner)
        import optuna  # pyright: ignore[reportMissingImports]
        from optuna.storages.journal import (  # pyright: ignore[reportMissingImports]
            JournalFileBackend,
        )

        self.ranges, self._sampler, self._seed = dict(ranges), sampler, seed
        self._start: dict[str, Any] = {}
        with quiet():
            self._study = optuna.create_study(
                storage=optuna.storages.JournalStorage(JournalFileBackend(str(path))),
                study_name="tune",
                direction="maximize",
                load_if_exists=True,
                pruner=PRUNERS[pruner](),
            )
            state = optuna.trial.TrialState
            for trial in self._study.get_trials(deepcopy=False, states=(state.RUNNING,)):
                self._study.tell(trial.number, state=state.FAIL)  # its process was ended

    def start_from(self, settings: Mapping[str, Any]) -> None:
        """The first trial has these values; samplers take them for the nearest in the ranges."""
        places = {name: found.position(settings.get(name)) for name, found in self.ranges.items()}
        given = {name: place for name, place in places.items() if place is not None}
        self._start = {name: settings[name] for name in given}
        if not self.ended() and not self._is_waiting():
            with quiet():
                self._study.enqueue_trial(given)

    def _is_waiting(self) -> bool:
        return any(
            trial.state.name == "WAITING" for trial in self._study.get_trials(deepcopy=False)
        )

    def ask(self) -> tuple[optuna.Trial, dict[str, Any]]:
        """The next trial and its settings by name."""
        ended = len(self.ended())
        with quiet():
            self._study.sampler = SAMPLERS[self._sampler](self._seed + 1000 * ended)
            trial = self._study.ask()
            settings = {name: found.suggest(trial, name) for name, found in self.ranges.items()}
        return trial, settings if ended else {**settings, **self._start}

    def tell(
        self,
        trial: optuna.Trial,
        settings: Mapping[str, Any],
        value: float | None,
        state: str = "complete",
        reason: str = "",
    ) -> Trial:
        """The end of a trial.

        Args:
          trial: from `ask`.
          settings: those that were used.
          value: what it is worth; None for one that was pruned or failed.
          state: "complete", "pruned" or "failed".
          reason: of a failure.
        """
        import optuna  # pyright: ignore[reportMissingImports]

        with quiet():
            trial.set_user_attr(SETTINGS, dict(settings))
            trial.set_user_attr(REASON, reason)
            states = optuna.trial.TrialState
            # A failure counts as pruned, so that the sampler learns of it.
            self._study.tell(
                trial, value, state=states.COMPLETE if state == "complete" else states.PRUNED
            )
        return Trial(len(self.ended()) - 1, dict(settings), value, state, reason)

    def ended(self) -> list[Trial]:
        """The trials that were told, in order."""
        found = []
        for trial in self._study.get_trials(deepcopy=False):
            if SETTINGS not in trial.user_attrs or not trial.state.is_finished():
                continue
            reason = trial.user_attrs.get(REASON, "")
            complete = trial.state.name == "COMPLETE"
            state = "complete" if complete else "failed" if reason else "pruned"
            value = trial.value if complete else None
            settings = dict(trial.user_attrs[SETTINGS])
            found.append(Trial(len(found), settings, value, state, reason))
        return found

    def best(self) -> Trial:
        """The trial with the highest value, the first of equals.

        Raises:
          UpslopeError: none is complete.
        """
        complete = [trial for trial in self.ended() if trial.value is not None]
        if not complete:
            reasons = {trial.reason for trial in self.ended() if trial.reason}
            why = f" {sorted(reasons)[0]}" if reasons else ""
            raise UpslopeError(f"tune() has no complete trial to choose from.{why}")
        return max(complete, key=lambda trial: (trial.value or 0.0, -trial.number))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's own lines."""
    logger = logging.getLogger("optuna")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
