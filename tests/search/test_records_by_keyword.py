"""Long records are constructed by keyword: two fields of a type cannot change places unseen."""

import ast
from pathlib import Path

import upslope

SOURCE = Path(upslope.__file__).parent
MOST = 4  # fields given by position


def positional(trees):
    """Calls of NamedTuples with more than MOST positional arguments, as (file, line, record)."""
    records = {
        node.name
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id == "NamedTuple" for base in node.bases)
    }
    return [
        (name, node.lineno, node.func.id)
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in records
        and len(node.args) > MOST
    ]


def test_such_a_call_is_found():
    wrong = "class R(NamedTuple):\n    a: int\nR(1, 2, 3, 4)\nR(1, 2, 3, 4, 5)\n"
    assert positional({"file": ast.parse(wrong)}) == [("file", 4, "R")]


def test_methods_and_searches_construct_long_records_by_keyword():
    trees = {
        str(path.relative_to(SOURCE)): ast.parse(path.read_text(encoding="utf-8"))
        for folder in ("search", "optimization")
        for path in sorted((SOURCE / folder).rglob("*.py"))
    }
    assert not positional(trees)
