"""Flags with types, from settings: only what was given comes back."""

from __future__ import annotations

import typing
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from upslope.cli.argv import Argv, Flag
from upslope.cli.flag_values import check_flags
from upslope.cli.setting import Setting, value_text
from upslope.core.checks import UpslopeError, nearest
from upslope.core.counts import whole


class Group(NamedTuple):
    """Flags that belong together.

    Attributes:
      title: the heading in the help text.
      settings: the flags.
      prefix: `"env"` for `--env.name`, `""` for `--name`.
      shown: what is used if a flag is not given, where that is not the setting's own default:
        name to (value, where it comes from).
      unlisted: flags that are understood, but not listed in the help text.
    """

    title: str
    settings: Sequence[Setting]
    prefix: str = ""
    shown: Mapping[str, tuple[Any, str]] = {}
    unlisted: Container[str] = ()


# Words that say of a switch whether it is on.
SWITCHED = {"true": True, "false": False}


def parse(
    command: str,
    description: str,
    groups: Iterable[Group],
    argv: Argv,
    usage: str = "",
    help_command: str = "",
) -> dict[str, dict[str, Any]]:
    """The values that were given, by group title and setting name.

    Args:
      command: such as `"upslope train"`, for the help text.
      description: for the help text.
      groups: the flags there are.
      argv: the command line; its names have been taken.
      usage: the names, for the help text.
      help_command: prints all flags; `command` with `--help` if empty.

    Raises:
      UpslopeError: an unknown flag (the nearest one is offered), a value that does not fit its
        flag, or a name that is left.
      SystemExit: 0 after `--help`.
    """
    import tyro

    groups = [group for group in groups if group.settings]
    rows: dict[str, Any] = {}
    for group in groups:
        kind = flag_table(group, listing=argv.wants_help)
        label = group.prefix or group.title.replace(" ", "-")
        rows[label] = kind if group.prefix else tyro.conf.OmitArgPrefixes[kind]
    form = typing.TypedDict("Flags", rows)  # type: ignore[misc]
    form.__doc__ = description
    words = normalize_flags(argv.flags, groups)
    all_flags = help_command or f"{command} --help"
    if not argv.wants_help:
        check_flags(words, flag_types(groups), all_flags)
    parsed, unknown = tyro.cli(
        typing.cast(Any, form),
        args=words,
        prog=f"{command} {usage}".strip(),
        description=description,
        return_unknown_args=True,
    )
    if unknown or argv.names:
        raise unknown_flag(command, [*argv.names, *unknown][0], groups, all_flags)
    return {group.title: parsed[label] for label, group in zip(rows, groups, strict=True)}


def flag_types(groups: Iterable[Group]) -> dict[str, Any]:
    """The type of every flag, by its name such as `--n-envs` or `--env.time-limit`."""
    return {
        f"--{group.prefix}.{setting.name}".replace("--.", "--").replace("_", "-"): setting.type
        for group in groups
        for setting in group.settings
    }


def flag_table(group: Group, *, listing: bool) -> Any:
    """A table type of which every entry may be missing, with help texts and shown defaults.

    Args:
      group: the flags.
      listing: whether it is for the help text, in which some flags are not listed.
    """
    import tyro

    fields = {}
    for setting in group.settings:
        value, source = group.shown.get(setting.name, (setting.default, ""))
        origin = f" {source}" if source else ""
        hint = "" if value is ... else f"(default{origin}: {value_text(value)})"
        kind = Annotated[
            setting.type, tyro.conf.arg(help=setting.help or None, help_behavior_hint=hint)
        ]
        fields[setting.name] = (
            tyro.conf.Suppress[kind] if listing and setting.name in group.unlisted else kind
        )
    table = typing.TypedDict(group.title, fields, total=False)  # type: ignore[misc, operator]
    table.__doc__ = None
    return table


def normalize_flags(flags: Iterable[Flag], groups: Iterable[Group]) -> list[str]:
    """Flags as the parser wants them.

    `none` becomes `None` after a flag that may be None; after any other it is a word like others,
    such as the choice `--baseline none`. `--anneal True` is the switch `--anneal`.
    """
    kinds = flag_types(groups)
    found = []
    for flag in flags:
        kind = kinds.get(flag.name)
        if kind is bool and flag.values and flag.values[0].lower() in SWITCHED:
            found += [switched(flag.name, flag.values[0]), *flag.values[1:]]
            continue
        values = [none_or_literal(value, kind) for value in flag.values]
        if typing.get_origin(kind) is tuple:  # "64,64" is "64 64"
            values = [part for value in values for part in value.strip("[]()").split(",") if part]
        if bool in typing.get_args(kind):
            values = [v.capitalize() if v.lower() in SWITCHED else v for v in values]
        if kind is int or int in typing.get_args(kind):
            values = [str(whole(value)) for value in values]
        found += [f"{flag.name}={values[0]}", *values[1:]] if flag.joined else [flag.name, *values]
    return found


def switched(name: str, word: str) -> str:
    """A switch with the word behind it, `--env.slippery false`, as one: `--env.no-slippery`."""
    if SWITCHED[word.lower()]:
        return name
    prefix, dot, own = name.removeprefix("--").rpartition(".")
    return f"--{prefix}{dot}no-{own}"


def none_or_literal(value: str, kind: Any) -> str:
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


def unknown_flag(command: str, word: str, groups: Iterable[Group], all_flags: str) -> UpslopeError:
    """The error for a word that no flag takes."""
    known = [
        f"{group.prefix}.{setting.name}" if group.prefix else setting.name
        for group in groups
        for setting in group.settings
    ]
    if not word.startswith("-"):
        return UpslopeError(f"{command}: unexpected argument {word!r} (flags start with --)")
    flag = word.partition("=")[0]
    guess = nearest(flag.lstrip("-").replace("-", "_"), known)
    hint = f" Did you mean --{guess.replace('_', '-')}?" if guess else ""
    return UpslopeError(f"Unknown flag {flag}.{hint} All flags: {all_flags}")
