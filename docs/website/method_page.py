"""The page of a search method: what is written in `docs/methods`, with what its class says.

By hand are the idea, the pseudocode, when it fails and what was measured. From the class come

- Equation: that of its docstring, typeset, in the place of the one in plain text;
- Settings: names, types, defaults and meanings, those of the wrappers it can have included;
- Logged: a row for each field of its diagnostics, in their order;
- API: the call that makes one, and its members.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable
from typing import Any

from docstring_text import display
from upslope.cli.docstring import read_docstring
from upslope.cli.listing import related
from upslope.cli.setting import (
    hints_of,
    meanings_of,
    method_settings_from,
    type_name,
    value_text,
)
from upslope.search import METHODS
from upslope.search.wrappers.wrapped import wrapper_settings
from upslope.training.settings import settings_of

NEWLINE = "\n"
HIDDEN = {"total_timesteps"}  # the run's, not the user's
ROW = re.compile(r"^\| `(\w+)` \| (.+) \|$", re.MULTILINE)
PLAIN_TEXT = re.compile(r"(?:^    .*\n|^\n(?=    ))+", re.MULTILINE)  # an indented block


class PageError(Exception):
    """A page that does not say what its class says."""


def method_page(name: str, page: str) -> str:
    """The whole page of a method.

    Args:
      name: under which it is registered.
      page: the Markdown of `docs/methods/<name>.md`.

    Raises:
      PageError: for a class without an equation, and for fields of the diagnostics that the page
        does not explain.
    """
    thing = METHODS.entry(name).load()
    head, sections = parted(page)
    sections["Equation"] = PLAIN_TEXT.sub(lambda _: equation(thing), sections["Equation"], count=1)
    sections["Logged"] = logged(name, thing, sections["Logged"])
    sections["API"] += api(thing)
    order: list[str] = []
    for title in sections:
        order += ["Settings", title] if title == "Logged" else [title]
    sections["Settings"] = settings(thing)
    return head + "".join(f"## {title}\n\n{sections[title].strip(NEWLINE)}\n\n" for title in order)


def parted(page: str) -> tuple[str, dict[str, str]]:
    """What comes before the first heading of the second level, and what is under each."""
    head, *parts = re.split(r"^## (.+)\n", page, flags=re.MULTILINE)
    return head, dict(zip(parts[::2], parts[1::2], strict=True))


def equation(thing: Callable[..., Any]) -> str:
    """The equations of a method's docstring and its guarantees.

    A function that makes a method speaks for it where it has equations, otherwise the class does.

    Raises:
      PageError: neither has any.
    """
    for source in [thing, *related(thing)]:
        read = read_docstring(source)
        if read.equations:
            return "\n" + "".join(display(latex) for latex in read.equations) + "\n"
    raise PageError(f"the docstring of {thing.__name__} has no equation")


def settings(thing: Callable[..., Any]) -> str:
    """The table of a method's settings, and in a list those that only Python can say."""
    rows = method_settings_from(thing, hide=HIDDEN)
    lines = ["| name | type | default | meaning |", "|---|---|---|---|"]
    lines += [
        f"| `{row.name}` | {alternatives(row.type)} | `{value_text(row.default)}` | {row.help} |"
        for row in rows
    ]
    meanings = {k: v for source in [*related(thing), thing] for k, v in meanings_of(source).items()}
    others = set(settings_of(thing)) - {row.name for row in rows} - HIDDEN
    lines += ["", "In Python also:", ""] if others else []
    lines += [f"- `{name}`: {meanings[name]}" for name in settings_of(thing) if name in others]
    return "\n".join(lines) + "\n"


def alternatives(kind: Any) -> str:
    """A type as the cell of a table: a bar would end it."""
    return " or ".join(f"`{part}`" for part in type_name(kind).split(" | "))


def diagnostics(thing: Callable[..., Any]) -> list[str]:
    """The names of what a method logs, those of the wrappers it can have at the end."""
    built, *_ = related(thing)
    _, record = typing.get_args(hints_of(built.tell)["return"])
    names = list(record._fields)
    if "uncertainty_handling" in wrapper_settings(thing):
        from upslope.search.wrappers.uncertainty_handling import UncertaintyHandlingDiagnostics

        names += [n for n in UncertaintyHandlingDiagnostics._fields if n not in names]
    return names


def logged(name: str, thing: Callable[..., Any], section: str) -> str:
    """The table of what is logged, in the order of the class.

    Raises:
      PageError: a field has no row on the page, or a row no field.
    """
    meanings, fields = dict(ROW.findall(section)), diagnostics(thing)
    if set(meanings) != set(fields):
        unlike = sorted(set(meanings) ^ set(fields))
        raise PageError(f"docs/methods/{name}.md and the diagnostics differ in: {unlike}")
    rows = "".join(f"| `{field}` | {meanings[field]} |\n" for field in fields)
    after = ROW.sub("", section).replace("| name | meaning |\n|---|---|\n", "").strip(NEWLINE)
    where = "`run.curves[NAME]`, a column of `metrics.jsonl`, and `train/NAME` on dashboards.\n"
    return f"| name | meaning |\n|---|---|\n{rows}\n{after}\n\n{where}"


def api(thing: Callable[..., Any]) -> str:
    """The call that makes a method with its defaults, and the reference of its members."""
    arguments = "".join(f"    {name}={value!r},\n" for name, value in settings_of(thing).items())
    module = inspect.getmodule(thing).__name__.rsplit(".", 1)[0]
    package = ".".join(module.split(".")[:2])
    return (
        f"\n```python\nfrom {package} import {thing.__name__}\n\n"
        f"{thing.__name__}(\n{arguments})\n```\n\n"
        f"::: {address(thing)}\n    options:\n      heading_level: 3\n"
        "      show_docstring_attributes: false\n"
    )


def address(thing: Callable[..., Any]) -> str:
    """Where a class or a function is defined."""
    return f"{inspect.getmodule(thing).__name__}.{thing.__name__}"
