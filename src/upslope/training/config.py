"""The configuration of a run: from what the user said to what will happen."""

from __future__ import annotations

import dataclasses
import math
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from upslope.core.checks import (
    UpslopeError,
    check_number,
    check_settings,
    check_switch,
    check_table,
)
from upslope.core.counts import whole
from upslope.core.shell_command import shell_command
from upslope.environments.adaptors.atari import as_stored, completed
from upslope.environments.adaptors.gymnasium import GIVEN
from upslope.environments.factory import spelled
from upslope.objectives import OBJECTIVES
from upslope.policies import POLICIES
from upslope.sampling import ENGINES
from upslope.search import METHODS
from upslope.search.search_method import Defaults
from upslope.search.wrappers.wrapped import wrapped
from upslope.training.declared_types import as_declared, hints_of
from upslope.training.loggers import names_of_loggers
from upslope.training.presets import preset_for
from upslope.training.settings import choose, defaults_of, method_settings, settings_of

POLICY_SETTINGS: dict[str, Any] = {
    "policy": None,
    "hidden": (64, 64),
    "activation": "tanh",
    "normalize_observations": False,
}
# More seeds, evaluations or episodes of one are a slip of the pen.
MOST, MOST_STEPS = 1_000_000, 10**15
# What is decided when the environment is known (see `evaluation_bound`).
AUTO = "auto"
# What trains where neither the user nor a preset names a method.
DEFAULT_METHOD = "ppo"
OBJECTIVE_SETTINGS: dict[str, Any] = {"objective": None, "gamma": None, "horizon": None}
RUN_SETTINGS: dict[str, Any] = {
    "total_timesteps": 100_000,
    "seeds": 4,
    "seed": 0,
    "evaluations": 10,
    "evaluation_episodes": 20,
    "final_episodes": 100,
    "evaluation_share": "auto",
    "evaluation_limit": "auto",
    "deterministic_evaluation": True,
    "stop_at": None,
    "patience": None,
    "evaluation_environment": None,
    "evaluation_environment_settings": None,
    "opponent": None,
    "start_from": None,
    "engine": None,
    "workers": "auto",
    "checkpoint_every": "60s",
    "save_replay": "auto",
    "loggers": (),
    "log_project": "upslope",
    "log_name": None,
    "log_group": None,
}


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run's numbers. Written to the run folder; reruns it exactly.

    Attributes:
      environment: a name that `upslope.make` knows.
      method: a registered name.
      environment_settings: fields of the environment.
      method_settings: of the method; only those that differ from its defaults need be given.
      policy: a registered kind, None for the default for the spaces.
      policy_settings: `hidden`, `activation`, `normalize_observations` and the kind's own.
      objective: a registered name.
      objective_settings: its fields.
      total_timesteps: environment steps of each seed.
      seeds: how many searches run side by side.
      seed: of the whole run.
      evaluations: how often the solutions are evaluated on the way.
      evaluation_episodes: held-out episodes each time.
      final_episodes: held-out episodes at the end.
      evaluation_share: the steps of all evaluations are at most this share of the search's:
        both numbers of episodes are upper bounds, and fewer are played where episodes are long.
        None: exactly so many. "auto": 1/4 on simulators where neither number is given, else None;
        a run folder has what it became.
      evaluation_limit: steps after which a held-out episode ends where neither the environment nor
        the objective ends it. "auto": on simulators a hundredth of the budget, between 1,000 and
        10,000; None and elsewhere: 10,000.
      deterministic_evaluation: held-out episodes act by the mode of the policy; False draws from
        it, as training does: what a policy is worth that has to be random.
      stop_at: the run ends at the first evaluation on the way whose mean return, over episodes and
        seeds, is at least this; None: never.
      patience: the run ends after so many evaluations in a row without a mean return above the
        best one before; None: never.
      evaluation_environment: where held-out episodes are played, a name that `upslope.make` knows;
        None: what is trained on.
      evaluation_environment_settings: fields of it.
      opponent: of a game of two players, in the place of the environment's own: "random",
        "minimax", a planner ("mcts-100" for 100 simulations) or a run's folder. Methods that play
        both sides meet it in held-out episodes alone.
      start_from: whose policy every seed begins at, as the caller named it; None: a fresh one. A
        record: the policy itself is in the run folder.
      checkpoint_every: time between checkpoints, besides those at evaluations: seconds, or such
        as "60s", "5m", "1h".
      save_replay: whether checkpoints hold the replay buffers, so that a resumed run is the
        uninterrupted one; False fills them anew. "auto": where those of all seeds together take
        at most 256 MiB.
      engine: what samples the environment, a registered name; None: as the environment says.
      workers: simulator processes; "auto" decides by a quick timing. JAX environments have none.
      imports: modules that were imported for the run (`--import`), which may have registered its
        environment, method or policy. A record: reading a configuration imports nothing.
      loggers: dashboards beside the run folder's own log: "tensorboard", "wandb", "mlflow".
      log_project: on dashboards: W&B's project, MLflow's experiment.
      log_name: of the run on dashboards; None: that of its folder.
      log_group: of runs that belong together on dashboards; None for none.
    """

    environment: str
    method: str
    environment_settings: dict[str, Any] = field(default_factory=dict)
    method_settings: dict[str, Any] = field(default_factory=dict)
    policy: str | None = None
    policy_settings: dict[str, Any] = field(default_factory=dict)
    objective: str = "episodic"
    objective_settings: dict[str, Any] = field(default_factory=dict)
    total_timesteps: int = 100_000
    seeds: int = 4
    seed: int = 0
    evaluations: int = 10
    evaluation_episodes: int = 20
    final_episodes: int = 100
    evaluation_share: float | str | None = None
    evaluation_limit: int | str | None = None
    deterministic_evaluation: bool = True
    stop_at: float | None = None
    patience: int | None = None
    evaluation_environment: str | None = None
    evaluation_environment_settings: dict[str, Any] = field(default_factory=dict)
    opponent: str | None = None
    start_from: str | None = None
    engine: str | None = None
    workers: int | str = "auto"
    checkpoint_every: float | str = "60s"
    save_replay: bool | str = "auto"
    imports: list[str] = field(default_factory=list)
    loggers: list[str] = field(default_factory=list)
    log_project: str = "upslope"
    log_name: str | None = None
    log_group: str | None = None

    def __post_init__(self) -> None:
        for name in (
            "total_timesteps",
            "seeds",
            "evaluations",
            "evaluation_episodes",
            "final_episodes",
        ):
            most = MOST_STEPS if name == "total_timesteps" else MOST
            value = getattr(self, name)
            check_number("train()", name, value, at_least=1, at_most=most, integer=True)
        check_number("train()", "seed", self.seed, at_least=0, below=2**32, integer=True)
        check_switch("train()", "deterministic_evaluation", self.deterministic_evaluation)
        if self.evaluation_share not in (None, AUTO):
            check_number("train()", "evaluation_share", self.evaluation_share, above=0.0)
        if self.evaluation_limit not in (None, AUTO):
            limit = self.evaluation_limit
            check_number(
                "train()", "evaluation_limit", limit, at_least=1, at_most=MOST, integer=True
            )
        check_stopping(self.stop_at, self.patience, self.evaluations)
        if self.evaluation_environment is not None:
            check_name("evaluation_environment", self.evaluation_environment)
        elif self.evaluation_environment_settings:
            raise UpslopeError(
                "train() got evaluation_environment_settings without evaluation_environment=: they "
                "are settings of it. Name it, too."
            )
        seconds_of(self.checkpoint_every)
        if not isinstance(self.save_replay, bool) and self.save_replay != "auto":
            raise UpslopeError(
                f"train() got save_replay={self.save_replay!r:.80}: it must be True, False or "
                "'auto' (buffers up to 256 MiB)."
            )
        if self.start_from is not None and not isinstance(self.start_from, str):
            raise UpslopeError(
                f"train() got start_from={self.start_from!r:.80}: must be a run folder or a policy "
                "folder, or in Python an agent."
            )
        if self.engine is not None:
            ENGINES.entry(self.engine)
        if self.workers != "auto":
            check_number("train()", "workers", self.workers, at_least=0, integer=True)
        names_of_loggers(self.loggers)
        for name in ("log_project", "log_name", "log_group"):
            value = getattr(self, name)
            if not (isinstance(value, str) and value.strip()) and (
                value is not None or name == "log_project"
            ):
                raise UpslopeError(f"train() got {name}={value!r:.80}: must be a text.")

    @property
    def environment_title(self) -> str:
        """The environment as people read it: without the mark of one that is given as an object."""
        return self.environment.removeprefix(f"{GIVEN}:")

    @property
    def title(self) -> str:
        """`ppo on CartPole-v1, 4 seeds`."""
        seeds = "1 seed" if self.seeds == 1 else f"{self.seeds} seeds"
        return f"{self.method} on {self.environment_title}, {seeds}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for YAML and JSON."""
        return plain(dataclasses.asdict(self))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunConfig:
        """The inverse of `to_dict`; an unknown key is an error with the nearest known one."""
        values = as_stored(values)
        check_settings("A configuration", values, [f.name for f in dataclasses.fields(cls)])
        for name in ("environment", "method"):
            if name not in values:
                raise UpslopeError(f"The configuration has no {name!r} key.")
        return cls(**values)


