"""What a docstring of this library says: its line, equations, settings and references."""

from __future__ import annotations

import inspect
import re
from typing import NamedTuple

SECTIONS = ("Args", "Attributes", "References", "Returns", "Raises")


class Docstring(NamedTuple):
    """The parts of a docstring.

    Attributes:
      summary: its first line.
      body: the paragraphs between the first line and the sections, without equations; the items of
        a list one by one.
      equations: what stands under `.. math::`, as LaTeX.
      settings: the meaning of each attribute or argument, one line each.
      references: where it comes from.
    """

    summary: str
    body: list[str]
    equations: list[str]
    settings: dict[str, str]
    references: list[str]


def read_docstring(thing: object) -> Docstring:
    """The docstring of a class or a function, taken apart."""
    text = inspect.cleandoc(thing.__doc__ or "")
    blocks: dict[str, list[str]] = {"": []}
    section = ""
    for line in text.splitlines():
        heading = line[:-1] if line.endswith(":") else ""
        if heading in SECTIONS:
            section = heading
            blocks[section] = []
        else:
            blocks[section].append(line)
    paragraphs = [p for p in re.split(r"\n\s*\n", "\n".join(blocks[""])) if p.strip()]
    equations = [join(p.split("::", 1)[1]) for p in paragraphs if p.startswith(".. math::")]
    prose = [
        join(part)
        for p in paragraphs
        if not p.startswith(".. math::")
        for part in re.split(r"\n(?=- )", p)
    ]
    settings = {**entries(blocks.get("Args", [])), **entries(blocks.get("Attributes", []))}
    references = [r.strip() for r in join("\n".join(blocks.get("References", []))).split(";")]
    return Docstring(
        prose[0] if prose else "",
        [plain(p) for p in prose[1:]],
        equations,
        settings,
        [r for r in references if r],
    )


def entries(lines: list[str]) -> dict[str, str]:
    """`name: text` with its continuation lines; the library's remark "Static." is left out."""
    found: dict[str, str] = {}
    last = None
    for line in lines:
        start = re.match(r"^ {2}\**(\w+): (.*)$", line)
        if start:
            last = start.group(1)
            found[last] = start.group(2).strip()
        elif last is not None and line.strip():
            found[last] += " " + line.strip()
    return {name: plain(re.sub(r"\s*Static\.", "", text)).strip() for name, text in found.items()}


def join(text: str) -> str:
    """A paragraph as one line."""
    return " ".join(text.split())


def plain(text: str) -> str:
    """Text without the marks of reStructuredText, its inline equations in plain characters."""
    from upslope.cli.equation import terminal_math

    text = re.sub(r":math:`([^`]*)`", lambda m: terminal_math(m.group(1)), text)
    text = re.sub(r":\w+:`([^`]*)`", r"\1", text)
    return re.sub(r"``?([^`]*)``?", r"\1", text).replace("**", "")
