"""What each sub-command does."""

from __future__ import annotations

import math
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upslope.cli.importing import importing
from upslope.core.checks import StorageError, UpslopeError
from upslope.core.shell_command import shell_command

if TYPE_CHECKING:
    from upslope.cli.argv import Argv
    from upslope.training.config import RunConfig
    from upslope.training.run import Run


# Modules that `--import` has imported for this command.
IMPORTS: list[str] = []


def train(argv: list[str], began: float) -> int:
    """`upslope train ENV [METHOD] [--flags]`."""
    with importing():
        from upslope.cli.train_command import read_request

        request = read_request(argv, IMPORTS)
        from upslope.training.build import tries_populations
        from upslope.training.configure import configure
        from upslope.training.train import run

        configure(request.config.seeds, populations=tries_populations(request.config))

    imports = time.perf_counter() - began
    output = request.output
    place: dict[str, Any] = {"out": output["out"]} if output["out"] else {"root": "runs"}
    with display(request.config, output["quiet"], output["plain"]) as reporter:
        for text in request.notes:
            reporter.note(text)
        result = run(
            request.config,
            reporter=reporter,
            import_seconds=imports,
            owns_process=True,
            environment=request.environment,
            evaluation_environment=request.evaluation_environment,
            **place,
        )
    return finish(result, output["quiet"])


def resume(argv: list[str], began: float) -> int:
    """`upslope resume RUN`."""
    with importing():
        from upslope.cli.argv import Argv
        from upslope.cli.flags import Group, parse
        from upslope.cli.setting import Setting
        from upslope.cli.train_command import LOGGER_SETTINGS, switched

    given = Argv.read(argv)
    folder = one_folder(given)
    run_flags = [
        Setting("total_timesteps", int, "the run's", "A larger budget: all steps of each seed."),
        Setting("env", str, "the run's", "The run's environment again, where it is your own code."),
        Setting(
            "evaluation_environment",
            str,
            "the run's",
            "Likewise, where held-out episodes are played.",
        ),
    ]
    output = [
        *(setting._replace(default="as the run had it") for setting in LOGGER_SETTINGS),
        Setting("quiet", bool, False, "Print the run folder and nothing else."),
        Setting("plain", bool, False, "Lines instead of the live display."),
    ]
    parsed = parse(
        "upslope resume",
        "Resume a run that was interrupted, from its last complete checkpoint; or go further than "
        "it was asked to before.",
        [Group("run", run_flags), Group("output", output)],
        given,
        "RUN",
    )
    parsed, asked = parsed["output"], parsed["run"]
    path = run_folder(folder, "resume")
    quiet, plain = parsed.get("quiet", False), parsed.get("plain", False)
    with importing():
        from upslope.training import train as training
        from upslope.training.build import tries_populations
        from upslope.training.config import RunConfig
        from upslope.training.configure import configure
        from upslope.training.run_folder import RunFolder

    run = RunFolder.open(path, lock=False)
    config, layout = RunConfig.from_dict(run.config()), run.device_layout()
    devices = None if layout is None else math.prod(layout)
    known = run.dashboards()
    loggers = switched(config.loggers if known is None else known, parsed)
    configure(config.seeds, populations=tries_populations(config), devices=devices)
    imports = time.perf_counter() - began
    with display(config, quiet, plain) as reporter:
        result = training.resume(
            path,
            total_timesteps=asked.get("total_timesteps"),
            environment=asked.get("env"),
            evaluation_environment=asked.get("evaluation_environment"),
            reporter=reporter,
            loggers=loggers,
            import_seconds=imports,
            owns_process=True,
        )
    return finish(result, quiet, resumed=True)


def evaluate(argv: list[str], began: float) -> int:
    """`upslope evaluate RUN [--episodes N] [--env ENV]`; `upslope evaluate ENV --planner NAME`."""
    with importing():
        from upslope.cli.argv import Argv
        from upslope.cli.flags import Group, parse
        from upslope.cli.setting import Setting

    given = Argv.read(argv)
    planner = given.take("--planner")
    if planner is not None:
        from upslope.cli.planner_command import evaluate_planner

        return evaluate_planner(given, planner)
    folder = one_folder(given)
    flags = [
        Setting("episodes", int, 100, "Held-out episodes of each seed's policy."),
        Setting("env", str, "the run's", "Another environment with the same spaces."),
        Setting(
            "opponent",
            str,
            "the run's",
            "Of a game of two players: random, minimax, a planner (mcts-1000) or a run's folder.",
        ),
        Setting(
            "deterministic", bool, "as the run's", "Act by the mode of the policy, not by a draw."
        ),
        Setting("seed", int, 0, "Seed of the episodes."),
    ]
    parsed = parse(
        "upslope evaluate",
        "Evaluate the policies of a run, of all its seeds, on held-out episodes. Or let a planner "
        "act without training: upslope evaluate ENV --planner NAME (upslope list planners).",
        [Group("evaluation", flags)],
        given,
        "RUN",
    )["evaluation"]
    path = run_folder(folder, "evaluate")
    with importing():
        from upslope.cli.summary import print_evaluation
        from upslope.engine.progress import Evaluation
        from upslope.training import train as training
        from upslope.training.configure import configure

        configure(1)

    environment = parsed.pop("env", None)
    evaluation = training.evaluate(path, environment=environment, **parsed)
    assert isinstance(evaluation, Evaluation)  # no planner: no match
    print_evaluation(evaluation, f"{path}" + (f" on {environment}" if environment else ""))
    return 0


def solve(argv: list[str], began: float) -> int:
    """`upslope solve ENV [METHOD]`."""
    from upslope.cli.solve_command import solve

    return solve(argv)