def check_imports(imports: Iterable[str], whose: str) -> None:
    """Refuses to go on without the modules that were imported for a run.

    Args:
      imports: their names.
      whose: what names them, such as a run folder.

    Raises:
      UpslopeError: one has not been imported in this process; says how to.
    """
    missing = [name for name in imports if name not in sys.modules]
    if missing:
        flags = " ".join(f"--import {shlex.quote(name)}" for name in missing)
        raise UpslopeError(
            f"{whose} needs {', '.join(missing)}, which was imported when the run began. A file "
            f"never makes Upslope import code: give {flags} again on the command line, or import "
            f"{'it' if len(missing) == 1 else 'them'} in Python before."
        )


def check_stopping(stop_at: object, patience: object, evaluations: int) -> None:
    """Raises for a rule that makes no sense, or that no evaluation on the way can meet."""
    if stop_at is not None:
        check_number("train()", "stop_at", stop_at)
        if evaluations < 2:
            raise UpslopeError(
                f"train() got stop_at={stop_at!r} with evaluations={evaluations}: it is decided at "
                "the evaluations before the last one, and there are none. Raise evaluations."
            )
    if patience is not None:
        check_number("train()", "patience", patience, at_least=1, integer=True)
        if int(patience) + 2 > evaluations:  # type: ignore[call-overload]
            raise UpslopeError(
                f"train() got patience={patience!r} with evaluations={evaluations}: the first "
                f"evaluation and {patience} without improvement come before the last one. Give "
                f"evaluations={int(patience) + 2} or more, or less patience."  # type: ignore
            )


UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(duration: float | str) -> float:
    """Seconds of a duration such as 60, "60s", "5m" or "1h".

    Raises:
      UpslopeError: anything else, and what is not above zero.
    """
    text = str(duration).strip().lower()
    number, unit = (text[:-1], UNITS[text[-1]]) if text[-1:] in UNITS else (text, 1.0)
    try:
        seconds = float(number) * unit
    except ValueError:
        seconds = float("nan")
    if isinstance(duration, bool) or not seconds > 0:
        raise UpslopeError(
            f"train() got checkpoint_every={duration!r:.80}: it must be a time above zero, in "
            "seconds or such as '60s', '5m' or '1h'."
        )
    return seconds


def plain(value: Any) -> Any:
    """Tuples and arrays as lists and numpy numbers as Python's, all the way down."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "tolist") and not isinstance(value, str | bytes):
        return value.tolist()
    return value


def resolve(
    environment: str,
    method: str | None = None,
    settings: Mapping[str, Any] | None = None,
    *,
    environment_settings: Mapping[str, Any] | None = None,
    use_preset: bool = True,
) -> RunConfig:
    """What will happen: the user's settings over the preset's over the defaults.

    Args:
      environment: its name.
      method: a registered name; None for the preset's choice (PPO where there is no preset).
      settings: any settings of the run, the method, the policy and the objective, by name.
      environment_settings: fields of the environment.
      use_preset: whether tuned settings for this environment and method apply.

    Raises:
      UpslopeError: for a name that is nobody's setting; the nearest one is offered.
    """
    check_name("environment", environment)
    given = {k.replace("-", "_"): v for k, v in dict(settings or {}).items()}
    environment = spelled(environment)
    if method is not None:  # an unknown name is said before anything is looked up by it
        check_is_trained(environment, method)
        method = METHODS.entry(method).name
    for name, registry in (("policy", POLICIES), ("objective", OBJECTIVES)):
        value = given.get(name)
        if isinstance(value, str):
            given[name] = registry.entry(value).name
        elif value is not None:
            raise UpslopeError(
                f"train() got {name}={value!r:.80}: must be a name, of "
                f"{', '.join(registry.names())}."
            )
    preset = preset_for(environment, method) if use_preset else None
    method = method or (preset.method if preset else DEFAULT_METHOD)
    target = METHODS.get(method)
    method_names, defaults = method_settings(target), defaults_of(target)
    kind = given.get("policy") or (preset.settings.get("policy") if preset else None)
    policy_names = {**POLICY_SETTINGS, **policy_settings_of(kind)}
    known = {**RUN_SETTINGS, **method_names, **policy_names, **OBJECTIVE_SETTINGS, "weights": None}
    check_settings(f"Training with {method!r}", given, known)
    hints = hints_of(wrapped) | hints_of(target) | policy_hints(kind)
    given = {
        name: as_run_setting(name, value)
        if name in RUN_SETTINGS
        else as_declared(f"Training with {method!r}", name, value, hints.get(name), known[name])
        for name, value in given.items()
    }
    tuned = dict(preset.settings) if preset else {}
    check_settings(f"The preset of {environment} for {method!r}", tuned, known)
    objective = given.get("objective")
    if isinstance(objective, str):  # tuned for another J: what this one lacks is left out
        own = settings_of(OBJECTIVES.get(objective))
        lacking = {"gamma", "horizon", "weights"} - set(own)
        tuned = {name: value for name, value in tuned.items() if name not in lacking}
    tuned = without_misfits(tuned, given, method_names, defaults)
    usual = choose(defaults._asdict(), RUN_SETTINGS)
    usual = {name: value for name, value in usual.items() if value is not None}
    merged = {**usual, **tuned, **given}
    for part in getattr(target, "parts", ()):
        merged.pop(f"{part}_settings", None)
        merged |= settings_of_part(part, tuned, given)

    objective, objective_settings = resolve_objective(f"Training with {method!r}", merged, defaults)
    run = choose(merged, RUN_SETTINGS)
    of_evaluation = "evaluation_environment_settings"
    run["loggers"] = names_of_loggers(run.get("loggers") or ())
    counted = any(
        merged.get(name) is not None for name in ("evaluation_episodes", "final_episodes")
    )
    run.setdefault("evaluation_share", None if counted else AUTO)
    run.setdefault("evaluation_limit", AUTO)
    of_evaluation_given = check_table("train()", of_evaluation, run.get(of_evaluation))
    if isinstance(held_out := run.get("evaluation_environment"), str):
        of_evaluation_given = completed(held_out, of_evaluation_given)
    run[of_evaluation] = plain(of_evaluation_given)
    of_environment = check_table("train()", "environment_settings", environment_settings)
    own = choose(merged, set(method_names) - set(RUN_SETTINGS))
    return RunConfig(
        environment=environment,
        method=method,
        environment_settings=completed(environment, of_environment),
        method_settings=plain(own),
        policy=kind,
        policy_settings=plain(choose(merged, set(policy_names) - {"policy"})),
        objective=objective,
        objective_settings=plain(objective_settings),
        **run,
    )


def as_run_setting(name: str, value: object) -> object:
    """A setting of the run, as it was given: counts may be written `1e6` or `100k`.

    Raises:
      UpslopeError: an array; `seeds` is a list that does not count from 0.
    """
    if name == "seeds" and isinstance(value, list | tuple | range):
        if list(value) != list(range(len(value))):
            raise UpslopeError(
                f"train() got seeds={value!r:.80}: seeds says how many searches run side by side, "
                "which are numbered from 0. Other ones come from another seed of the whole run: "
                f"seeds={len(value)}, seed=1."
            )
        return len(value)
    if hasattr(value, "dtype"):  # a number of NumPy's
        if np.ndim(value):  # type: ignore[call-overload]
            raise UpslopeError(f"train() got {name}={value!r:.80}: must be one value, no array.")
        value = np.asarray(value).item()
    counts = type(RUN_SETTINGS[name]) is int or name == "evaluation_limit"
    return whole(value) if counts else value


def check_is_trained(environment: str, method: str) -> None:
    """Refuses the name of a solver, which has nothing to train.

    Raises:
      UpslopeError: says how the problem is solved.
    """
    from upslope.planning.dynamic_programming import SOLVERS

    if isinstance(method, str) and method not in METHODS and method in SOLVERS:
        raise UpslopeError(
            f"{method} takes no environment steps and is not trained: it solves a finite problem "
            f"from its table. In a shell: {shell_command('solve', environment, method)}; in "
            f"Python: upslope.solve({environment!r}, {method!r})."
        )


def check_name(setting: str, value: object) -> None:
    """Raises unless an environment is given by its name."""
    if not isinstance(value, str):
        raise UpslopeError(
            f"train() got {setting}={value!r:.80}: must be a name, such as 'CartPole-v1'. "
            "Known ones: upslope list envs"
        )


def without_misfits(
    tuned: Mapping[str, Any],
    given: Mapping[str, Any],
    own: Mapping[str, Any],
    defaults: Defaults,
) -> dict[str, Any]:
    """A preset without the sizes that do not divide what the user has made of the others."""
    merged = {**own, **tuned, **given}
    kept = dict(tuned)
    for name, others in defaults.divides.items():
        sizes = [merged[other] for other in (name, *others)]
        if name in given or not all(type(size) is int and size > 0 for size in sizes):
            continue  # the user's own, none, or numbers that the method will refuse
        if math.prod(sizes[1:]) % sizes[0]:
            kept.pop(name, None)
    return kept


def settings_of_part(
    part: str, tuned: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """What a part of a method is told: the user's over the preset's, if it is the preset's part.

    Raises:
      UpslopeError: the user's are no table.
    """
    setting = f"{part}_settings"
    same = given.get(part, tuned.get(part)) == tuned.get(part)
    usual = tuned.get(setting, {}) if same else {}
    own = check_table("train()", setting, given.get(setting))
    return {setting: {**usual, **own}} if usual or own else {}


def policy_settings_of(kind: str | None) -> dict[str, Any]:
    """The settings that a policy kind has beyond the common ones."""
    if kind is None:
        return {}
    from upslope.policies import POLICIES

    own = settings_of(POLICIES.get(kind))
    hide = {"key", "observation_space", "action_space"}
    return {name: default for name, default in own.items() if name not in hide}


def policy_hints(kind: str | None) -> dict[str, Any]:
    """The declared types of what a policy kind has beyond the common settings."""
    return {} if kind is None else hints_of(POLICIES.get(kind))


def resolve_objective(
    owner: str, merged: Mapping[str, Any], defaults: Defaults
) -> tuple[str, dict[str, Any]]:
    """The objective's name and settings.

    The method says what it maximises by default; a gamma below 1 asks for the discounted return,
    and a gamma of 1 for the undiscounted one.
    """
    name, gamma = merged.get("objective"), plain(merged.get("gamma"))
    if gamma is not None:
        check_number(owner, "gamma", gamma)
    if name is None:
        if gamma is None:
            name = defaults.objective
        elif float(gamma) == 1.0:
            name = "episodic"
        else:
            name = "discounted"
    own = settings_of(OBJECTIVES.get(name))
    settings = {k: v for k, v in choose(merged, own).items() if v is not None}
    for asked in ("gamma", "horizon", "weights"):
        if (
            merged.get(asked) is not None
            and asked not in own
            and not (asked == "gamma" and gamma is not None and float(gamma) == 1.0)
        ):
            having = [o.name for o in OBJECTIVES if asked in settings_of(o.load())]
            raise UpslopeError(
                f"The objective {name!r} has no {asked}, but {asked}={merged[asked]!r} was given. "
                f"Its settings: {', '.join(own) or 'none'}. Objectives with a {asked}: "
                f"{', '.join(having)}."
            )
    if name == defaults.objective:
        settings = {**defaults.objective_settings, **settings}
    return name, settings
