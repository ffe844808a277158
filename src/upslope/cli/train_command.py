"""`upslope train ENV [METHOD]`: flags from the modules' own fields."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from upslope.cli.argv import Argv
from upslope.cli.flags import Group, parse
from upslope.cli.setting import Setting, method_settings_from, settings_from
from upslope.core.checks import StorageError, UpslopeError, check_switch
from upslope.core.shell_command import shell_command

if TYPE_CHECKING:
    from upslope.environments.adaptors.gymnasium import GymnasiumSpec
    from upslope.environments.environment import Environment
    from upslope.training.config import RunConfig

RUN_HELP: dict[str, tuple[Any, str]] = {
    "total_timesteps": (int, "Environment steps of each seed."),
    "seeds": (int, "How many searches run side by side."),
    "seed": (int, "Seed of all random numbers of the run."),
    "evaluations": (int, "How often the solutions are evaluated on the way."),
    "evaluation_episodes": (int, "Held-out episodes of each seed, each time."),
    "final_episodes": (int, "Held-out episodes of each seed at the end."),
    "evaluation_share": (
        float | Literal["auto"] | None,
        "Share of the search's steps that evaluations may take; auto: 0.25 on simulators.",
    ),
    "evaluation_limit": (
        int | Literal["auto"] | None,
        "Steps of a held-out episode where nothing else ends it.",
    ),
    "deterministic_evaluation": (bool, "Evaluate the mode of the policy, not draws from it."),
    "stop_at": (float, "End when the mean evaluation return over seeds reaches this."),
    "patience": (int, "End after so many evaluations in a row without a better mean return."),
    "evaluation_environment": (str, "Where held-out episodes are played, a name."),
    "opponent": (str, "Who plays against it: random, minimax, mcts-100, a run's folder."),
    "start_from": (str, "A run or policy folder: begin at its policy, the best seed's."),
    "engine": (str, "What samples the environment: upslope list engines."),
    "workers": (int | Literal["auto"], "Simulator processes; JAX environments have none."),
    "checkpoint_every": (str, "Time between checkpoints: seconds, or such as 60s, 5m, 1h."),
    "save_replay": (bool | Literal["auto"], "Replay buffers in checkpoints; auto: up to 256 MiB."),
}
CONFIG_HELP = "A YAML file of settings by name, or a run's config.yaml; flags win over it."
LOG_HELP: dict[str, tuple[Any, str]] = {
    "log_project": (str, "Where dashboards gather runs: W&B's project, MLflow's experiment."),
    "log_name": (str, "Name of the run on dashboards."),
    "log_group": (str, "Group of runs that belong together on dashboards."),
}
POLICY_HELP: dict[str, tuple[Any, str]] = {
    "hidden": (tuple[int, ...], "Sizes of the hidden layers."),
    "activation": (str, "Activation function of the hidden layers, such as tanh or relu."),
    "normalize_observations": (bool, "Standardise observations by their running moments."),
}
LOGGER_SETTINGS = [
    Setting("tensorboard", bool, False, "Log to TensorBoard too (in the run folder)."),
    Setting("wandb", bool, False, "Log to Weights & Biases too."),
    Setting("mlflow", bool, False, "Log to MLflow too (MLFLOW_TRACKING_URI)."),
]
OUTPUT = [
    Setting("out", str, "a new folder under runs/", "The run folder to write; must be empty."),
    Setting("preset", bool, True, "Use the tuned settings for this environment and method."),
    *LOGGER_SETTINGS,
    Setting("quiet", bool, False, "Print the run folder and nothing else."),
    Setting("plain", bool, False, "Lines instead of the live display."),
]


class Request(NamedTuple):
    """What the user asked `upslope train` for."""

    config: RunConfig
    output: dict[str, Any]
    environment: Environment | GymnasiumSpec | None = None  # built, where it is the user's code
    notes: Sequence[str] = ()  # about a file of another library
    evaluation_environment: Environment | GymnasiumSpec | None = None  # likewise


def read_request(words: Sequence[str], imports: Sequence[str] = ()) -> Request:
    """The resolved configuration of a command line: flags over file over preset over defaults.

    Args:
      words: the command line after the command.
      imports: modules that were imported for it.

    Raises:
      UpslopeError: a name or a value that cannot be; the nearest name is offered.
    """
    from upslope.environments import make
    from upslope.environments.user_code import names_code
    from upslope.training.config import resolve

    argv = Argv.read(words)
    path = argv.take("--config")
    method = argv.take("--method")
    environment = argv.take("--environment")
    if environment is None:
        argv.find_names(looks_like_environment)
    typed = environment or argv.take_name()
    method = method or argv.take_name()
    file = FileSettings(None, None, {}, {}, True)
    if path is not None:
        file = read_settings(Path(path), typed, method)
    environment = typed or file.environment
    method = method or file.method
    if environment is None and not argv.wants_help:
        raise UpslopeError(
            "upslope train needs an environment: upslope train CartPole-v1. "
            "Known ones: upslope list envs"
        )
    check_is_no_method(environment)
    use_preset = file.use_preset and not argv.has("--no-preset")
    if argv.wants_help and environment is not None:
        check_environment(environment)
    defaults = resolve(environment or "", method, use_preset=use_preset)
    policy = argv.value("--policy") or file.settings.get("policy") or defaults.policy
    objective = argv.value("--objective") or file.settings.get("objective")
    parts = parts_of(argv, defaults, file)
    groups = flag_groups(environment, defaults, policy, objective, file, use_preset, path)
    groups += part_groups(parts, defaults, file, path)
    free = {} if environment_settings(environment) else free_settings(argv, "env")
    free_parts = {part: free_settings(argv, part) for part, name in parts.items() if name is None}
    parsed = parse(
        "upslope train",
        describe(environment, defaults.method),
        groups,
        argv,
        "ENV [METHOD]" if environment is None else f"{environment} {defaults.method}",
        shell_command("train", *([environment, defaults.method] if environment else ()), "--help"),
    )
    output = {setting.name: setting.default for setting in OUTPUT} | {"out": None}
    of_output = parsed.pop("output")
    output |= of_output
    loggers = switched(file.settings.get("loggers") or (), of_output)
    of_environment = {**file.environment_settings, **free, **parsed.pop("environment", {})}
    of_parts = settings_of_parts(parts, parsed, free_parts, file)
    flags = {name: value for group in parsed.values() for name, value in group.items()}
    if environment is None:
        raise UpslopeError("upslope train needs an environment: upslope train CartPole-v1.")
    config = resolve(
        environment,
        method,
        {**file.settings, **flags, **of_parts, "loggers": loggers},
        environment_settings=of_environment,
        use_preset=use_preset and bool(output["preset"]),
    )
    if imports:
        config = dataclasses.replace(config, imports=list(imports))
    # Code of the user's own is imported where a flag names it, and never because a file does.
    built = evaluated = None
    if typed is not None and names_code(typed):
        built = make(typed, **config.environment_settings)
    held_out = flags.get("evaluation_environment")
    if held_out is not None and names_code(held_out):
        evaluated = make(held_out, **config.evaluation_environment_settings)
    return Request(config, output, built, file.notes, evaluated)


def flag_groups(
    environment: str | None,
    defaults: RunConfig,
    policy: str | None,
    objective: str | None,
    file: FileSettings,
    use_preset: bool,
    path: str | None,
) -> list[Group]:
    """All flags that `upslope train` has for this environment and method."""
    from upslope.objectives import OBJECTIVES
    from upslope.policies import POLICIES
    from upslope.search import METHODS
    from upslope.training.config import POLICY_SETTINGS, RUN_SETTINGS
    from upslope.training.presets import preset_for
    from upslope.training.settings import settings_of

    preset = preset_for(environment or "", defaults.method) if use_preset else None
    shown = {name: (value, "of the preset") for name, value in (preset or ("", {}))[1].items()}
    shown |= {name: (value, f"in {path}") for name, value in file.settings.items()}
    shown.setdefault("objective", (defaults.objective, ""))
    usual = settings_of(OBJECTIVES.get(defaults.objective)) | defaults.objective_settings
    asked = settings_of(OBJECTIVES.get(objective or defaults.objective))
    gamma = usual.get("gamma")
    shown.setdefault("gamma", (gamma, ""))
    target = METHODS.get(defaults.method)
    method = method_settings_from(target, hide=set(RUN_SETTINGS))
    taken = {setting.name for setting in method} | set(RUN_SETTINGS)
    kinds = Literal[tuple(POLICIES.names())]  # type: ignore[valid-type]
    usual_kind = "the one for the spaces"
    policies = [Setting("policy", kinds, usual_kind, "Kind of policy: upslope list policies.")]
    policies += [
        Setting(name, kind, POLICY_SETTINGS[name], text)
        for name, (kind, text) in POLICY_HELP.items()
    ]
    if policy is not None:
        hide = {"key", "observation_space", "action_space", *POLICY_HELP, *taken}
        policies += settings_from(POLICIES.get(policy), hide=hide)
    goals = Literal[tuple(OBJECTIVES.names())]  # type: ignore[valid-type]
    objectives = [
        Setting("objective", goals, None, "J, what is maximised: upslope list objectives."),
        Setting("gamma", float | None, None, "Discount factor; 1 for the undiscounted return."),
        Setting("horizon", int | None, None, "Steps after which an episode counts as over."),
        Setting(
            "weights",
            Literal["discounted", "undiscounted"],
            usual.get("weights", "discounted"),
            "Step weights gamma^t of the policy gradient: discounted keeps them, undiscounted "
            "leaves them out (biased, but usual).",
        ),
    ]
    run = [Setting(name, kind, RUN_SETTINGS[name], text) for name, (kind, text) in RUN_HELP.items()]
    run.append(Setting("config", str, ..., CONFIG_HELP))  # read before the other flags
    log = [Setting(name, kind, RUN_SETTINGS[name], text) for name, (kind, text) in LOG_HELP.items()]
    return [
        Group("run", run, shown=shown),
        Group(f"method {defaults.method}", method, shown=shown),
        Group("policy", policies, shown=shown),
        Group("objective", objectives, "", shown, {"horizon", "weights"} - set(asked)),
        Group("environment", environment_settings(environment), "env", _in(file, path)),
        Group("dashboards", log, shown=shown),
        Group("output", OUTPUT),
    ]


def parts_of(argv: Argv, defaults: RunConfig, file: FileSettings) -> dict[str, str | None]:
    """What the method's settings with settings of their own name; None: the method decides."""
    usual = {**parts_named(defaults), **file.settings}
    return {part: argv.value(f"--{part}") or usual.get(part) for part in parts_named(defaults)}


