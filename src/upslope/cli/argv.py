"""The words of a command line, told apart once: names, flags, and the words of each flag."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

from upslope.core.checks import UpslopeError

HELP = ("-h", "--help")


class Flag(NamedTuple):
    """A flag as it was given: `--hidden 8 8`, `--seeds=2`."""

    name: str  # spelled with dashes: "--total-timesteps"
    values: list[str]  # the words up to the next flag
    joined: bool = False  # whether the first of them was written behind "="


@dataclasses.dataclass
class Argv:
    """A command line after the command.

    How many words a flag takes is known to the parser alone: a name may stand among the words of
    a flag without a value, where `take_names` finds it.

    Attributes:
      names: the words before the first flag, and what flags of one value left over.
      flags: in the order given.
    """

    names: list[str]
    flags: list[Flag]

    @classmethod
    def read(cls, words: Sequence[str]) -> Argv:
        """Tells names and flags apart.

        Raises:
          UpslopeError: a word is empty, which shells make of unset variables.
        """
        if "" in words:
            raise UpslopeError("One of the arguments is empty: an unset shell variable?")
        argv = cls([], [])
        for word in words:
            if word.startswith("--") or word in HELP or (word[0] == "-" and not argv.flags):
                name, equals, value = word.partition("=")
                argv.flags.append(
                    Flag(name.replace("_", "-"), [value] if equals else [], bool(equals))
                )
            elif argv.flags:
                argv.flags[-1].values.append(word)
            else:
                argv.names.append(word)
        return argv

    @property
    def wants_help(self) -> bool:
        """Whether the help text is asked for."""
        return any(flag.name in HELP for flag in self.flags)

    def has(self, name: str) -> bool:
        """Whether a flag was given."""
        return any(flag.name == name for flag in self.flags)

    def value(self, name: str) -> str | None:
        """The last value of a flag of one value, which stays; None if it was not given.

        Raises:
          UpslopeError: no word follows it.
        """
        found = None
        for flag in self.flags:
            if flag.name == name:
                if not flag.values:
                    raise UpslopeError(f"{name} needs a value.")
                found = flag.values[0]
        return found

    def take(self, name: str) -> str | None:
        """`value`, and the flag is gone; further words behind it are names."""
        found = self.value(name)
        for flag in self.flags:
            if flag.name == name:
                self.names += flag.values[1:]
        self.flags = [flag for flag in self.flags if flag.name != name]
        return found

    def take_name(self) -> str | None:
        """The next name, if there is one."""
        return self.names.pop(0) if self.names else None

    def find_names(self, is_name: Callable[[str], bool]) -> None:
        """Where no name stands before the flags: the first word that is one, and the next."""
        for flag in () if self.names else self.flags:
            for index in range(int(flag.joined), len(flag.values)):
                if is_name(flag.values[index]):
                    self.names = flag.values[index : index + 2]
                    del flag.values[index : index + 2]
                    return
