"""The `upslope` command."""

from __future__ import annotations

import time

STARTED = time.perf_counter()  # the first line that runs: imports are counted from here

import contextlib  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from collections.abc import Sequence  # noqa: E402

from upslope.cli.importing import importing  # noqa: E402
from upslope.cli.output_streams import Outputs, lasting_outputs, reason  # noqa: E402
from upslope.cli.plain_warnings import say_warnings_plainly  # noqa: E402
from upslope.core.checks import StorageError, UpslopeError, unknown_name  # noqa: E402

COMMANDS = {
    "train": "ENV [METHOD]   train several seeds and evaluate them",
    "resume": "RUN            resume a run that was interrupted, or go further",
    "evaluate": "RUN            held-out episodes of a run's policies, or of a planner",
    "solve": "ENV [METHOD]   optimal policy and values of a finite problem",
    "gradcheck": "ENV            gradient estimators against the exact gradient",
    "compare": "RUN...         runs against each other, with intervals",
    "tournament": "NAME...     players of a game, each against each: Elo, with intervals",
    "play": "WHO            a game against a run or a planner, in the terminal",
    "bench": "ENV METHOD...  train several methods, then compare them",
    "plot": "RUN...         curves of runs, as a picture",
    "record": "RUN            a film of a run's policies, GIF and MP4",
    "report": "RUN...         one page about a run, or runs against each other",
    "export": "RUN            a policy for programs without Upslope",
    "tune": "ENV [METHOD]   settings found by trials, checked on fresh seeds",
    "list": "envs|methods|policies|objectives|estimators|planners|solvers|models",
    "show": "NAME           equation, settings and reference of a method; what an ENV accepts",
}
WITHOUT_OUTPUT = {  # what has to be done whoever looks on
    "train": "training goes on",
    "resume": "training goes on",
}
HELP = """\
usage: upslope COMMAND ...

Policy search in JAX: an environment, a policy and a search method in; a policy with the evidence
that it is good out.

commands:
{commands}

options:
  --help, -h       this text; upslope COMMAND --help for a command's own
  --version        the version
  --traceback      show where an error came from
  --import MODULE  import a module of yours first, for what it registers

start with:
  upslope train CartPole-v1
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code.

    0: done. 2: bad input. 3 to 6: see the errors of `upslope.core.checks`. 130 and 143: stopped by
    Ctrl-C and SIGTERM.

    Args:
      argv: the words after `upslope`; those of this process if None.
    """
    owns_process = argv is None
    if owns_process:
        say_warnings_plainly()
    began = STARTED if owns_process else time.perf_counter()
    given = list(sys.argv[1:] if argv is None else argv)
    traceback = "--traceback" in given
    given = [word for word in given if word != "--traceback"]
    asks = {"-h", "--help"} & set(given)
    goes_on = WITHOUT_OUTPUT.get(given[0], "") if given and not asks else ""
    with lasting_outputs(goes_on) as outputs:
        code = run(given, began, traceback)
        outputs.out.flush()
        if owns_process:
            leave_computing(code)
        return code if goes_on else code_of(code, outputs)


def run(argv: list[str], began: float, traceback: bool) -> int:
    """Runs the command, says what went wrong, and returns the exit code."""
    try:
        return dispatch(argv, began)
    except UpslopeError as error:
        if traceback:
            raise
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt as error:  # `Stopped`, which says what is saved, or a bare one
        if traceback:
            raise
        print(str(error) or "stopped before there was anything to save", file=sys.stderr)
        return getattr(error, "exit_code", 130)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 2


def leave_computing(code: int) -> None:
    """Ends the process now if an evaluation that was left is still being computed.

    Everything is saved and closed by then; the interpreter's own end would wait for it.
    """
    waiting = sys.modules.get("upslope.engine.waiting")
    if waiting is not None and waiting.still_computing():
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def code_of(code: int, outputs: Outputs) -> int:
    """The exit code of a command whose work is what it prints."""
    lost = outputs.out.lost
    if lost is None or code:
        return code
    if isinstance(lost, BrokenPipeError):  # as in `upslope list envs | head`
        return 141
    print(f"error: {reason(lost)}: send the output elsewhere.", file=sys.stderr)
    return StorageError.exit_code


def dispatch(argv: list[str], began: float) -> int:
    """Finds the command and runs it."""
    if not argv or argv[0] in ("--help", "-h", "help"):
        rows = "\n".join(f"  {name:<10} {text}" for name, text in COMMANDS.items())
        print(HELP.format(commands=rows), end="")
        return 0 if argv else 2
    if argv[0] in ("--version", "-V"):
        from importlib.metadata import version

        print(f"upslope {version('upslope')}")
        return 0
    command, rest = argv[0], argv[1:]
    if command not in COMMANDS:
        raise unknown_name("command", command, COMMANDS)
    from upslope.cli import commands
    from upslope.cli.user_modules import import_all, see_working_directory, take_imports

    rest, modules = take_imports(rest)
    if modules or any(":" in word for word in rest):  # else a folder could pass for a package
        see_working_directory()
    if modules:
        with importing():
            import_all(modules)
        commands.IMPORTS.extend(modules)
    carry_out = commands.list_names if command == "list" else getattr(commands, command)
    return carry_out(rest, began)


if __name__ == "__main__":
    sys.exit(main())
