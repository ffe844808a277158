"""Commands that messages print: what a person can paste."""

from __future__ import annotations

from pathlib import Path

from upslope.core.shell_command import shell_command
from upslope.environments.adaptors.gymnasium import GIVEN
from upslope.environments.user_code import names_code
from upslope.training.config import RunConfig


def printed_command(command: str, folder: str | Path, config: RunConfig | None = None) -> str:
    """`upslope COMMAND RUN` with the flags that this run needs again, quoted for a shell.

    Where the environment was passed in as an object, which no command line can name, `--env` is
    given a name to fill in.

    Args:
      command: `"evaluate"`, `"record"` or `"resume"`.
      folder: of the run.
      config: of the run; None where it is not known.
    """
    words = [command, str(folder)]
    if config is None:
        return shell_command(*words)
    name = config.environment
    if command != "resume" and config.evaluation_environment is not None:
        name = config.evaluation_environment
    words += flag_of("--env", name)
    if command == "resume":
        words += flag_of("--evaluation-environment", config.evaluation_environment)
    for module in config.imports:
        words += ["--import", module]
    return shell_command(*words)


def flag_of(flag: str, name: str | None) -> list[str]:
    """A flag that gives an environment again; [] where its name in a file does."""
    if name is not None and names_code(name):
        return [flag, name]
    if name is not None and name.startswith(f"{GIVEN}:"):
        return [flag, f"FILE.py:{name.removeprefix(f'{GIVEN}:')}"]
    return []