def gradcheck(argv: list[str], began: float) -> int:
    """`upslope gradcheck ENV`."""
    from upslope.cli.gradcheck_command import gradcheck

    return gradcheck(argv)


def compare(argv: list[str], began: float) -> int:
    """`upslope compare RUN...`."""
    from upslope.cli.compare_command import compare

    return compare(argv)


def tournament(argv: list[str], began: float) -> int:
    """`upslope tournament NAME...`."""
    from upslope.cli.tournament_command import tournament

    return tournament(argv)


def play(argv: list[str], began: float) -> int:
    """`upslope play WHO`."""
    from upslope.cli.play_command import play

    return play(argv)


def bench(argv: list[str], began: float) -> int:
    """`upslope bench ENV METHOD...`."""
    from upslope.cli.bench_command import bench

    return bench(argv)


def plot(argv: list[str], began: float) -> int:
    """`upslope plot RUN...`."""
    from upslope.cli.plot_command import plot

    return plot(argv)


def record(argv: list[str], began: float) -> int:
    """`upslope record RUN`."""
    from upslope.cli.record_command import record

    return record(argv)


def report(argv: list[str], began: float) -> int:
    """`upslope report RUN...`."""
    from upslope.cli.report_command import report

    return report(argv)


def export(argv: list[str], began: float) -> int:
    """`upslope export RUN`."""
    from upslope.cli.export_command import export

    return export(argv)


def tune(argv: list[str], began: float) -> int:
    """`upslope tune ENV [METHOD]`."""
    from upslope.cli.tune_command import tune

    return tune(argv, IMPORTS)


def list_names(argv: list[str], began: float) -> int:
    """`upslope list KIND`, of `listing.KINDS`."""
    from upslope.cli.listing import KINDS, listing

    usage = f"usage: upslope list {'|'.join(KINDS)}\n\nThe names there are, with a line about each."
    kinds = one_word("list", argv, usage)
    if kinds is not None:
        print("\n".join(listing(kinds)))
    return 0


def show(argv: list[str], began: float) -> int:
    """`upslope show NAME`."""
    from upslope.cli.listing import card

    usage = (
        "usage: upslope show NAME\n\nEquation, settings with types and defaults, and reference "
        "of a method, an environment\n(those of Gymnasium, gymnax, brax and pgx, too), a policy, "
        "an objective, a planner or a gradient\nestimator. Names: upslope list methods"
    )
    name = one_word("show", argv, usage)
    if name is not None:
        print("\n".join(card(name, min(shutil.get_terminal_size().columns, 100))))
    return 0


def one_word(command: str, argv: list[str], usage: str) -> str | None:
    """The single word a command takes; None after the help text was printed."""
    if "-h" in argv or "--help" in argv:
        print(usage)
        return None
    if len(argv) != 1 or argv[0].startswith("-"):
        raise UpslopeError(f"upslope {command} takes one name. {usage.splitlines()[0]}")
    return argv[0]


def one_folder(argv: Argv) -> str | None:
    """Takes the run folder, which stands first or last."""
    argv.find_names(lambda word: Path(word).is_dir())
    return argv.take_name()


def run_folder(name: str | None, command: str) -> Path:
    """The folder of a run.

    Raises:
      StorageError: it is none; runs that are near are named.
    """
    if name is None:
        raise UpslopeError(f"upslope {command} needs a run folder: upslope {command} RUN")
    path = Path(name)
    if (path / "status.json").is_file():
        return path
    if path.name == "policy" and (path.parent / "status.json").is_file():
        return path.parent
    what = "is not a run folder: it has no status.json" if path.is_dir() else "does not exist"
    base = path if path.is_dir() else Path("runs")
    found = sorted(
        (status.parent for depth in ("*", "*/*") for status in base.glob(f"{depth}/status.json")),
        key=lambda folder: folder.stat().st_mtime,
    )
    hint = f" The newest under {base} is {found[-1]}." if found else ""
    if not path.is_dir() and is_environment(name):
        act = planner_hint(name) if command == "evaluate" else ""
        raise UpslopeError(
            f"{name} is an environment, and upslope {command} takes a run folder: train first, "
            f"{shell_command('train', name)}.{act}{hint}"
        )
    raise StorageError(f"{path} {what}.{hint}")


def planner_hint(name: str) -> str:
    """How an environment whose dynamics are known is acted in without training."""
    from upslope.environments import ENVIRONMENTS

    known = name in ENVIRONMENTS
    act = shell_command("evaluate", name, "--planner", "NAME")
    return f" Or let a planner act: {act}." if known else ""


def is_environment(name: str) -> bool:
    """Whether `make` knows an environment of that name."""
    from upslope.environments import ENVIRONMENTS, make
    from upslope.environments.adaptors.gymnasium import is_registered

    if name in ENVIRONMENTS or is_registered(name):
        return True
    if ":" not in name:
        return False
    try:
        make(name)
    except UpslopeError:
        return False
    return True


def display(config: RunConfig, quiet: bool, plain: bool) -> Any:
    """Who tells the user of the progress: a picture, lines, or nobody."""
    from upslope.core.where_shown import in_terminal

    title = config.title
    if quiet:
        from upslope.cli.quiet_display import QuietDisplay

        return QuietDisplay()
    if not plain and in_terminal():
        from upslope.training.live_display import LiveDisplay

        return LiveDisplay(title)
    from upslope.training.plain_display import PlainDisplay

    return PlainDisplay(title)


def finish(result: Run, quiet: bool, resumed: bool = False) -> int:
    """The final table, or only the run folder."""
    if quiet:
        print(result.folder)
        return 0
    from upslope.cli.summary import print_summary

    print()
    print_summary(result.summary, result.config.title, config=result.config, resumed=resumed)
    return 0
