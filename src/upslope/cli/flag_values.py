"""The words behind a flag against its type, so that what does not fit is told in one line."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping
from typing import Literal

from upslope.core.checks import UpslopeError, nearest

WORDS: Mapping[object, str] = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "a word",
}
PLURALS: Mapping[object, str] = {int: "whole numbers", float: "numbers", str: "words"}


def check_flags(words: Iterable[str], kinds: Mapping[str, object], all_flags: str) -> None:
    """Refuses the first flag whose words do not fit its type; unknown flags pass.

    Args:
      words: the command line, `none` written as `None` where it means that.
      kinds: the type of each flag, by its name such as `"--n-envs"`.
      all_flags: the command that prints the help text.

    Raises:
      UpslopeError: names the flag, the word and what it has to be.
    """
    flags: list[tuple[str, list[str]]] = []
    for word in words:
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            flags.append((name, [value] if equals else []))
        elif flags:
            flags[-1][1].append(word)
    for name, values in flags:
        if name in kinds:
            check_flag(name, values, kinds[name], all_flags)


def check_flag(name: str, values: list[str], kind: object, all_flags: str) -> None:
    """Refuses words that do not fit one flag; what is left behind a single value is not its."""
    if kind is bool:
        return  # a switch: `--quiet`, `--no-quiet`
    several = typing.get_origin(kind) is tuple
    if not values and not several:
        raise UpslopeError(f"{name} needs a value: {described(kind)}. All flags: {all_flags}")
    inner = typing.get_args(kind)[0] if several else kind
    for word in values if several else values[:1]:
        if not fits(word, inner):
            guess = nearest(word, choices_of(inner))
            hint = f" Did you mean {guess!r}?" if guess else ""
            raise UpslopeError(
                f"{name} got {word!r:.80}: must be {described(kind)}.{hint} All flags: {all_flags}"
            )


def fits(word: str, kind: object) -> bool:
    """Whether a word is a value of the type."""
    if is_union(kind):
        return any(fits(word, one) for one in typing.get_args(kind))
    if typing.get_origin(kind) is Literal:
        return word in choices_of(kind)
    if kind is type(None):
        return word == "None"
    if kind is bool:
        return word in ("True", "False")
    try:
        if kind in (int, float):
            int(word) if kind is int else float(word)
    except ValueError:
        return False
    return True


def described(kind: object) -> str:
    """What a word has to be: `a number or none`."""
    if is_union(kind):
        parts = [one for one in typing.get_args(kind) if one is not type(None)]
        nothing = ["none"] if len(parts) < len(typing.get_args(kind)) else []
        return " or ".join([*map(described, parts), *nothing])
    if typing.get_origin(kind) is Literal:
        known = choices_of(kind)
        return known[0] if len(known) == 1 else f"one of {', '.join(known)}"
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)[0]
        return PLURALS[inner] + (", such as 64 64" if inner is int else "")
    return WORDS[kind]


def choices_of(kind: object) -> list[str]:
    """The words that a type names one by one."""
    if is_union(kind):
        return [choice for one in typing.get_args(kind) for choice in choices_of(one)]
    return [str(c) for c in typing.get_args(kind)] if typing.get_origin(kind) is Literal else []


def is_union(kind: object) -> bool:
    """Whether a type is one of several."""
    return typing.get_origin(kind) in (typing.Union, types.UnionType)
