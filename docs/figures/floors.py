"""Draws floors.svg: the packages of Upslope, one row per floor.

`python docs/figures/floors.py` writes it anew from the figure in `docs/architecture.md`.
"""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
WIDTH, ROW, MARGIN, LABEL = 720, 40, 12, 36
FIGURE = re.compile(r"^    ( \d|\d\d|  )  (\w+) +(\S.*)$", re.MULTILINE)


def floors(page: str) -> dict[int, list[str]]:
    """The packages of each floor, as the figure of the page lists them."""
    found: dict[int, list[str]] = {}
    floor = -1
    for number, package, _ in FIGURE.findall(page.split("## The floors")[1].split("\n## ")[0]):
        floor = int(number) if number.strip() else floor
        found.setdefault(floor, []).append(package)
    return found


def svg(rows: dict[int, list[str]]) -> str:
    """The drawing: the highest floor on top, packages of one floor side by side."""
    height = ROW * len(rows) + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="sans-serif" font-size="15">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for index, floor in enumerate(sorted(rows, reverse=True)):
        top = MARGIN + index * ROW
        parts.append(f'<text x="{MARGIN}" y="{top + 24}" fill="#6b7280">{floor}</text>')
        space = (WIDTH - LABEL - 2 * MARGIN) / len(rows[floor])
        for place, package in enumerate(rows[floor]):
            left = LABEL + MARGIN + place * space
            parts.append(
                f'<rect x="{left:.0f}" y="{top + 3}" width="{space - 6:.0f}" height="{ROW - 6}" '
                'rx="4" fill="#e5edf7" stroke="#3b6ea5"/>'
            )
            parts.append(
                f'<text x="{left + space / 2 - 3:.0f}" y="{top + 25}" text-anchor="middle" '
                f'fill="#111827">{package}</text>'
            )
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    page = (HERE.parent / "architecture.md").read_text()
    (HERE / "floors.svg").write_text(svg(floors(page)))
