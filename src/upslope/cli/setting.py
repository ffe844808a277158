"""The settings of a module or factory as the command line sees them."""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from upslope.cli.docstring import read_docstring
from upslope.training.declared_types import hints_of
from upslope.training.settings import settings_of

PLAIN = (int, float, str, bool, type(None))


class Setting(NamedTuple):
    """A name that can be given, its type, its default and one line about it."""

    name: str
    type: Any
    default: Any
    help: str


def settings_from(target: Callable[..., Any], hide: collections.abc.Container[str] = ()) -> list:
    """The settings of a module class (its fields) or a factory (its parameters).

    Settings that no word on a command line can express (arrays, other modules) are left out.
    """
    documented = meanings_of(target)
    hints = hints_of(target)
    found = []
    for name, default in settings_of(target).items():
        kind = word_type(hints.get(name), default)
        if name not in hide and kind is not None:
            found.append(Setting(name, kind, default, documented.get(name, "")))
    return found


def meanings_of(target: Callable[..., Any]) -> dict[str, str]:
    """What docstrings say of the settings of a target, those of a class's bases included."""
    if hasattr(target, "meanings"):
        return dict(target.meanings)
    sources = list(reversed(target.__mro__)) if inspect.isclass(target) else [target]
    return {
        name: text for source in sources for name, text in read_docstring(source).settings.items()
    }


def method_settings_from(
    target: Callable[..., Any], hide: collections.abc.Iterable[str] = ()
) -> list:
    """The settings of a method and of the wrappers it can have.

    Tables of settings of its parts are left out: each has flags of its own, `--PART.NAME`.
    """
    from upslope.search.wrappers.wrapped import wrapped, wrapper_settings

    around = wrapper_settings(target)
    of_parts = {f"{part}_settings" for part in getattr(target, "parts", ())}
    own = settings_from(target, hide={*hide, *of_parts})
    return own + [setting for setting in settings_from(wrapped) if setting.name in around]


def word_type(hint: Any, default: Any) -> Any:
    """The type a flag has: the annotation without arrays; None if no word can express it."""
    if hint is None:
        return type(default) if isinstance(default, PLAIN) and default is not None else None
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        nothing = type(None)
        kinds = [
            kind if kind is nothing else word_type(kind, None) for kind in typing.get_args(hint)
        ]
        kinds = [kind for kind in kinds if kind is not None]
        useful = [kind for kind in kinds if kind is not type(None)]
        return typing.Union[tuple(kinds)] if useful else None  # noqa: UP007
    if origin is Literal:
        return hint
    if origin in (collections.abc.Sequence, tuple, list):
        inner = word_type(typing.get_args(hint)[0], None)
        return tuple[inner, ...] if inner is not None else None
    return hint if hint in (int, float, str, bool) else None


def type_name(kind: Any) -> str:
    """A type as users read it: `float`, `constant | linear`, `int ...`."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(type_name(k) for k in typing.get_args(kind))
    if origin is Literal:
        return " | ".join(str(value) for value in typing.get_args(kind))
    if origin is tuple:
        return f"{type_name(typing.get_args(kind)[0])} ..."
    return "none" if kind is type(None) else kind.__name__


def value_text(value: object) -> str:
    """A value as one would type it."""
    if isinstance(value, list | tuple):
        return " ".join(value_text(v) for v in value)
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else str(value)
