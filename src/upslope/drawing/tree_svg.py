"""A tree of positions as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from upslope.drawing.board_picture import STYLE, board_svg, escaped
from upslope.drawing.board_view import BoardView

BOARD, GAP, ROW = 64, 18, 138


@dataclass(frozen=True)
class TreeNode:
    """A position of a tree.

    Attributes:
      view: its board.
      last: the action that led here; None at the root.
      above: a line on the way here, such as visits; empty at the root.
      below: a second line, such as the value of the move.
      strength: of the line to it, 0 to 1.
      children: from left to right.
    """

    view: BoardView
    last: int | None = None
    above: str = ""
    below: str = ""
    strength: float = 0.0
    children: Sequence[TreeNode] = ()


def tree_svg(root: TreeNode, title: str = "A tree of positions") -> str:
    """The tree from the top down, light or dark as the reader has it.

    Args:
      root: of the tree.
      title: what is seen, for those who listen.
    """
    parts: list[str] = []
    width = _span(root) * (BOARD + GAP) + GAP
    height = (_depth(root) - 1) * ROW + BOARD + 2 * GAP
    _placed(root, 0, GAP / 2, parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escaped(title)}"><style>{STYLE}.board-way{{stroke:#8a94a3;fill:none}}</style>'
        f"{''.join(parts)}</svg>"
    )


def _span(node: TreeNode) -> int:
    """How many boards stand side by side below a node, at least one."""
    return max(1, sum(map(_span, node.children)))


def _depth(node: TreeNode) -> int:
    return 1 + max(map(_depth, node.children), default=0)


def _placed(node: TreeNode, row: int, left: float, parts: list[str]) -> float:
    """Draws a node and what is below it; the middle of its board."""
    middle, top = left + _span(node) * (BOARD + GAP) / 2, GAP + row * ROW
    for child in node.children:
        at = _placed(child, row + 1, left, parts)
        left += _span(child) * (BOARD + GAP)
        below = top + ROW
        parts.insert(
            0,
            f'<path class="board-way" stroke-width="{1 + 5 * child.strength:.1f}" '
            f'd="M{middle:g} {top + BOARD:g}C{middle:g} {below - 55:g} {at:g} {top + BOARD + 10:g} '
            f'{at:g} {below - 34:g}"/>',
        )
        parts.append(
            f'<text class="board-small" x="{at:g}" y="{below - 21:g}">{escaped(child.above)}</text>'
            f'<text class="board-small" x="{at:g}" y="{below - 7:g}">{escaped(child.below)}</text>'
        )
    board = board_svg(node.view, last=node.last, styled=False, title=node.above or "The root")
    frame = f'x="{middle - BOARD / 2:g}" y="{top:g}" width="{BOARD}" height="{BOARD}"'
    parts.append(board.replace("<svg ", f"<svg {frame} ", 1))
    return middle
