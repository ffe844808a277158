"""`upslope tune ENV METHOD`: settings found by trials, and what they are worth on fresh seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upslope.cli.importing import importing
from upslope.cli.result_table import result_table
from upslope.core.checks import UpslopeError, nearest

if TYPE_CHECKING:
    from upslope.cli.argv import Argv
    from upslope.cli.train_command import Request
    from upslope.tuning.tuning_result import Trial, Tuning

SWITCHES = ("--quiet",)


def tune(words: list[str], imports: list[str]) -> int:
    """`upslope tune ENV [METHOD] [--trials N] [--search NAME=RANGE...] [--flags of train]`."""
    with importing():
        from upslope.cli.argv import Argv
        from upslope.cli.flags import Group, parse

    argv = Argv.read(words)
    names = {f"--{setting.name.replace('_', '-')}" for setting in flags()}
    own = Argv([], [flag for flag in argv.flags if flag.name in names or argv.wants_help])
    rest = Argv(argv.names, [flag for flag in argv.flags if flag.name not in names])
    for flag in own.flags:  # names that stand behind a flag of one word
        if flag.name != "--search":
            kept = 0 if flag.name in SWITCHES else 1
            rest.names += flag.values[kept:]
            del flag.values[kept:]
    parsed = parse(
        "upslope tune",
        "Search settings of a method for an environment with Optuna: trials on few seeds, then the "
        "winner and the first trial on fresh ones. All flags of upslope train hold in every trial.",
        [Group("tuning", flags())],
        own,
        "ENV [METHOD]",
    )["tuning"]
    with importing():
        from upslope.training.build import tries_populations
        from upslope.training.configure import configure
        from upslope.training.slug import slug
        from upslope.tuning.study import check_optuna
        from upslope.tuning.tuned_method import tune_configuration

        request = request_of(rest, imports)
        config = request.config
        configure(config.seeds, populations=tries_populations(config))
    check_optuna(parsed.get("sampler", "tpe"), parsed.get("pruner", "median"))
    quiet = parsed.pop("quiet", False)
    place = parsed.pop("out", f"tune-{slug(config.environment)}-{slug(config.method)}")
    search = search_of(parsed.pop("search", None))
    if not quiet:
        print(f"{config.method} on {config.environment}, {config.seeds} seeds in every trial")
    lines = None if quiet else TrialLines()
    result = tune_configuration(
        config,
        place,
        search=search,
        environment=request.environment,
        callback=lines,
        before=None if lines is None else lines.earlier,
        owns_process=True,
        fixed=[flag.name.strip("-").replace("-", "_") for flag in rest.flags],
        **parsed,
    )
    if quiet:
        print(result.preset)
    else:
        print_tuning(result)
    return 0


def request_of(argv: Argv, imports: list[str]) -> Request:
    """What every trial has in common: the rest of the command line, as `upslope train` reads it.

    Raises:
      UpslopeError: as `upslope train` does; flags of tuning are offered too.
    """
    from upslope.cli.train_command import read_request

    words = words_of(argv)
    if not argv.names and not {"--environment", "--config"} & {flag.name for flag in argv.flags}:
        raise UpslopeError("upslope tune needs an environment: upslope tune CartPole-v1 ppo")
    try:
        return read_request(words if argv.has("--seeds") else [*words, "--seeds", "2"], imports)
    except UpslopeError as error:
        unknown = [flag for flag in argv.flags if f"Unknown flag {flag.name}." in str(error)]
        known = [setting.name for setting in flags()]
        guess = nearest(unknown[0].name.lstrip("-"), known) if unknown else None
        if guess is None:
            raise
        raise UpslopeError(
            f"Unknown flag {unknown[0].name}. Did you mean --{guess.replace('_', '-')}? All flags: "
            "upslope tune --help, and those of upslope train."
        ) from None


def flags() -> list[Any]:
    """The flags of tuning itself."""
    from typing import Literal

    from upslope.cli.setting import Setting

    return [
        Setting("trials", int, 20, "Trials in all, those of earlier calls included."),
        Setting(
            "search",
            tuple[str, ...],
            "the usual ones",
            "Settings to search: NAME, NAME=LOW:HIGH[:log|linear|one-minus|power] or NAME=a|b.",
        ),
        Setting("fresh_seeds", int, 8, "Seeds that no trial has seen, for the winner at the end."),
        Setting("minutes", float | None, None, "No trial begins after so long."),
        Setting("sampler", Literal["tpe", "random", "cma-es"], "tpe", "Optuna's sampler."),
        Setting("pruner", Literal["median", "halving", "none"], "median", "Optuna's pruner."),
        Setting("out", str, "tune-ENV-METHOD", "The folder; the same call goes on in it."),
        Setting("quiet", bool, False, "Print the preset's file and nothing else."),
    ]


def words_of(argv: Argv) -> list[str]:
    """A command line as words again."""
    words = list(argv.names)
    for flag in argv.flags:
        if flag.joined:
            words += [f"{flag.name}={flag.values[0]}", *flag.values[1:]]
        else:
            words += [flag.name, *flag.values]
    return words


def search_of(words: tuple[str, ...] | None) -> dict[str, str | None] | None:
    """`NAME` and `NAME=RANGE` as a table; None where nothing was given."""
    if words is None:
        return None
    pairs = [word.partition("=") for word in words]
    return {name.replace("-", "_"): text or None for name, _, text in pairs}


class TrialLines:
    """Prints a line for each trial."""

    def __init__(self):
        self.best: float | None = None

    def earlier(self, trials: Sequence[Trial]) -> None:
        """Trials of calls before this one: only one that is better than theirs is marked."""
        known = [trial for trial in trials if trial.value is not None]
        if not trials:
            return
        best = max(known, key=lambda trial: trial.value or 0.0, default=None)
        self.best = None if best is None else best.value
        which = "" if best is None else f", the best of them trial {best.number}: {best.value:.1f}"
        print(f"{len(trials)} trials of earlier calls{which}", flush=True)

    def __call__(self, trial: Trial) -> None:
        """See `tune`."""
        better = trial.value is not None and (self.best is None or trial.value > self.best)
        self.best = trial.value if better else self.best
        value = trial.state if trial.value is None else f"{trial.value:.1f}"
        numbers = " ".join(f"{name}={short(v)}" for name, v in trial.settings.items())
        mark = "*" if better else " "
        print(f"trial {trial.number:>3}  {value:>8} {mark}  {numbers}", flush=True)


def short(value: object) -> str:
    """A number in three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def print_tuning(result: Tuning) -> None:
    """Winner and start on fresh seeds, and what to do next."""
    from rich.console import Console
    from rich.text import Text

    from upslope.cli.compare_command import print_whole
    from upslope.core.shell_command import shell_command
    from upslope.tuning.tuning_result import HEADINGS

    print()
    console = Console(highlight=False, soft_wrap=True)
    title = Text(f"{result.title}, {len(result.trials)} trials")
    table = result_table(title)
    for k, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="right" if k else "left", no_wrap=True)
    for row in result.rows():
        table.add_row(*map(Text, row))
    print_whole(console, table)
    seeds = result.winner.returns.size
    print(f"[interval]: 95 %, bootstrap over {seeds} seeds that no trial has seen")
    if result.start.trial == result.winner.trial:
        print("note     no trial was better than the settings it started from")
    elif result.winner.mean <= result.start.mean:
        print("note     on fresh seeds the winner is not better than the start: it was lucky")
    failed = [trial for trial in result.trials if trial.state == "failed"]
    if failed:
        first = f"such as {failed[0].number}: {failed[0].reason}"
        print(f"note     {len(failed)} trials failed, {first}")
    print(f"preset   {result.preset}")
    print(f"next     {shell_command('train', '--config', Path(result.preset))}")
