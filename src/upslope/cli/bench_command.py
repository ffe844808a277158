"""`upslope bench ENV METHOD...`: several methods on one environment, then their comparison."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upslope.cli.importing import importing
from upslope.core.checks import StorageError, UpslopeError

if TYPE_CHECKING:
    from upslope.training.config import RunConfig
    from upslope.training.run import Run


def bench(words: list[str]) -> int:
    """Trains each method on the same budget into a folder of its own under one, and compares."""
    with importing():
        from upslope.cli.argv import Argv
        from upslope.cli.compare_command import show, take_folders
        from upslope.cli.flags import Group, parse
        from upslope.cli.setting import Setting

    argv = Argv.read(words)
    names = take_folders(argv, ("--json", "--quiet", "--plain"))
    flags = [
        Setting("total_timesteps", int, "the largest of the presets", "Budget of each seed."),
        Setting("seeds", int, 10, "How many searches of each method run side by side."),
        Setting("seed", int, 0, "Seed of every run."),
        Setting("evaluations", int, 10, "How often solutions are evaluated on the way."),
        Setting("final_episodes", int, 100, "Held-out episodes of each seed at the end."),
    ]
    output = [
        Setting("out", str, "bench-ENV", "The folder of the runs; finished ones are kept."),
        Setting("output", str, "the same", "The folder of comparison.json and comparison.png."),
        Setting("target", float, "none", "A return to reach: adds the optimality gap."),
        Setting("json", bool, False, "Print the numbers as JSON instead of tables."),
        Setting("quiet", bool, False, "No progress."),
        Setting("plain", bool, False, "Lines instead of the live display."),
    ]
    parsed = parse(
        "upslope bench",
        "Train several methods on one environment, each with its preset and all with the same "
        "budget, and compare them.",
        [Group("run", flags), Group("output", output)],
        argv,
        "ENV METHOD METHOD...",
    )
    if len(names) < 3:
        raise UpslopeError(
            "upslope bench needs an environment and two methods: "
            "upslope bench CartPole-v1 ppo cem --seeds 10"
        )
    environment, *methods = names
    if len(set(methods)) < len(methods):
        raise UpslopeError(f"upslope bench got a method twice: {' '.join(methods)}.")
    configs = configurations(environment, methods, parsed["run"])
    options = parsed["output"]
    from upslope.training.build import tries_populations
    from upslope.training.configure import configure
    from upslope.training.slug import slug

    populations = any(tries_populations(config) for config in configs)
    configure(configs[0].seeds, populations=populations)
    root = Path(options.get("out", f"bench-{slug(environment)}"))
    runs: list[Run | Path] = [trained(config, root, options) for config in configs]
    return show(runs, {"output": str(root), **options})


def configurations(
    environment: str, methods: list[str], settings: dict[str, Any]
) -> list[RunConfig]:
    """What each method runs with: its preset, and the budget of all.

    Raises:
      UpslopeError: an unknown environment, method or value, before any work starts.
    """
    from upslope.cli.train_command import check_environment
    from upslope.training.config import resolve

    check_environment(environment)
    given = {"seeds": 10, **settings}
    configs = [resolve(environment, method, given) for method in methods]
    if "total_timesteps" not in settings:
        budget = max(config.total_timesteps for config in configs)
        configs = [dataclasses.replace(config, total_timesteps=budget) for config in configs]
    names = ("evaluation_episodes", "final_episodes", "evaluation_share", "evaluation_limit")
    shared = {name: getattr(configs[0], name) for name in names}
    return [dataclasses.replace(config, **shared) for config in configs]


def trained(config: RunConfig, root: Path, options: dict[str, Any]) -> Run | Path:
    """The run of one method: made, gone on with, or found finished with the same settings.

    Raises:
      StorageError: its folder holds a run with other settings.
    """
    from upslope.cli.commands import display
    from upslope.environments import make
    from upslope.environments.user_code import names_code
    from upslope.training.config import RunConfig
    from upslope.training.evaluation_bound import is_of
    from upslope.training.run_folder import RunFolder
    from upslope.training.slug import slug
    from upslope.training.train import resume, run

    path = root / slug(config.method)
    quiet = bool(options.get("quiet") or options.get("json"))
    there = (path / "status.json").is_file()
    if there:
        folder = RunFolder.open(path, lock=False)
        if not is_of(RunConfig.from_dict(folder.config()), config):
            raise StorageError(
                f"{path} holds a run with other settings. Choose another folder with --out."
            )
        if folder.status().get("state") == "done":
            if not quiet:
                print(f"{config.method}: {path} is finished already, and kept")
            return path
    # What is code of the user's own is built here: no file names it.
    own = config.environment if names_code(config.environment) else None
    with display(config, quiet, bool(options.get("plain"))) as reporter:
        if there:
            return resume(path, environment=own, reporter=reporter, owns_process=True)
        given = None if own is None else make(own)
        return run(config, out=path, environment=given, reporter=reporter, owns_process=True)
