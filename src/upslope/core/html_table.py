"""Tables as HTML that stands alone: what notebooks show of a run, a comparison, a solution."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence


def html_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table whose every text is escaped; it needs no style sheet and no script.

    Args:
      title: above the table.
      columns: the heads; none for a table of names and values.
      rows: as many cells each; the first names the row.

    Example:
      >>> html_table("<b>", [], [["fun", 0.5]])[:38]
      '<table><caption style="text-align:left'
    """

    def cell(tag: str, value: object, side: str) -> str:
        return f'<{tag} style="text-align:{side}">{html.escape(str(value))}</{tag}>'

    lines = [f'<table><caption style="text-align:left">{html.escape(title)}</caption>']
    if columns:
        heads = (cell("th", name, "right" if k else "left") for k, name in enumerate(columns))
        lines.append(f"<thead><tr>{''.join(heads)}</tr></thead>")
    side = "right" if columns else "left"
    for first, *rest in rows:
        cells = "".join(cell("td", value, side) for value in rest)
        lines.append(f"<tr>{cell('th', first, 'left')}{cells}</tr>")
    return "\n".join([*lines, "</table>"])
