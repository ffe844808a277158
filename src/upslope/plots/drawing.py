"""What all pictures share: the library that draws, and the colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upslope.core.figure_class import require_matplotlib as require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Told apart by the colour-blind too (Okabe and Ito).
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "0.55"
COLORS = (BLUE, ORANGE, GREEN, PURPLE, "#e69f00", "#56b4e9", "0.3")


def bare(axes: Axes) -> None:
    """Axes without the frame's upper and right sides."""
    axes.spines[["top", "right"]].set_visible(False)
