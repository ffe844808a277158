"""Docstrings as Markdown: equations as display maths, no marks of reStructuredText."""

from __future__ import annotations

import re

DIRECTIVE = re.compile(r"^\.\. math::(.*(?:\n[ \t]+\S.*)*)", re.MULTILINE)


def markdown(docstring: str) -> str:
    """A docstring, cleaned of its indentation, in Markdown with LaTeX between dollars."""
    text = DIRECTIVE.sub(lambda match: display(match[1]), docstring)
    text = re.sub(r":math:`([^`]*)`", r"$\1$", text)
    text = re.sub(r":\w+:`~?([^`]*)`", r"`\1`", text)
    text = re.sub(r"``([^`]+)``", r"`\1`", text)
    return re.sub(r"(?<=\w)::$", ":", text, flags=re.MULTILINE)


def display(latex: str) -> str:
    r"""One display, broken at the wide spaces (`\qquad`) of its source: telephones are narrow."""
    lines = re.split(r"\\qquad|\\\\", " ".join(latex.split()))
    lines = [line.strip() for line in lines if line.strip()]
    body = lines[0] if len(lines) == 1 else joined(lines)
    return f"\n$$\n{body}\n$$\n"


def joined(lines: list[str]) -> str:
    """Several lines below one another."""
    rows = " \\\\[4pt]\n".join(lines)
    return f"\\begin{{gathered}}\n{rows}\n\\end{{gathered}}"
