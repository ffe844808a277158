"""`upslope list` and `upslope show`: what there is, and what it does."""

from __future__ import annotations

import difflib
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from upslope.cli.docstring import Docstring, read_docstring
from upslope.cli.environment_card import (
    accepted,
    card_elsewhere,
    is_environment_elsewhere,
    nearest_elsewhere,
)
from upslope.cli.equation import terminal_math
from upslope.core.checks import UpslopeError, nearest, unknown_name
from upslope.core.registry import Registry
from upslope.core.shell_command import shell_command

KINDS = (
    *("envs", "methods", "policies", "objectives", "estimators"),
    *("planners", "solvers", "models", "engines"),
)
# What is shown, in this order where a name is of several kinds.
NAMED = (
    *("methods", "envs", "policies", "objectives"),
    *("planners", "solvers", "models", "estimators"),
)
OTHER_NAMES = {
    "env": "envs",
    "environments": "envs",
    "environment": "envs",
    "method": "methods",
    "policy": "policies",
    "objective": "objectives",
    "estimator": "estimators",
    "planner": "planners",
    "solver": "solvers",
    "model": "models",
    "engine": "engines",
}


def registry(kind: str) -> Registry:
    """The table of that kind of names.

    Raises:
      UpslopeError: for a kind there is none of.
    """
    if kind == "envs":
        from upslope.environments import ENVIRONMENTS

        return ENVIRONMENTS
    if kind == "methods":
        from upslope.search import METHODS

        return METHODS
    if kind == "policies":
        from upslope.policies import POLICIES

        return POLICIES
    if kind == "objectives":
        from upslope.objectives import OBJECTIVES

        return OBJECTIVES
    if kind == "estimators":
        from upslope.cli.estimator_cards import estimators

        return estimators()
    if kind == "planners":
        from upslope.planning import PLANNERS

        return PLANNERS
    if kind == "solvers":
        from upslope.planning.dynamic_programming import SOLVERS

        return SOLVERS
    if kind == "models":
        from upslope.models import MODELS

        return MODELS
    if kind == "engines":
        from upslope.sampling import ENGINES

        return ENGINES
    raise unknown_name("list", kind, KINDS)


def listing(kind: str) -> Iterator[str]:
    """A line for each name."""
    entries = list(registry(OTHER_NAMES.get(kind, kind)))
    width = max(len(entry.name) for entry in entries)
    for entry in entries:
        yield f"{entry.name:<{width}}  {entry.summary}"
    if OTHER_NAMES.get(kind, kind) == "envs":
        yield ""
        libraries = "gymnax:NAME, brax:NAME and pgx:NAME"
        yield f"Besides: any registered Gymnasium id (gymnasium:ID), {libraries}."


def kinds_of(name: str) -> list[str]:
    """The kinds of things that have a name, methods first.

    Raises:
      UpslopeError: nobody has that name; those nearest to it are offered.
    """
    found = [kind for kind in NAMED if name in registry(kind)]
    if found:
        return found
    known = sorted({known for kind in NAMED for known in registry(kind).names()})
    elsewhere = nearest_elsewhere(name)
    guesses = [nearest(name, known), elsewhere, *difflib.get_close_matches(name, known, n=3)]
    offered = " or ".join(repr(guess) for guess in dict.fromkeys(filter(None, guesses)))
    hint = f" Did you mean {offered}?" if offered else ""
    listed = "|".join(NAMED)
    raise UpslopeError(f"Unknown name {name!r}.{hint} All names: upslope list {listed}.")


def card(name: str, width: int = 80) -> Iterator[str]:
    """What has a name: a card of the first, and of a planner or an estimator that shares it."""
    if not any(name in registry(kind) for kind in NAMED) and is_environment_elsewhere(name):
        yield from card_elsewhere(name, width)
        return
    first, *others = kinds_of(name)
    yield from card_of(first, name, width)
    for kind in others:
        yield ""
        if kind == "estimators":
            yield from namesake(name, width)
        else:
            yield f"There is a {registry(kind).kind} {name!r}, too."
            yield ""
            yield from card_of(kind, name, width)


