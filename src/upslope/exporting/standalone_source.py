"""Objects of the NumPy twins as the text of one Python file that builds them again."""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from upslope.exporting.standalone import StandalonePolicy

# Where the classes and functions of the file come from. They import NumPy and each other alone.
MODULES = (
    "upslope.policies.twin.encoding",
    "upslope.policies.twin.bodies",
    "upslope.policies.twin.convolutional",
    "upslope.policies.twin.heads",
    "upslope.policies.twin.normalizer",
    "upslope.policies.twin.actor",
    "upslope.exporting.standalone",
)
IMPORTS = ("import numpy as np", "from numpy.lib.stride_tricks import sliding_window_view")
EXAMPLE = "action, state = predict(observation)"
WIDTH = 96  # hexadecimal digits in a line

READ = '''
def _arrays(layout, numbers):
    """The parameters: arrays of these types and shapes, one behind the other."""
    arrays, offset = [], 0
    for dtype, shape in layout:
        count = int(np.prod(shape))
        arrays.append(np.frombuffer(numbers, dtype, count, offset).reshape(shape))
        offset += arrays[-1].nbytes
    return arrays
'''
PREDICT = '''
def predict(
    observation, state=None, episode_start=None, deterministic=DETERMINISTIC, generator=None
):
    """Actions for one observation or a batch of them, and the next state.

    Args:
      observation: one of the observation space, or a batch [B, ...].
      state: what the last call returned, for a policy with memory; None at the start.
      episode_start: booleans [B]: which episodes begin here, so that memory starts anew.
      deterministic: the mode of the policy instead of a draw.
      generator: a numpy.random.Generator for draws; None for one of this file's own.

    Returns:
      The action(s), inside the action space, and the next state (None without memory).
    """
    source = None if deterministic else generator or _GENERATOR
    return _POLICY.predict(observation, state, episode_start, source)
'''


def standalone_source(policy: StandalonePolicy, title: str, sampled: bool) -> str:
    """The file: classes, parameters, `predict`.

    Texts, such as names of environments, become literals: none of them can be read as code.

    Args:
      policy: the parameters and sizes.
      title: a line about it.
      sampled: whether `predict` draws where nothing else is said.
    """
    arrays: list[np.ndarray] = []
    built = expression(policy, arrays)
    needed = definitions_for(built)
    head = f"{title}, in NumPy alone; written by Upslope.\n\n    {EXAMPLE}\n"
    layout = [(array.dtype.str, array.shape) for array in arrays]
    parts = [
        ast.unparse(ast.Module([ast.Expr(ast.Constant(head))], [])),
        "\n".join(line for line in IMPORTS if needed_import(line, needed)),
        *("\n" + ast.unparse(node) for node in needed),
        READ.rstrip(),
        f"\n_LAYOUT = {layout!r}",
        f'_NUMBERS = bytes.fromhex("""\n{digits(arrays)}\n""")',
        "_A = _arrays(_LAYOUT, _NUMBERS)",
        f"_POLICY = {ast.unparse(built)}",
        "_GENERATOR = np.random.default_rng()",
        f"DETERMINISTIC = {not sampled}",
        "\n" + PREDICT.strip(),
    ]
    return "\n".join(parts) + "\n"


def digits(arrays: list[np.ndarray]) -> str:
    """All bytes of the arrays in hexadecimal, in lines."""
    text = b"".join(array.tobytes() for array in arrays).hex()
    return "\n".join(text[k : k + WIDTH] for k in range(0, len(text), WIDTH))


