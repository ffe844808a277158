"""Typed flags from settings: only what was typed comes back."""

from __future__ import annotations

import sys
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from upslope.cli.setting import Setting, value_text
from upslope.core.checks import UpslopeError, nearest


class Group(NamedTuple):
    """Flags that belong together.

    Attributes:
      title: the heading in the help text.
      settings: the flags.
      prefix: `"env"` for `--env.name`, `""` for `--name`.
      shown: what is used if a flag is not given, where that is not the setting's own default:
        name to (value, where it comes from).
    """

    title: str
    settings: Sequence[Setting]
    prefix: str = ""
    shown: Mapping[str, tuple[Any, str]] = {}


def parse(
    command: str,
    description: str,
    groups: Iterable[Group],
    words: Sequence[str],
    usage: str = "",
) -> dict[str, dict[str, Any]]:
    """The values that were typed, by group title and setting name.

    Args:
      command: such as `"upslope train"`, for the help text.
      description: for the help text.
      groups: the flags there are.
      words: the command line after the command and its positional words.
      usage: the positional words, for the help text.

    Raises:
      UpslopeError: an unknown flag; the nearest one is offered.
      SystemExit: 0 after `--help`, 2 for a value that does not fit its flag (which is explained).
    """
    import tyro

    groups = [group for group in groups if group.settings]
    rows: dict[str, Any] = {}
    for group in groups:
        kind = flag_table(group)
        label = group.prefix or group.title.replace(" ", "-")
        rows[label] = kind if group.prefix else tyro.conf.OmitArgPrefixes[kind]
    form = typing.TypedDict("Flags", rows)  # type: ignore[misc]
    form.__doc__ = description
    refuse_empty(words)
    answer, unknown = tyro.cli(
        typing.cast(Any, form),
        args=spelled(words, groups),
        prog=f"{command} {usage}".strip(),
        description=description,
        return_unknown_args=True,
    )
    if unknown:
        raise unknown_flag(command, unknown[0], groups)
    return {group.title: answer[label] for label, group in zip(rows, groups, strict=True)}


def flag_table(group: Group) -> Any:
    """A table type of which every entry may be missing, with help texts and shown defaults."""
    import tyro

    fields = {}
    for setting in group.settings:
        value, source = group.shown.get(setting.name, (setting.default, ""))
        origin = f" {source}" if source else ""
        hint = "" if value is ... else f"(default{origin}: {value_text(value)})"
        fields[setting.name] = Annotated[
            setting.type, tyro.conf.arg(help=setting.help or None, help_behavior_hint=hint)
        ]
    table = typing.TypedDict(group.title, fields, total=False)  # type: ignore[misc, operator]
    table.__doc__ = None
    return table


def spelled(words: Sequence[str], groups: Iterable[Group]) -> list[str]:
    """The words as the parser wants them.

    `--total_timesteps=5` becomes `--total-timesteps=5`, and `none` becomes `None` after a flag that
    may be None; after any other it is a word like others, such as the choice `--baseline none`.
    """
    kinds = {
        dashed(f"--{group.prefix}.{setting.name}" if group.prefix else f"--{setting.name}"): (
            setting.type
        )
        for group in groups
        for setting in group.settings
    }
    found = []
    kind = None  # of the flag that the next words belong to
    for word in words:
        if word.startswith("--"):
            flag, equals, value = word.partition("=")
            kind = kinds.get(dashed(flag))
            found.append(dashed(flag) + equals + nothing_or_word(value, kind))
        else:
            found.append(nothing_or_word(word, kind))
    return found


def dashed(flag: str) -> str:
    """`--total_timesteps` as `--total-timesteps`."""
    return flag.replace("_", "-")


def nothing_or_word(value: str, kind: Any) -> str:
    """`none` and `null` as `None` where the type has None and no such choice."""
    kinds = typing.get_args(kind)
    choices = {
        choice
        for one in (kind, *kinds)
        if typing.get_origin(one) is Literal
        for choice in typing.get_args(one)
    }
    nothing = value in ("none", "null") and value not in choices and type(None) in kinds
    return "None" if nothing else value


def refuse_empty(words: Sequence[str]) -> None:
    """Refuses an empty word, which shells make of unset variables."""
    if "" in words:
        raise UpslopeError("One of the arguments is empty: an unset shell variable?")


def unknown_flag(command: str, word: str, groups: Iterable[Group]) -> UpslopeError:
    """The error for a word that no flag takes."""
    known = [
        f"{group.prefix}.{setting.name}" if group.prefix else setting.name
        for group in groups
        for setting in group.settings
    ]
    if not word.startswith("-"):
        return UpslopeError(
            f"{command} does not know what to do with {word!r}: flags begin with --."
        )
    flag = word.partition("=")[0]
    guess = nearest(flag.lstrip("-").replace("-", "_"), known)
    hint = f" Did you mean --{guess.replace('_', '-')}?" if guess else ""
    return UpslopeError(f"Unknown flag {flag}.{hint} All flags: {command} --help")


def take(words: list[str], flag: str) -> str | None:
    """Removes `flag VALUE` or `flag=VALUE` from the words and returns the last value given."""
    found = None
    index = 0
    while index < len(words):
        word = words[index]
        if word == flag:
            if index + 1 >= len(words) or words[index + 1].startswith("--"):
                raise UpslopeError(f"{flag} needs a value.")
            found = words[index + 1]
            del words[index : index + 2]
        elif word.startswith(f"{flag}="):
            found = word.partition("=")[2]
            del words[index]
        else:
            index += 1
    return found


def take_switch(words: list[str], flag: str) -> bool:
    """Removes a flag without a value and says whether it was there."""
    there = flag in words
    words[:] = [word for word in words if word != flag]
    return there


def wants_help(words: Sequence[str]) -> bool:
    """Whether the help text is asked for."""
    return "-h" in words or "--help" in words


def standard_error(text: str) -> None:
    """One line for the user beside the results."""
    print(text, file=sys.stderr)
