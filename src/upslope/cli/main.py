"""The `upslope` command."""

from __future__ import annotations

import time

STARTED = time.perf_counter()  # the first line that runs: imports are counted from here

import sys  # noqa: E402
from collections.abc import Sequence  # noqa: E402

from upslope.core.checks import UpslopeError, unknown_name  # noqa: E402

COMMANDS = {
    "train": "ENV [METHOD]   train several seeds and evaluate them",
    "resume": "RUN            go on with a run that was stopped",
    "evaluate": "RUN            held-out episodes of a run's policies",
    "gradcheck": "ENV            gradient estimators against the exact gradient",
    "list": "envs|methods|policies|objectives|estimators",
    "show": "METHOD         its equation, settings and reference",
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
    began = STARTED if argv is None else time.perf_counter()
    words = list(sys.argv[1:] if argv is None else argv)
    traceback = "--traceback" in words
    words = [word for word in words if word != "--traceback"]
    try:
        return dispatch(words, began)
    except UpslopeError as error:
        if traceback:
            raise
        stopped = error.exit_code >= 128  # by a signal, in good order
        print(f"{'' if stopped else 'error: '}{error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        if traceback:
            raise
        print("stopped before there was anything to save", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as in `upslope list envs | head`
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 2


def dispatch(words: list[str], began: float) -> int:
    """Finds the command and runs it."""
    if not words or words[0] in ("--help", "-h", "help"):
        rows = "\n".join(f"  {name:<9} {text}" for name, text in COMMANDS.items())
        print(HELP.format(commands=rows), end="")
        return 0 if words else 2
    if words[0] in ("--version", "-V"):
        from importlib.metadata import version

        print(f"upslope {version('upslope')}")
        return 0
    command, rest = words[0], words[1:]
    if command not in COMMANDS:
        raise unknown_name("command", command, COMMANDS)
    from upslope.cli import commands

    run = commands.list_names if command == "list" else getattr(commands, command)
    return run(rest, began)


if __name__ == "__main__":
    sys.exit(main())
