"""Where in somebody's own code an exception came from."""

from __future__ import annotations

import linecache
import os
import sysconfig
import traceback

# Installed packages whose frames are on the way, not where an environment's mistake is.
BENEATH = ("gymnasium", "numpy", "scipy", "jax", "torch", "mujoco", "pygame", "Box2D")
INSTALLED = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
PACKAGES = tuple(os.path.join(path, name, "") for path in INSTALLED for name in BENEATH)
STANDARD = os.path.join(sysconfig.get_path("stdlib"), "")


def raised(error: BaseException, without: tuple[str, ...] = ()) -> str:
    """What was raised and where: `ValueError: too small (my_env.py, line 12)`.

    The last frame outside the standard library and the libraries that environments call, or the
    last one at all where there is none. An exception without a text is told by the line that raised
    it.

    Args:
      error: as it was caught.
      without: beginnings of file names whose frames do not count.
    """
    text = str(error) or repr(error)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(without)
    ]
    if not frames:
        return f"{type(error).__name__}: {text}"
    frame = ([frame for frame in frames if not beneath(frame.filename)] or frames)[-1]
    if not str(error):
        text = linecache.getline(frame.filename, frame.lineno or 0).strip() or text
    return f"{type(error).__name__}: {text} ({frame.filename}, line {frame.lineno})"


def beneath(file: str) -> bool:
    """Whether a file is of a library that environments call."""
    if file.startswith(PACKAGES):
        return True
    return file.startswith(STANDARD) and not file.startswith(tuple(INSTALLED))
