"""`upslope gradcheck ENV`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from upslope.cli.file_to_write import file_to_write
from upslope.cli.importing import importing
from upslope.core.checks import StorageError, UpslopeError
from upslope.storage.atomic import write_bytes

if TYPE_CHECKING:
    from upslope.environments.adaptors.gymnasium import GymnasiumSpec
    from upslope.environments.environment import Environment

FORMATS = (".png", ".svg", ".pdf")
PASSED_ON = ("episodes", "batch", "seed", "false_alarms")


def gradcheck(words: Sequence[str]) -> int:
    """Checks gradient estimators and prints a row for each.

    Returns:
      The exit code: 1 when a finding contradicts what an estimator declares.
    """
    with importing():
        from upslope.cli.argv import Argv
        from upslope.cli.flags import Group, parse
        from upslope.cli.setting import Setting
        from upslope.cli.train_command import environment_settings, free_settings

    argv = Argv.read(words)
    environment = argv.take_name()
    of_environment = environment_settings(environment)
    free = {} if of_environment else free_settings(argv, "env")
    flags = [
        Setting("estimators", str, "all", "Names with commas between: upslope list estimators."),
        Setting("policy", str, "a fresh one", "A run folder, or a kind: upslope list policies."),
        Setting("episodes", int, 100_000, "Episodes for each estimator."),
        Setting("batch", int, 8, "Episodes in one estimate."),
        Setting("seed", int, 0, "Seed of the policy's parameters and of the episodes."),
        Setting("false_alarms", float, 0.001, "Chance that any unbiased one is called biased."),
        Setting("json", str, "none", "Write everything to this file."),
        Setting("plot", str, "none", "Draw biases and variances into this file (PNG, SVG, PDF)."),
    ]
    parsed: dict[str, Any] = parse(
        "upslope gradcheck",
        "Hold gradient estimators to the exact gradient: bias, variance, cost, and a verdict.",
        [
            Group("gradient check", flags),
            Group("objective", objective_settings()),
            Group("environment", of_environment, "env"),
        ],
        argv,
        environment or "ENV",
    )
    check, objective = parsed["gradient check"], parsed["objective"]
    if environment is None:
        raise UpslopeError("upslope gradcheck needs an environment: upslope gradcheck ENV")
    files = {name: file_to_write(check.get(name)) for name in ("json", "plot")}
    if files["plot"] is not None:
        check_drawable(files["plot"])
    with importing():
        from upslope.diagnostics.gradient_check import gradcheck as measure
        from upslope.environments.factory import make
        from upslope.objectives import OBJECTIVES
        from upslope.search.search_method import Defaults
        from upslope.training.config import resolve_objective
        from upslope.training.configure import configure

    configure(1)
    name, settings = resolve_objective("gradcheck", objective, Defaults())
    made = known_dynamics(make(environment, **free, **parsed.get("environment", {})))
    wanted = check.get("estimators")
    report = measure(
        made,
        policy_of(check.get("policy"), made, check.get("seed", 0)),
        OBJECTIVES.get(name)(**settings),
        None if wanted in (None, "all") else wanted,
        **{name: check[name] for name in PASSED_ON if name in check},
    )
    report = dataclasses.replace(report, environment=environment)  # as it was typed
    print(report.text())
    print(f"\ntime       {report.seconds:.1f} s, compilation included")
    if files["json"] is not None:
        write_bytes(files["json"], (report.to_json() + "\n").encode())
        print(f"written    {files['json']}")
    if files["plot"] is not None:
        from upslope.plots.bars import estimator_bars

        estimator_bars(report).savefig(files["plot"], dpi=150)
        print(f"drawn      {files['plot']}")
    return 1 if report.contradictions else 0


def known_dynamics(environment: Environment | GymnasiumSpec) -> Environment | GymnasiumSpec:
    """The environment; of a simulator with a table (FrozenLake, Taxi) the MDP that it says."""
    from upslope.environments.adaptors.gymnasium import GymnasiumSpec
    from upslope.environments.adaptors.toy_text import finite_mdp_of, has_table

    if isinstance(environment, GymnasiumSpec) and has_table(environment):
        return finite_mdp_of(environment)
    return environment


def check_drawable(path: Path) -> None:
    """Raises before anything is measured where a picture could not be drawn in the end.

    Raises:
      UpslopeError: the ending of the file's name says no format, or matplotlib is missing.
    """
    from upslope.plots.drawing import require_matplotlib

    if path.suffix.lower() not in FORMATS:
        raise UpslopeError(f"--plot {path} does not end in {', '.join(FORMATS)}: which format?")
    require_matplotlib()


def objective_settings() -> list[Any]:
    """The flags that say which J."""
    from upslope.cli.setting import Setting
    from upslope.objectives import OBJECTIVES

    names = Literal[tuple(OBJECTIVES.names())]  # type: ignore[valid-type]
    weights = Literal["discounted", "undiscounted"]
    return [
        Setting("objective", names, "episodic", "J, what is checked: upslope list objectives."),
        Setting(
            "gamma",
            float | None,
            None,
            "Discount factor below 1, of discounted and average-value objectives.",
        ),
        Setting("horizon", int | None, None, "Steps after which an episode counts as over."),
        Setting("weights", weights, "discounted", "Step weights gamma^t: discounted keeps them."),
    ]


def policy_of(name: str | None, environment: Any, seed: int) -> Any:
    """A run folder's policy (of its best seed), or a random one of a kind; None for the default.

    Raises:
      UpslopeError: it is neither, or made for other spaces.
    """
    if name is None:
        return None
    from upslope.policies import POLICIES
    from upslope.training.build import same_kind, spaces_of

    obs, act = spaces_of(environment)
    if Path(name).is_dir():
        from upslope.training.agent import load

        agent = load(name)
        if not same_kind(agent.observation_space, obs) or not same_kind(agent.action_space, act):
            raise UpslopeError(
                f"The policy in {name} sees {agent.observation_space} and does "
                f"{agent.action_space}: it does not fit an environment with {obs} and {act}."
            )
        return agent.policy
    if name not in POLICIES and ("/" in name or name.startswith(".")):
        raise StorageError(f"{name} does not exist: --policy takes a run folder, or a kind.")
    import jax

    from upslope.diagnostics.check_policies import drawn_policy

    return drawn_policy(jax.random.key(seed), environment, environment.time_limit or 1, name)
