"""What a setting may be, by the type that its module or factory declares: checked in one place."""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import numpy as np
from jax import Array

from upslope.core.checks import UpslopeError, check_choice, check_number, check_switch
from upslope.core.counts import whole

# Whole numbers have 32 bits in JAX, and others 24 of precision.
LARGEST_COUNT = 2**31 - 1
LARGEST_NUMBER = 1e38


def hints_of(target: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a class with those of its bases, or of a function; what resolves."""
    sources = list(reversed(target.__mro__)) if inspect.isclass(target) else [target]
    hints: dict[str, Any] = {}
    for source in sources:
        space = vars(inspect.getmodule(source) or typing)
        for name, hint in inspect.get_annotations(source).items():
            if isinstance(hint, str):
                try:
                    hint = resolved(hint, space)
                except Exception:
                    continue
            hints[name] = hint
    return hints


def resolved(hint: str, space: dict[str, Any]) -> Any:
    """An annotation that is written as a string, in the names of its module."""
    holder = types.SimpleNamespace(__annotations__={"it": hint})
    return typing.get_type_hints(holder, globalns=space)["it"]


def as_declared(owner: str, name: str, value: object, hint: object, default: object) -> Any:
    """A setting as its declared type has it: counts may be written `1e6` or `100k`.

    What a type says nothing of (arrays, modules, functions) is left to whoever reads it.

    Args:
      owner: whose setting it is, for the error.
      name: of the setting.
      value: as it was given.
      hint: the declared type; None where there is none, and the default's own type stands for it.
      default: the setting's default.

    Raises:
      UpslopeError: a value of another type, or a number beyond what JAX can hold.
    """
    unknown = hint is None and default is None
    kinds: set[object] = {object} if unknown else members(type(default) if hint is None else hint)
    counts = int in kinds and float not in kinds
    if counts:
        value = whole(value)
    if value is None and (type(None) in kinds or default is None):
        return None
    if isinstance(value, list | tuple) and all(type(part) is int for part in parts_of(default)):
        value = type(value)(whole(part) for part in value)
    if type(value) in (int, float):
        assert isinstance(value, int | float)
        if math.isfinite(value):
            limit = LARGEST_COUNT if counts else LARGEST_NUMBER
            check_number(owner, name, value, at_least=-limit, at_most=limit)
        if abs(value) > LARGEST_COUNT:
            value = float(value)  # JAX would read an int as one of 32 bits
    if Array in kinds and kinds <= {Array, int, float, bool, type(None)}:
        if float in kinds and type(value) in (int, float):
            check_number(owner, name, value)
        check_numeric(owner, name, value)
    modules = {kind for kind in kinds if isinstance(kind, type) and issubclass(kind, eqx.Module)}
    if not kinds <= {int, float, str, bool, type(None)} | choices_in(kinds) | modules:
        return value
    if kinds <= {bool, type(None)}:
        check_switch(owner, name, value)
    elif kinds <= {int, float, type(None)}:
        check_number(owner, name, value)
    elif isinstance(value, str) and choices_in(kinds) and str not in kinds:
        check_choice(owner, name, value, choices_of(kinds))
    elif not isinstance(value, tuple(kind for kind in kinds if isinstance(kind, type))):
        wanted = [repr(choice) for choice in choices_of(kinds)]
        wanted += [f"a {module.__name__}" for module in modules]
        wanted += ["a name"] * (str in kinds) + ["a number"] * bool({int, float} & kinds)
        wanted += ["None"] * (type(None) in kinds)
        raise UpslopeError(f"{owner} got {name}={value!r:.80}: must be {' or '.join(wanted)}.")
    return value


def check_numeric(owner: str, name: str, value: object) -> None:
    """Raises unless `value` is a number or an array of numbers, none of them NaN."""
    try:
        array = np.asarray(value)
        numeric = array.dtype.kind in "biu" or (array.dtype.kind == "f" and array.size > 0)
        numeric = numeric and not np.isnan(array).any()
    except ValueError:  # lists of unlike lengths
        numeric = False
    if not numeric:
        raise UpslopeError(
            f"{owner} got {name}={value!r:.80}: must be a number or an array of numbers, no NaN."
        )


def members(hint: object) -> set[object]:
    """The types of which a value may be: a union's, or the one."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return {kind for part in typing.get_args(hint) for kind in members(part)}
    if hint is float:
        return {float, int}
    return {hint}


def choices_in(kinds: set[object]) -> set[object]:
    """Those of the types that list their values."""
    return {kind for kind in kinds if typing.get_origin(kind) is Literal}


def choices_of(kinds: set[object]) -> list[str]:
    """The values that types list."""
    return [choice for kind in choices_in(kinds) for choice in typing.get_args(kind)]


def parts_of(default: object) -> tuple[object, ...]:
    """The parts of a default that is a tuple; one that is no number for any other."""
    return default if isinstance(default, tuple) and default else ("",)
