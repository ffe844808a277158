"""A picture in the coordinates of what is drawn, with smooth edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from upslope.core.checks import missing_extra

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

# Told apart by the colour-blind too (Okabe and Ito), on a light ground.
INK, FAINT, GROUND, PAPER = "#22262e", "#9aa3b0", "#d5dae1", "#f7f8fa"
BLUE, ORANGE, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
COLORS = (BLUE, ORANGE, GREEN, PURPLE, "#e69f00", "#56b4e9", INK)
# Everything is drawn so much larger than it is shown.
OVERSAMPLING = 2


class Canvas:
    """A picture of `width` x `height` pixels that shows a rectangle of the plane, y upwards.

    The rectangle is shown whole and to scale, in the middle.

    Args:
      width: pixels.
      height: pixels.
      x: its left and right end.
      y: its lower and upper end.

    Raises:
      UpslopeError: Pillow is not installed.
    """

    def __init__(
        self, width: int, height: int, x: tuple[float, float], y: tuple[float, float]
    ) -> None:
        require_pillow()
        from PIL import Image, ImageDraw

        self.width, self.height = width, height
        size = width * OVERSAMPLING, height * OVERSAMPLING
        self._image = Image.new("RGB", size, PAPER)
        self._draw: ImageDraw.ImageDraw = ImageDraw.Draw(self._image)
        self.scale = min(size[0] / (x[1] - x[0]), size[1] / (y[1] - y[0]))
        self._left = size[0] / 2 - self.scale * (x[0] + x[1]) / 2
        self._low = size[1] / 2 + self.scale * (y[0] + y[1]) / 2

    def _at(self, points: ArrayLike) -> list[tuple[float, float]]:
        placed = np.asarray(points, float).reshape(-1, 2) * (self.scale, -self.scale)
        return [(x + self._left, y + self._low) for x, y in placed.tolist()]

    def line(self, points: ArrayLike, color: str, width: float) -> None:
        """A line through points, `width` in the plane's units, with round ends."""
        placed, thick = self._at(points), max(self.scale * width, OVERSAMPLING)
        self._draw.line(placed, fill=color, width=round(thick), joint="curve")
        for x, y in (placed[0], placed[-1]):
            r = thick / 2
            self._draw.ellipse((x - r, y - r, x + r, y + r), fill=color)

    def polygon(self, points: ArrayLike, color: str) -> None:
        """A filled polygon."""
        self._draw.polygon(self._at(points), fill=color)

    def box(self, low: ArrayLike, high: ArrayLike, color: str, radius: float = 0.0) -> None:
        """A filled rectangle from its lower left to its upper right corner, with round corners."""
        (left, bottom), (right, top) = self._at(np.stack([np.asarray(low), np.asarray(high)]))
        self._draw.rounded_rectangle((left, top, right, bottom), self.scale * radius, fill=color)

    def disc(self, centre: ArrayLike, radius: float, color: str, ring: float = 0.0) -> None:
        """A filled disc, or with `ring` only a ring of that width."""
        ((x, y),) = self._at(centre)
        r = self.scale * radius
        edge = (x - r, y - r, x + r, y + r)
        if ring:
            self._draw.ellipse(edge, outline=color, width=round(self.scale * ring))
        else:
            self._draw.ellipse(edge, fill=color)

    def text(self, at: ArrayLike, text: str, size: float, color: str = INK) -> None:
        """Words in the middle of a point, `size` high in the plane's units."""
        from PIL import ImageFont

        font = ImageFont.load_default(self.scale * size)
        self._draw.text(self._at(at)[0], text, fill=color, font=font, anchor="mm")

    def whole(self) -> Image.Image:
        """What was drawn, as large as it was drawn."""
        return self._image

    def paste(self, drawn: Image.Image) -> None:
        """Puts what another canvas of this size has drawn (`whole`) in the place of everything."""
        self._image.paste(drawn)

    def image(self) -> Image.Image:
        """What was drawn, in its own size."""
        return self._image.reduce(OVERSAMPLING)


def require_pillow() -> None:
    """Asks for Pillow.

    Raises:
      UpslopeError: it is not installed.
    """
    try:
        import PIL  # noqa: F401
    except ImportError:
        raise missing_extra("A film", "pillow", "report") from None
