"""`--import MODULE`: the user's own modules, imported before a command runs."""

from __future__ import annotations

import sys
from pathlib import Path

from upslope.core.checks import UpslopeError

FLAG = "--import"


def take_imports(words: list[str]) -> tuple[list[str], list[str]]:
    """The words without each `--import MODULE`, and the modules, in their order.

    Raises:
      UpslopeError: no module follows the flag.
    """
    rest: list[str] = []
    modules: list[str] = []
    waiting = iter(words)
    for word in waiting:
        flag, equals, value = word.partition("=")
        if flag != FLAG:
            rest.append(word)
            continue
        module = value if equals else next(waiting, "")
        if not module or module.startswith("-"):
            raise UpslopeError(f"{FLAG} needs the name of a module: {FLAG} my_package")
        modules.append(module)
    return rest, modules


def see_working_directory() -> None:
    """Modules in the working directory can be imported, installed ones first."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)


def import_all(modules: list[str]) -> None:
    """Imports modules by name, so that what they register can be named.

    Raises:
      UpslopeError: there is none of that name, or it raises.
    """
    from upslope.environments.user_code import load_module

    for name in modules:
        load_module(name)