def card_of(kind: str, name: str, width: int) -> Iterator[str]:
    """Equation, settings with types and defaults, and reference of a name of one kind."""
    from upslope.cli.setting import (
        method_settings_from,
        settings_from,
        type_name,
        value_text,
    )
    from upslope.training.settings import defaults_of

    entry = registry(kind).entry(name)
    thing = entry.load()
    hide = {"total_timesteps", "key", "observation_space", "action_space"}
    sources = [read_docstring(source) for source in related(thing)]
    yield from wrapped(f"{name}: {entry.summary}", width)
    for source in sources:
        yield from essay(source, width)
    if kind == "estimators":
        from upslope.cli.estimator_cards import declared

        yield from declared(thing(), width)
    if kind == "planners":
        from upslope.training.evaluate_planner import NOT_SETTINGS

        hide |= set(NOT_SETTINGS)
    if kind == "models":
        hide |= {"observation_json", "action_json"}  # `configure` finds them
    read = method_settings_from if kind == "methods" else settings_from
    rows = [] if kind == "estimators" else read(thing, hide=hide)
    if rows:
        yield ""
        yield "Settings"
        head = [f"--{row.name.replace('_', '-')}" for row in rows]
        if kind in ("envs", "models"):
            prefix = {"envs": "--env.", "models": "--model."}[kind]
            head = [prefix + flag.removeprefix("--") for flag in head]
        for flag, row in zip(head, rows, strict=True):
            line = f"{flag}  {type_name(row.type)}  = {value_text(row.default)}"
            yield from wrapped(line, width, indent="  ", hang="    ")  # where choices are many
            text = row.help or explained(row.name, sources)
            yield from wrapped(text, width, indent="      ")
    references = [reference for source in sources for reference in source.references]
    if references:
        yield ""
        yield "References"
        for reference in dict.fromkeys(references):
            yield from wrapped(reference, width, indent="  ")
    if kind == "methods":
        yield ""
        yield f"Try it: {shell_command('train', defaults_of(thing).example, name)}"
    if kind == "envs" and not lacks_settings(thing):
        yield from accepted(name, thing(), width)
    if kind == "planners":
        yield ""
        yield f"Try it: {shell_command('evaluate', thing.example, '--planner', name)}"
    if kind == "solvers":
        yield ""
        yield f"Try it: {shell_command('solve', 'garnet', name)}"
    if kind == "models":
        yield ""
        yield f"Try it: {shell_command('train', thing.example, 'model-based', '--model', name)}"
    if kind == "estimators":
        yield ""
        yield f"Try it: {shell_command('gradcheck', 'short-corridor', '--estimators', name)}"


def lacks_settings(environment: Callable[..., object]) -> bool:
    """Whether an environment cannot be built without settings of one's own, as `finite-mdp`."""
    parameters = inspect.signature(environment).parameters.values()
    return any(p.default is p.empty and p.kind is not p.VAR_KEYWORD for p in parameters)


def namesake(name: str, width: int) -> Iterator[str]:
    """The estimator that has something else's name, in short."""
    from upslope.cli.estimator_cards import declared

    table = registry("estimators")
    text = f"There is a gradient estimator {name!r}, too: {table.entry(name).summary}"
    yield from wrapped(text, width)
    yield from declared(table.get(name)(), width)


def related(thing: Any) -> list[Any]:
    """What explains a registered thing: the class it builds, and the modules that class holds."""
    from upslope.training.declared_types import hints_of

    if inspect.isclass(thing):
        built = thing
    elif isinstance(thing, functools.partial):  # an estimator with some of its settings fixed
        built = thing.func if inspect.isclass(thing.func) else type(thing())
    else:
        built = inspect.get_annotations(thing).get("return")
        if isinstance(built, str):
            built = vars(inspect.getmodule(thing)).get(built)
    if not inspect.isclass(built) or built is Any:
        return [thing]
    parts = [
        hint
        for hint in hints_of(built).values()
        if inspect.isclass(hint) and hint.__module__.startswith("upslope.estimators")
    ]
    return [built, *parts]


def essay(source: Docstring, width: int) -> Iterator[str]:
    """The line, the equations and the guarantees of a docstring."""
    yield ""
    yield from wrapped(source.summary, width)
    for equation in source.equations:
        yield ""
        yield from statements(equation, width)
    within_list = False
    for paragraph in source.body:
        item = paragraph.startswith("- ")
        if not (item and within_list):
            yield ""
        yield from wrapped(paragraph, width, hang="  " if item else "")
        within_list = item


def statements(equation: str, width: int) -> list[str]:
    """An equation in one line, or where that is too long each of its statements in one."""
    whole = wrapped(terminal_math(equation), width, indent="    ")
    if len(whole) == 1:
        return whole
    parts = [terminal_math(part) for part in equation.split(r"\qquad")]
    return [line for part in parts for line in wrapped(part, width, indent="    ", hang="    ")]


def explained(name: str, sources: list[Docstring]) -> str:
    """What the first of several docstrings says about a setting."""
    return next((s.settings[name] for s in sources if name in s.settings), "")


def wrapped(text: str, width: int, indent: str = "", hang: str = "") -> list[str]:
    """Lines of at most `width` characters, those after the first further in by `hang`."""
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent + hang, break_long_words=False
    )
