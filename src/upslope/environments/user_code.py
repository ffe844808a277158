"""Environments in the user's own code: `./my_env.py:MyEnv`, `my_package:My-v0`.

To name one imports code. That is done for a name that the user has just given, in a call or on the
command line, and never for a name that stands in a file.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from upslope.core.checks import UpslopeError, nearest
from upslope.core.own_frame import raised
from upslope.environments.adaptors.gymnasium import GIVEN, is_registered

# Libraries of environments, which a name may begin with.
PREFIXES = ("gymnasium", "gymnax", "brax", "pgx")
# Prefixes of names that do not stand for a module.
LIBRARIES = (*PREFIXES, GIVEN)


def names_code(name: str) -> bool:
    """Whether a name stands for something in a module or a file: `module:Name`, `file.py:Name`."""
    place, colon, _ = name.rpartition(":")
    return bool(colon) and place not in LIBRARIES and (is_file(place) or is_module(place))


def is_file(place: str) -> bool:
    """Whether a place is a Python file rather than a module."""
    return place.endswith(".py")


def class_in(path: Path) -> str | None:
    """The last class that a file defines at its top, read without running it; None for none."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return None
    names = [part.name for part in body if isinstance(part, ast.ClassDef)]
    return names[-1] if names else None


def is_module(place: str) -> bool:
    """Whether a place can be the name of a module, and not a library's mistyped."""
    if not all(part.isidentifier() for part in place.split(".")):
        return False
    first = place.partition(".")[0]
    return nearest(first, LIBRARIES) is None or importlib.util.find_spec(first) is not None


def imported(name: str) -> Any:
    """What a name stands for: an id that Gymnasium has by then, or a class, object or function.

    Args:
      name: `./my_env.py:MyEnv`, `my_package.envs:MyEnv`, or as Gymnasium has it `my_package:My-v0`.

    Returns:
      The id, a string, or the object.

    Raises:
      UpslopeError: no such file or module, one that cannot be imported, or no such name in it.
    """
    place, _, what = name.rpartition(":")
    module = load_file(Path(place)) if is_file(place) else load_module(place)
    found: Any = module
    for part in what.split("."):
        found = getattr(found, part, None)
    if found is not None:
        return found
    if is_registered(what):
        return what
    guess = nearest(what, [known for known in vars(module) if not known.startswith("_")])
    hint = f" Did you mean {guess!r}?" if guess else ""
    raise UpslopeError(
        f"{name!r}: {place} has no {what!r}, and importing it registers no such environment with "
        f"Gymnasium.{hint}"
    )


def load_module(name: str) -> ModuleType:
    """Imports a module by its name.

    Raises:
      UpslopeError: there is none, or it raises.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
            raise broken(name, error) from error
        raise UpslopeError(
            f"There is no module {name!r}: install the package, or run where it lies. A file is "
            f"given by its path: ./{name.replace('.', '/')}.py"
        ) from error
    except Exception as error:
        raise broken(name, error) from error


def load_file(path: Path) -> ModuleType:
    """Imports a file as the module of its stem; what lies beside it can be imported meanwhile.

    Raises:
      UpslopeError: there is none, it raises, or its stem is another module's name.
    """
    if not path.is_file():
        raise UpslopeError(f"There is no file {path} (in {Path.cwd()}).")
    path = path.resolve()
    known = sys.modules.get(path.stem)
    if known is not None:
        if getattr(known, "__file__", None) and Path(str(known.__file__)).resolve() == path:
            return known
        raise UpslopeError(
            f"{path} cannot be imported as the module {path.stem!r}: another one has that name. "
            "Rename the file."
        )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        with beside(path):
            spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[path.stem]
        raise broken(str(path), error) from error
    return module


@contextlib.contextmanager
def beside(path: Path) -> Iterator[None]:
    """Modules in the folder of a file can be imported within the block."""
    folder = str(path.parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)


def broken(name: str, error: BaseException) -> UpslopeError:
    """The error of a module that cannot be imported: what it raised, and where."""
    return UpslopeError(f"{name} cannot be imported: {raised(error, (__file__,))}.")