def parts_named(config: RunConfig) -> dict[str, str | None]:
    """The parts of a configuration's method, and what they are by default or by the preset."""
    from upslope.search import METHODS
    from upslope.training.settings import method_settings

    target = METHODS.get(config.method)
    usual = {**method_settings(target), **config.method_settings}
    return {part: usual[part] for part in getattr(target, "parts", ())}


def part_groups(
    parts: Mapping[str, str | None], defaults: RunConfig, file: FileSettings, path: str | None
) -> list[Group]:
    """Flags such as `--planner.horizon`, of what each part of the method is."""
    from upslope.search import METHODS
    from upslope.training.config import settings_of_part

    known = getattr(METHODS.get(defaults.method), "parts", {})
    groups = []
    for part, name in parts.items():
        if name is None:
            continue
        settings = settings_from(known[part].find(name), hide=known[part].hide)
        tuned = settings_of_part(part, defaults.method_settings, {part: name})
        shown = {
            setting: (value, source)
            for table, source in ((tuned, "of the preset"), (file.settings, f"in {path}"))
            for setting, value in dict(table.get(f"{part}_settings") or {}).items()
        }
        groups.append(Group(f"{part} {name}", settings, part, shown))
    return groups


def settings_of_parts(
    parts: Mapping[str, str | None],
    parsed: dict[str, dict[str, Any]],
    free: Mapping[str, dict[str, Any]],
    file: FileSettings,
) -> dict[str, dict[str, Any]]:
    """Takes what was given for each part, flags over file."""
    found = {}
    for part, name in parts.items():
        given = {**free.get(part, {}), **parsed.pop(f"{part} {name}", {})}
        if given:
            setting = f"{part}_settings"
            found[setting] = {**dict(file.settings.get(setting) or {}), **given}
    return found


