"""Figures as files, the format by the ending."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from upslope.core.checks import StorageError, UpslopeError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg", ".pdf")


def check_ending(path: Path) -> Path:
    """Refuses a file name whose ending is no format of figures."""
    if path.suffix.lower() not in ENDINGS:
        raise UpslopeError(f"The figure {path} must end with {', '.join(ENDINGS)}.")
    return path


def save_figure(figure: Figure, path: Path) -> Path:
    """Writes a figure; its folder is made.

    Raises:
      UpslopeError: the ending is no format of figures.
      StorageError: the file cannot be written.
    """
    check_ending(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise StorageError(
            f"Could not write the figure {path}: {error.strerror or error}."
        ) from error
    return path
