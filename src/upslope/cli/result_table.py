"""The look of tables of results."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text


def result_table(title: str | Text, *, title_style: str | None = "bold") -> Table:
    """A table without lines under its title; columns and rows are the caller's."""
    from rich.table import Table

    return Table(
        title=title,
        title_justify="left",
        title_style=title_style,
        box=None,
        pad_edge=False,
        padding=(0, 3, 0, 0),
        header_style="dim",
    )
