"""How much of the library the type checker can see: less and less may be `Any`."""

import ast
import tomllib

from imports import SOURCE

ROOT = SOURCE.parents[1]

# Parameters annotated with exactly `Any`: today's count. Lower it with every one that gets a type.
CEILING = 65


def any_parameters(tree):
    """Parameters of functions whose annotation is `Any` and nothing else."""
    return [
        parameter
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for parameter in ast.walk(node.args)
        if isinstance(parameter, ast.arg)
        and isinstance(parameter.annotation, ast.Name)
        and parameter.annotation.id == "Any"
    ]


def test_parameters_of_any_kind_become_fewer():
    counts = {
        path.relative_to(SOURCE): len(any_parameters(ast.parse(path.read_text())))
        for path in SOURCE.rglob("*.py")
    }
    total = sum(counts.values())
    assert len(counts) > 300  # the source is found; what is counted in it, the next test says
    most = sorted(counts, key=lambda path: -counts[path])[:5]
    assert total <= CEILING, f"{total} parameters are Any, most in {[str(path) for path in most]}"


def test_the_count_takes_any_alone():
    tree = ast.parse("def f(a: Any, b: Any | None, *c: Any, d: int = 0, **e: Any) -> Any: ...")
    assert [parameter.arg for parameter in any_parameters(tree)] == ["a", "c", "e"]


def test_what_is_checked_strictly_exists():
    """A moved module is not lost from the list."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pyright"]["strict"]
    assert len(listed) > 20
    assert [path for path in listed if not (ROOT / path).exists()] == []
