"""What error messages tell users to install exists."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

import upslope

SOURCE = Path(upslope.__file__).parent
ROOT = Path(__file__).parents[2]
EXTRAS = set(
    tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
)


def extras_in(source):
    """Names of the extras in a file: given to `missing_extra`, in tables of extras, in texts."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("missing_extra"):
            extra = node.args[2] if len(node.args) > 2 else None
            if isinstance(extra, ast.Constant):
                yield str(extra.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            for group in re.findall(r"(?:upslope|'\.)\[([a-z][a-z0-9_,-]*)\]", node.value):
                yield from group.split(",")


def test_every_extra_that_is_named_exists():
    named = {
        (str(path.relative_to(SOURCE)), extra)
        for path in sorted(SOURCE.rglob("*.py"))
        for extra in extras_in(path.read_text())
    }
    assert named
    assert not {(where, extra) for where, extra in named if extra not in EXTRAS}


def test_the_table_of_gymnasium_extras_exists():
    from upslope.environments.adaptors import gymnasium as gymnasium_spec

    assert {extra for _, extra in gymnasium_spec.EXTRAS.values()} <= EXTRAS


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs"])
def test_every_extra_in_the_docs_exists(page):
    path = ROOT / page
    files = sorted(path.rglob("*.md")) if path.is_dir() else [path]
    for file in files:
        for group in re.findall(r"(?:upslope|'\.|\"\.)\[([a-z0-9_,-]+)\]", file.read_text()):
            assert set(group.split(",")) <= EXTRAS, f"{file.name}: {group}"


def test_an_unknown_extra_is_seen():
    source = "raise missing_extra('x', 'p', 'plto')\ntext = \"pip install 'upslope[a,b]'\""
    assert sorted(extras_in(source)) == ["a", "b", "plto"]


def test_the_readme_has_the_two_commands():
    readme = (ROOT / "README.md").read_text()
    assert "pip install -e . && upslope train CartPole-v1" in readme
    assert "pip install -e '.[dev]' && pytest" in readme
