"""A board as SVG, with what a search thinks of its moves."""

from __future__ import annotations

import math

import numpy as np

from upslope.drawing.board_text import played_at
from upslope.drawing.board_view import BoardView

CELL = 60
STYLE = """
.board-ground{fill:#f5f7fa}.board-line{stroke:#aab2bf;fill:none}
.board-first{fill:#0072b2;stroke:none}.board-second{fill:#c2500a;stroke:none}
.board-last{fill:none;stroke:#1b1f27;stroke-width:3}
.board-note{fill:#00795a;fill-opacity:.28;stroke:none}
.board-text{fill:#1b1f27;font:600 15px system-ui,sans-serif;text-anchor:middle}
.board-small{fill:#525a68;font:12px system-ui,sans-serif;text-anchor:middle}
@media (prefers-color-scheme:dark){
.board-ground{fill:#1d2128}.board-line{stroke:#5a6473}
.board-first{fill:#56b4e9}.board-second{fill:#ff9457}
.board-last{stroke:#e9ecf1}.board-note{fill:#35c99a}
.board-text{fill:#e9ecf1}.board-small{fill:#a9b2c0}}
"""


def board_svg(
    view: BoardView,
    *,
    visits: np.ndarray | None = None,
    values: np.ndarray | None = None,
    last: int | None = None,
    title: str = "A position",
    styled: bool = True,
) -> str:
    """A picture of a board; light or dark as the reader has it.

    Args:
      view: the board; discs are stones, filled for who began, with a hole for the other.
      visits: [A] of a search: the share of each move, as a disc of that area where its stone would
        go, with the share in per cent.
      values: [A] of the search, for who is to move, below it; NaN where there is none.
      last: the action that was played last: its stone gets a ring.
      title: what is seen, for those who listen.
      styled: whether the picture brings its colours along; a page has them once.
    """
    rows, columns = view.stones.shape
    shift = view.slant * CELL
    edge = 26 if view.row_names else 0
    width = edge + CELL * columns + shift * (rows - 1 if edge == 0 else rows)
    height = CELL * rows + (26 if view.column_names else 0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'class="board" aria-label="{escaped(title)}">'
    ]
    if styled:
        parts.append(f"<style>{STYLE}</style>")
    parts.append(f'<rect class="board-ground" width="{width:g}" height="{height:g}" rx="6"/>')
    shares = _shares(visits)
    notes = (
        {} if shares is None else {tuple(view.places[a]): int(a) for a in np.flatnonzero(shares)}
    )
    for row in range(rows):
        for column in range(columns):
            x, y = edge + CELL * (column + 0.5) + shift * row, CELL * (row + 0.5)
            parts.append(
                f'<rect class="board-line" x="{x - CELL / 2:g}" y="{y - CELL / 2:g}" '
                f'width="{CELL}" height="{CELL}"/>'
            )
            stone = int(view.stones[row, column])
            if stone:
                parts.append(_stone(x, y, stone))
                continue
            action = notes.get((row, column))
            if shares is not None and action is not None:
                parts += _note(x, y, float(shares[action]), values, action)
    if last is not None:
        row, column = played_at(view, last)
        if row >= 0:
            x, y = edge + CELL * (column + 0.5) + shift * row, CELL * (row + 0.5)
            parts.append(f'<circle class="board-last" cx="{x:g}" cy="{y:g}" r="27"/>')
    names = [
        (name, edge + CELL * (column + 0.5) + shift * rows, CELL * rows + 18)
        for column, name in enumerate(view.column_names)
    ]
    names += [
        (name, 13 + shift * row, CELL * (row + 0.5) + 5) for row, name in enumerate(view.row_names)
    ]
    parts += [
        f'<text class="board-small" x="{x:g}" y="{y:g}">{escaped(name)}</text>'
        for name, x, y in names
    ]
    return "".join([*parts, "</svg>"])


def _stone(x: float, y: float, stone: int) -> str:
    """A disc for who began, a ring for the other: told apart without colours, too."""
    if stone == 1:
        return f'<circle class="board-first" cx="{x:g}" cy="{y:g}" r="23"/>'
    return (
        f'<path class="board-second" fill-rule="evenodd" d="M{x - 23:g} {y:g}a23 23 0 1 0 46 0a23 '
        f'23 0 1 0-46 0M{x - 9:g} {y:g}a9 9 0 1 0 18 0a9 9 0 1 0-18 0"/>'
    )


def _note(x: float, y: float, share: float, values: np.ndarray | None, action: int) -> list[str]:
    """What a search thinks of a move."""
    radius = max(3.0, 27 * math.sqrt(share))
    parts = [f'<circle class="board-note" cx="{x:g}" cy="{y:g}" r="{radius:.1f}"/>']
    worth = None if values is None else float(values[action])
    known = worth is not None and math.isfinite(worth)
    parts.append(
        f'<text class="board-text" x="{x:g}" y="{y + (0 if known else 5):g}">{share:.0%}</text>'
    )
    if known:
        parts.append(f'<text class="board-small" x="{x:g}" y="{y + 16:g}">{worth:+.2f}</text>')
    return parts


def _shares(visits: np.ndarray | None) -> np.ndarray | None:
    if visits is None:
        return None
    counts = np.asarray(visits, float)
    return counts / counts.sum() if counts.sum() > 0 else None


def escaped(text: str) -> str:
    """Text that may stand in an attribute."""
    for sign, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(sign, name)
    return text