def expression(value: object, arrays: list[np.ndarray]) -> ast.expr:
    """The expression that makes a value; arrays are appended and named by their number."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [
            ast.keyword(field.name, expression(getattr(value, field.name), arrays))
            for field in dataclasses.fields(value)
        ]
        return ast.Call(ast.Name(type(value).__name__), [], fields)
    if isinstance(value, np.ndarray | np.generic):
        array = np.ascontiguousarray(value).reshape(np.shape(value))
        arrays.append(array.astype(array.dtype.newbyteorder("<"), copy=False))
        return ast.Subscript(ast.Name("_A"), ast.Constant(len(arrays) - 1))
    if isinstance(value, tuple | list):
        return ast.Tuple([expression(part, arrays) for part in value], ast.Load())
    if isinstance(value, Mapping):
        names: list[ast.expr | None] = [ast.Constant(name) for name in value]
        return ast.Dict(names, [expression(part, arrays) for part in value.values()])
    if isinstance(value, float) and not np.isfinite(value):
        return ast.Call(ast.Name("float"), [ast.Constant(str(value))], [])
    return ast.Constant(value)  # pyright: ignore[reportArgumentType]


@functools.cache
def definitions() -> Mapping[str, ast.stmt]:
    """Every class, function and constant of the modules by its name, without annotations."""
    found: dict[str, ast.stmt] = {}
    for name in MODULES:
        for node in ast.parse(inspect.getsource(importlib.import_module(name))).body:
            for target in names_of(node):
                found[target] = plain(node)
    return found


def names_of(node: ast.stmt) -> list[str]:
    """What a statement at the top of a module defines; annotations alone are left out."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
        return [node.target.id]
    return []


def definitions_for(built: ast.expr) -> list[ast.stmt]:
    """The definitions that an expression needs, each behind those that it needs itself."""
    known, order = definitions(), dict[str, ast.stmt]()
    visited: set[str] = set()

    def visit(node: ast.AST) -> None:
        for name in names_in(node):
            if name in known and name not in visited:
                visited.add(name)
                visit(known[name])
                order[name] = known[name]

    visit(built)
    return list(order.values())


def names_in(node: ast.AST, parameters: frozenset[str] = frozenset()) -> Iterator[str]:
    """The names that a piece of code reads from its module, in the order of the text."""
    if isinstance(node, ast.FunctionDef | ast.Lambda):
        own = (part.arg for part in ast.walk(node.args) if isinstance(part, ast.arg))
        parameters = parameters.union(own)
    if isinstance(node, ast.Name) and node.id not in parameters:
        yield node.id
    for child in ast.iter_child_nodes(node):
        yield from names_in(child, parameters)


def needed_import(line: str, nodes: list[ast.stmt]) -> bool:
    """Whether an import is NumPy itself, or gives a name that the code reads."""
    name = line.split()[-1]
    return name == "np" or any(name in names_in(node) for node in nodes)


def plain(node: ast.stmt) -> ast.stmt:
    """A definition without annotations, a dataclass as a class with a constructor."""
    if isinstance(node, ast.AnnAssign):
        assert node.value is not None
        return ast.fix_missing_locations(ast.Assign([node.target], node.value))
    if isinstance(node, ast.ClassDef):
        return ast.fix_missing_locations(plain_class(node))
    return ast.fix_missing_locations(WithoutAnnotations().visit(node))


def plain_class(node: ast.ClassDef) -> ast.ClassDef:
    """A class whose fields are arguments of `__init__`."""
    fields = [
        part
        for part in node.body
        if isinstance(part, ast.AnnAssign) and "ClassVar" not in ast.unparse(part.annotation)
    ]
    body = [WithoutAnnotations().visit(part) for part in node.body if part not in fields]
    if fields:
        place = int(ast.get_docstring(node) is not None)
        body.insert(place, constructor(fields))
    return ast.ClassDef(node.name, node.bases, node.keywords, body, [], **type_parameters(node))


def type_parameters(node: ast.ClassDef) -> dict[str, Any]:
    """The field that classes have had since Python 3.12."""
    return {"type_params": []} if hasattr(node, "type_params") else {}


def constructor(fields: list[ast.AnnAssign]) -> ast.stmt:
    """`__init__` of a dataclass."""
    named = [(ast.unparse(field.target), field.value) for field in fields]
    arguments = [name if value is None else f"{name}={ast.unparse(value)}" for name, value in named]
    lines = "".join(f"\n    self.{name} = {name}" for name, _ in named)
    return ast.parse(f"def __init__(self, {', '.join(arguments)}):{lines}").body[0]


class WithoutAnnotations(ast.NodeTransformer):
    """Leaves annotations out."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """A function without types."""
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """A parameter without its type."""
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        """A value with a name; nothing where there is none."""
        return None if node.value is None else ast.Assign([node.target], node.value)