def switched(loggers: str | Iterable[str], flags: Mapping[str, bool]) -> list[str]:
    """Loggers with those that `--NAME` adds, and without those that `--no-NAME` leaves out."""
    from upslope.training.loggers import LOGGERS, names_of_loggers

    names = names_of_loggers(loggers)
    return [name for name in dict.fromkeys((*names, *LOGGERS)) if flags.get(name, name in names)]


def _in(file: FileSettings, path: str | None) -> dict[str, tuple[Any, str]]:
    return {name: (value, f"in {path}") for name, value in file.environment_settings.items()}


def environment_settings(environment: str | None) -> list[Setting]:
    """The fields of a native environment; none for another library's, whose names are free."""
    from upslope.environments import ENVIRONMENTS

    if environment is None or environment not in ENVIRONMENTS:
        return []
    return settings_from(ENVIRONMENTS.get(environment))


def check_is_no_method(environment: str | None) -> None:
    """Refuses the name of a method where the environment's belongs.

    Raises:
      UpslopeError: says what is missing.
    """
    from upslope.environments import ENVIRONMENTS
    from upslope.search import METHODS

    if environment is None or environment in ENVIRONMENTS or not METHODS.is_expected(environment):
        return
    raise UpslopeError(
        f"{environment} is a method: upslope train needs the environment before it, such as "
        f"{shell_command('train', 'CartPole-v1', environment)}. Known ones: upslope list envs"
    )


