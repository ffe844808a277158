"""Several pictures side by side, each under its words."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from upslope.drawing.canvas import FAINT, INK, PAPER, require_pillow

if TYPE_CHECKING:
    from PIL import Image, ImageFont

TITLE, CAPTION, GAP = 26, 42, 8


class Panel(NamedTuple):
    """One picture with its words.

    Attributes:
      picture: an image of Pillow's.
      heading: whose it is.
      line: what has happened so far.
      ended: whether its episode is over, while others go on.
    """

    picture: Image.Image
    heading: str
    line: str
    ended: bool = False


def side_by_side(title: str, shown: Sequence[Panel], size: tuple[int, int]) -> Image.Image:
    """One frame of a film: a title, and below it the panels from left to right.

    Width and height are even, as video wants them.

    Args:
      title: above all; empty for none.
      shown: at least one panel.
      size: width and height of each picture, into which it is fitted.
    """
    require_pillow()
    from PIL import Image, ImageDraw

    width = len(shown) * size[0] + (len(shown) + 1) * GAP
    top = TITLE if title else 0
    height = top + CAPTION + size[1] + GAP
    frame = Image.new("RGB", (width + width % 2, height + height % 2), PAPER)
    draw = ImageDraw.Draw(frame)
    large, small = font_of(15), font_of(13)
    draw.text((GAP, TITLE / 2 + 2), fitted(title, large, width - 2 * GAP), INK, large, "lm")
    for place, panel in enumerate(shown):
        left = GAP + place * (size[0] + GAP)
        words = fitted(panel.heading, large, size[0]), fitted(panel.line, small, size[0])
        draw.text((left, top + 12), words[0], INK, large, "lm")
        draw.text((left, top + 30), words[1], INK if panel.ended else "#5b6472", small, "lm")
        picture = fit(panel.picture, size)
        if panel.ended:
            picture = Image.blend(picture, Image.new("RGB", picture.size, PAPER), 0.45)
        frame.paste(picture, (left, top + CAPTION))
        edge = (left, top + CAPTION, left + size[0] - 1, top + CAPTION + size[1] - 1)
        draw.rectangle(edge, outline=FAINT)
    return frame


def fit(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A picture within a rectangle, whole and to scale, in the middle of it."""
    from PIL import Image

    if picture.size == size:
        return picture
    scale = min(size[0] / picture.width, size[1] / picture.height)
    new = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    # What is enlarged keeps its pixels: a game of 10 x 10 is not a blur.
    way = Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.BILINEAR
    within = Image.new("RGB", size, PAPER)
    within.paste(picture.resize(new, way), ((size[0] - new[0]) // 2, (size[1] - new[1]) // 2))
    return within


@functools.lru_cache(maxsize=8)
def font_of(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def fitted(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """A text, cut with an ellipsis where it is wider than that."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}...") > width:
        text = text[:-1]
    return f"{text.rstrip()}..."
