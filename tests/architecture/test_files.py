"""One idea a file: none is long, and none is a drawer for whatever has no place."""

import ast
from pathlib import Path

import upslope

SOURCE = Path(upslope.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
LONGEST = 300
DRAWERS = {"common", "commons", "helper", "helpers", "misc", "shared", "tools", "util", "utils"}


def drawers(names):
    """The names that say nothing of what is inside."""
    return [n for n in names if DRAWERS & set(n.removesuffix(".py").strip("_").split("_"))]


def empty_arrays(source):
    """Lines that call `jnp.empty`, whose contents are undefined."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and node.attr in ("empty", "empty_like")
        and ast.unparse(node.value) in ("jnp", "jax.numpy")
    ]


def test_no_file_is_a_drawer():
    names = {part for path in FILES for part in path.relative_to(SOURCE).parts}
    assert not drawers(names)


def test_drawers_are_recognised():
    names = ["utils.py", "jax_utils.py", "_helpers.py", "common", "ppo.py", "atomic_folder.py"]
    assert drawers(names) == ["utils.py", "jax_utils.py", "_helpers.py", "common"]


def test_no_array_is_left_undefined():
    found = [
        f"{path.relative_to(SOURCE)}:{line}"
        for path in FILES
        for line in empty_arrays(path.read_text())
    ]
    assert not found, f"jnp.empty promises no contents; say jnp.zeros: {found}"


def test_undefined_arrays_are_recognised():
    source = "x = jnp.empty((3,))\ny = jax.numpy.empty_like(x)\nz = np.empty(3)\n"
    assert empty_arrays(source) == [1, 2]
