"""The contract every export format keeps."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import ClassVar, TypeAlias

from upslope.core.annotations import Action, Memory, Observation
from upslope.exporting.exportable import Exportable

# A batch of observations [B, ...] as the environment shows them, and what the last call returned
# (None at the start), to actions [B, ...] of the action space and the next state.
Call: TypeAlias = Callable[[Observation, Memory | None], tuple[Action, Memory | None]]


class Format(abc.ABC):
    """One way to write a policy down, and to call what was written.

    Attributes:
      filename: the file it is written to. A class attribute.
      packages: what it needs beyond Upslope's own dependencies, by the name that is imported; all
        of them are in the extra `export`. A class attribute.
    """

    filename: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()

    @abc.abstractmethod
    def encode(self, policy: Exportable) -> bytes:
        """The contents of the file.

        Raises:
          UpslopeError: the format has no form for this policy; the remedy is named.
        """

    @abc.abstractmethod
    def decode(self, data: bytes, policy: Exportable) -> Call:
        """What `encode` wrote, to be called as a user of the file does.

        Args:
          data: the contents of the file.
          policy: that was encoded, for its shapes; its parameters are not used.
        """
