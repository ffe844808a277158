"""Every flag and keyword that a message advises exists where its reader can give it."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

import upslope
from upslope.core.lazy_names import TABLES
from upslope.environments import ENVIRONMENTS
from upslope.environments.adaptors.atari import names_of_settings
from upslope.search import METHODS
from upslope.training.config import OBJECTIVE_SETTINGS, POLICY_SETTINGS, RUN_SETTINGS
from upslope.training.settings import method_settings, settings_of

SOURCE = Path(upslope.__file__).parent
VERB = "use|pass|raise|lower|try|set|give|choose|add|leave|with|by|or|and|limit"
ADVISED = re.compile(rf"(?i:\b(?:{VERB})) (?:an? |the )?\(?([a-z][a-z0-9_]+)=(?!=)")
FLAG = re.compile(r"(?<![\w-])--([a-z][a-z_-]+)")
# Of other programs: XLA's switches, and Gymnasium's keyword for vector environments.
OTHERS = {"xla_backend_extra_options", "autoreset_mode"}
# What only calls of `train` reach: the packages below it may advise its settings alone.
BELOW = ("sampling", "engine", "training")


def texts(path: Path) -> list[str]:
    """The string literals of a module that are no docstrings; braces stand for what is put in."""
    tree = ast.parse(path.read_text())
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            skipped.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
    found = []
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        if isinstance(node, ast.JoinedStr):
            parts = [str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values]
            found.append("".join(parts))
    return found


def advice(pattern: re.Pattern[str]) -> set[tuple[str, str]]:
    """What messages name, each with the package that says it."""
    return {
        (path.relative_to(SOURCE).parts[0], name)
        for path in SOURCE.rglob("*.py")
        for text in texts(path)
        for name in pattern.findall(text)
    } - {("core", name) for name in OTHERS}


def run_settings() -> set[str]:
    """What `train` takes, by whatever method, policy, objective and environment."""
    signature = set(inspect.signature(upslope.train).parameters)
    settings = signature | {*RUN_SETTINGS, *OBJECTIVE_SETTINGS, *POLICY_SETTINGS, "time_limit"}
    settings |= set(names_of_settings())
    for name in METHODS.names():
        settings |= set(method_settings(METHODS.get(name)))
    for name in ENVIRONMENTS.names():
        settings |= set(settings_of(ENVIRONMENTS.get(name)))
    return settings


def everything() -> set[str]:
    """Parameters of the facade and of all public classes and functions."""
    names = run_settings()
    for package in sorted(SOURCE.glob("*/__init__.py")):
        importlib.import_module(f"upslope.{package.parent.name}")
    things = [getattr(upslope, name) for name in upslope._FACADE]
    for package, table in list(TABLES.items()):
        things += [getattr(importlib.import_module(package), name) for name in table]
    for thing in filter(callable, things):
        try:
            names |= set(inspect.signature(thing).parameters)
        except (TypeError, ValueError):
            continue
        for _, method in inspect.getmembers(thing, inspect.isfunction):
            names |= set(inspect.signature(method).parameters)
    return names


def test_keywords_that_messages_advise_exist():
    below, all_of_them = run_settings(), everything()
    lost = [
        (package, name)
        for package, name in sorted(advice(ADVISED))
        if name not in OTHERS and name not in (below if package in BELOW else all_of_them)
    ]
    assert not lost


def declared_flags() -> set[str]:
    """Those that commands read as words, and those that they declare as a `Setting`."""
    words, declared = set(), set()
    for path in (SOURCE / "cli").rglob("*.py"):
        words |= {text.removeprefix("--") for text in texts(path) if text.startswith("--")}
        calls = [
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
        ]
        for call in calls:
            named = isinstance(call.func, ast.Name) and call.func.id == "Setting"
            if named and call.args and isinstance(call.args[0], ast.Constant):
                declared.add(str(call.args[0].value))
    return words | declared


def test_flags_that_messages_advise_exist():
    known = {name.replace("_", "-") for name in declared_flags() | run_settings()}
    flags = {name.replace("_", "-") for _, name in advice(FLAG) if name not in OTHERS}
    assert len(flags) > 10
    assert flags - known == set()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Mend it, or raise deadline=60 if it is slow.", "deadline"),
        ("need a time limit (time_limit=...)", "time_limit"),
        ("or use\n workers=0.".replace("\n", ""), "workers"),
    ],
)
def test_the_pattern_sees_advice(text, name):
    assert name in ADVISED.findall(text)


def test_a_keyword_of_a_sampler_is_none_of_a_run():
    assert "deadline" not in run_settings()
    assert "workers" in run_settings()
