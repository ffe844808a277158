"""Who imports whom, read from the source without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import upslope

SOURCE = Path(upslope.__file__).parent


class Import(NamedTuple):
    """One import statement of one name."""

    importer: str  # dotted module
    imported: str  # dotted module
    line: int
    for_types: bool  # under `if TYPE_CHECKING`


def imports_of(source: str, importer: str, is_package: bool = False) -> Iterator[Import]:
    """Every import of `upslope` in a file: at its top, in functions and for types.

    Args:
      source: the text of the file.
      importer: the dotted name of its module.
      is_package: whether it is an `__init__`.
    """
    yield from _walk(ast.parse(source), importer, is_package, False)


def _walk(node: ast.AST, importer: str, is_package: bool, for_types: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name.split(".")[0] == "upslope":
                yield Import(importer, alias.name, node.lineno, for_types)
    elif isinstance(node, ast.ImportFrom):
        module = _absolute(node, importer, is_package)
        if module == "upslope":
            for alias in node.names:
                yield Import(importer, f"upslope.{alias.name}", node.lineno, for_types)
        elif module.startswith("upslope."):
            yield Import(importer, module, node.lineno, for_types)
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for child in node.body:
            yield from _walk(child, importer, is_package, True)
        for child in node.orelse:
            yield from _walk(child, importer, is_package, for_types)
        return
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, importer, is_package, for_types)


def _absolute(node: ast.ImportFrom, importer: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = importer.split(".")
    base = parts[: len(parts) - node.level + is_package]
    return ".".join([*base, *([node.module] if node.module else [])])


def module_name(path: Path) -> str:
    """The dotted name of a source file."""
    parts = ["upslope", *path.relative_to(SOURCE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def all_imports() -> list[Import]:
    """Every import of `upslope` within the library."""
    return [
        found
        for path in sorted(SOURCE.rglob("*.py"))
        for found in imports_of(path.read_text(), module_name(path), path.name == "__init__.py")
    ]