def check_environment(environment: str) -> None:
    """Refuses a name that is no environment's, as training with it would; nothing else is built.

    Raises:
      UpslopeError: the nearest name is offered.
    """
    from upslope.environments import ENVIRONMENTS, make
    from upslope.environments.user_code import names_code

    if names_code(environment):
        return
    library, colon, rest = environment.partition(":")
    if environment in ENVIRONMENTS or library in ("gymnax", "brax", "pgx"):
        return
    from upslope.environments.adaptors.gymnasium import is_registered

    if not is_registered(rest if colon and library == "gymnasium" else environment):
        make(environment)


def free_settings(argv: Argv, prefix: str) -> dict[str, Any]:
    """Takes each `--PREFIX.NAME VALUE`, read as YAML; what they are settings of checks them.

    Raises:
      UpslopeError: a flag without a value, or one that is no YAML value.
    """
    from upslope.training.config_file import parse_value

    found = {}
    for flag in dict.fromkeys(f.name for f in argv.flags if f.name.startswith(f"--{prefix}.")):
        value = argv.take(flag)
        name = flag.removeprefix(f"--{prefix}.").replace("-", "_")
        try:
            found[name] = parse_value(value) if value else None
        except StorageError as error:
            raise UpslopeError(
                f"{flag} got {value!r:.80}: it must be a value as YAML has it, such as a number, "
                "true, null, a word, or a list '[1, 2]'."
            ) from error
    return found


def looks_like_environment(word: str) -> bool:
    """Whether a word among the flags can only be an environment's name."""
    from upslope.environments import ENVIRONMENTS
    from upslope.environments.user_code import names_code

    return (
        names_code(word)
        or word in ENVIRONMENTS
        or bool(re.match(r"^(gymnasium|gymnax|brax|pgx):|.*-v\d+$", word))
    )


def describe(environment: str | None, method: str) -> str:
    """The first lines of the help text."""
    if environment is None:
        return (
            "Train several seeds of a policy and evaluate them. These are the flags of ppo; "
            "name the environment and the method to see theirs: "
            "upslope train Pendulum-v1 cem --help"
        )
    about = shell_command("show", method)
    return (
        f"Train several seeds of {method} on {environment} and evaluate them. "
        f"About the method: {about}. Settings of the environment: --env.NAME VALUE"
    )


class FileSettings(NamedTuple):
    """What a configuration file says."""

    environment: str | None
    method: str | None
    settings: dict[str, Any]
    environment_settings: dict[str, Any]
    use_preset: bool
    notes: Sequence[str] = ()


def read_settings(
    path: Path, environment: str | None = None, method: str | None = None
) -> FileSettings:
    """A file of settings by name, the `config.yaml` of a run folder, or a file of rl-zoo.

    A configuration of a run folder and a file of rl-zoo are complete: no preset is added.

    Args:
      path: the file.
      environment: as typed, which one of an rl-zoo file is meant.
      method: likewise.

    Raises:
      StorageError: it cannot be read, or is no table of plain values.
    """
    from upslope.training.config import check_imports
    from upslope.training.config_file import read_config
    from upslope.training.zoo_file import is_zoo, read_zoo

    merged = read_config(path, merge=True)
    if is_zoo(merged):
        zoo = read_zoo(merged, environment, method, path.stem)
        return FileSettings(zoo.environment, zoo.method, zoo.settings, {}, False, zoo.notes)
    values = read_config(path)
    complete = "method_settings" in values
    settings: dict[str, Any] = {}
    for part in ("method_settings", "policy_settings", "objective_settings"):
        settings |= table(path, part, values.pop(part, {}))
    of_environment = table(path, "environment_settings", values.pop("environment_settings", {}))
    of_environment |= table(path, "env", values.pop("env", {}))
    check_imports(values.pop("imports", None) or (), str(path))
    environment = text(path, "environment", values.pop("environment", None))
    method = text(path, "method", values.pop("method", None))
    settings |= {name.replace("-", "_"): value for name, value in values.items()}
    if settings.get("policy", ...) is None:
        del settings["policy"]
    if complete and settings.get("start_from") is not None and (path.parent / "start").is_dir():
        settings["start_from"] = str(path.parent / "start")  # the policy itself, kept by the run
    use_preset = settings.pop("preset", not complete)
    check_switch(str(path), "preset", use_preset)
    return FileSettings(environment, method, settings, of_environment, use_preset)


def text(path: Path, name: str, value: object) -> str | None:
    """A part of a file that must be a name, if it is there."""
    if value is not None and not isinstance(value, str):
        raise UpslopeError(f"{path}: {name} must be a name, not {value!r:.80}.")
    return value


def table(path: Path, name: str, value: object) -> dict[str, Any]:
    """A part of a file that must be a table."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise UpslopeError(f"{path}: {name} must be a table of settings, not {value!r}.")
    return dict(value)
