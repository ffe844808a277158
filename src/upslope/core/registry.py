"""Names to things: the only way from a name in a file or on the command line to code."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, NamedTuple

from upslope.core.checks import UpslopeError, unknown_name


class Entry(NamedTuple):
    """One registered thing: its name, one line about it, and how to get at it."""

    name: str
    summary: str
    target: Callable[..., Any] | str  # the thing, or "package.module:attribute" of this library

    def load(self) -> Callable[..., Any]:
        """The thing itself, imported on first use."""
        if isinstance(self.target, str):
            module, attribute = self.target.split(":")
            return getattr(importlib.import_module(module), attribute)
        return self.target


class Registry:
    """A table of names. Files and flags can only ever reach what somebody put in it.

    Names are found without regard to case, hyphens and underscores, where that leaves one.

    Args:
      kind: what is registered, for messages.
      expected: names in small letters that people look for and that are not there yet, each with
        the registered name that is nearest.

    Raises:
      UpslopeError: for an unknown name (the nearest one is offered) and for a name taken twice.
    """

    def __init__(self, kind: str, expected: Mapping[str, str] | None = None):
        self.kind = kind
        self.expected = dict(expected or {})
        self._entries: dict[str, Entry] = {}

    def register(self, name: str, target: Callable[..., Any] | str, summary: str = "") -> None:
        """Adds `target` under `name`; the same target may be registered again."""
        old = self._entries.get(name)
        if old is not None and old.target is not target and old.target != target:
            raise UpslopeError(
                f"The {self.kind} name {name!r} is taken by {old.target!r}: choose another name."
            )
        self._entries[name] = Entry(name, summary, target)

    def unregister(self, name: str) -> None:
        """Removes a name; what has been loaded under it stays as it is.

        Raises:
          UpslopeError: nothing is registered under it; the nearest name is offered.
        """
        self.entry(name)
        del self._entries[name]

    @contextlib.contextmanager
    def registered(
        self, name: str, target: Callable[..., Any] | str, summary: str = ""
    ) -> Generator[None, None, None]:
        """`target` is registered under `name` within the block, in the place of what was there.

        However the block ends, the table is afterwards as it was before, order included: for tests
        and for examples.
        """
        before = dict(self._entries)
        self._entries[name] = Entry(name, summary, target)
        try:
            yield
        finally:
            self._entries = before

    def get(self, name: str) -> Callable[..., Any]:
        """The thing registered under `name`."""
        return self.entry(name).load()

    def entry(self, name: str) -> Entry:
        """The table's row for `name`."""
        return self._entries[self._known(name)]

    def is_expected(self, name: str) -> bool:
        """Whether a name, whatever its letters' case, is one of the table or to come."""
        small = name.lower()
        return small in self.expected or small in map(str.lower, self._entries)

    def _known(self, name: object) -> str:
        """The name itself, if the table has it."""
        if not isinstance(name, str):
            raise UpslopeError(
                f"The {self.kind} is given by its name, a string; this is a "
                f"{type(name).__name__}: {name!r:.80}. Known: {', '.join(sorted(self._entries))}."
            )
        if name in self._entries:
            return name
        for fold in (str.lower, _letters):
            same = [known for known in self._entries if fold(known) == fold(name)]
            if len(same) == 1:
                return same[0]
        near = self.expected.get(name.lower())
        coming = f" It is not in Upslope yet; nearest: {near}." if near is not None else ""
        raise unknown_name(self.kind, name, self._entries, note=coming)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def names(self) -> list[str]:
        """All names, in the order of registration."""
        return list(self._entries)


def _letters(name: str) -> str:
    """A name in small letters, without what joins its words."""
    return name.lower().replace("-", "").replace("_", "")
