"""Every public module, class and function says what it is for."""

import ast
from pathlib import Path
from typing import NamedTuple

import upslope

SOURCE = Path(upslope.__file__).parent
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Documented(NamedTuple):
    """What a class says about itself: the names of its bases and of its documented members."""

    bases: list[str]
    members: set[str]


def classes(sources):
    """All classes of these source texts by name."""
    return {
        node.name: Documented(
            [ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases],
            {n.name for n in node.body if isinstance(n, Function) and ast.get_docstring(n)},
        )
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef)
    }


def inherited(bases, known):
    """Names of the members that some ancestor documents: an override need not say it again."""
    found = set()
    for base in bases:
        if base in known:
            found |= known[base].members | inherited(known[base].bases, known)
    return found


def undocumented(source, where, known):
    """Public definitions without a docstring, nested functions and overrides excepted."""
    tree = ast.parse(source)
    if ast.get_docstring(tree) is None:
        yield f"{where}:1 the module"
    yield from _missing(tree.body, where, known, set())


def _missing(body, where, known, spared):
    for node in body:
        if not isinstance(node, ast.ClassDef | Function):
            continue
        if node.name.startswith("_") or node.name in spared:
            continue
        decorators = [ast.unparse(d) for d in node.decorator_list]
        if ast.get_docstring(node) is None and not any(
            d == "overload" or d.endswith((".overload", ".setter")) for d in decorators
        ):
            yield f"{where}:{node.lineno} {node.name}"
        if isinstance(node, ast.ClassDef):
            yield from _missing(node.body, where, known, inherited(known[node.name].bases, known))


def test_everything_public_is_documented():
    sources = {path: path.read_text() for path in sorted(SOURCE.rglob("*.py"))}
    known = classes(sources.values())
    found = [
        line
        for path, source in sources.items()
        for line in undocumented(source, path.relative_to(SOURCE), known)
    ]
    assert not found, "\n".join(found)


def test_what_is_missing_is_seen():
    source = '''
class Open:
    def step(self):
        """Said."""
    def tell(self): ...
    def _private(self): ...
class Child(Open):
    """Said."""
    def step(self): ...
class Grandchild(Child):
    """Said."""
    def step(self): ...
    def other(self): ...
def function():
    """Said."""
    def nested(): ...
'''
    found = [line.split()[-1] for line in undocumented(source, "sample.py", classes([source]))]
    assert found == ["module", "Open", "tell", "other"]
