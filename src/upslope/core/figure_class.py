"""The figures of the library: matplotlib's, which need no screen and which notebooks show."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING

from upslope.core.checks import missing_extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def require_matplotlib() -> type[Figure]:
    """The class of figures to draw on: a `matplotlib.figure.Figure` that pyplot knows nothing of.

    Raises:
      UpslopeError: when matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise missing_extra("A figure", "matplotlib", "plot") from None
    return shown_in_notebooks(Figure)


@functools.cache
def shown_in_notebooks(figure: type[Figure]) -> type[Figure]:
    """A class of figures that Jupyter shows where a cell ends with one, whatever its backend is."""

    def png(drawn: Figure) -> bytes:
        with io.BytesIO() as file:
            drawn.savefig(file, format="png")  # pyright: ignore[reportUnknownMemberType]
            return file.getvalue()

    return type("NotebookFigure", (figure,), {"_repr_png_": png})
