"""What everything else stands on: records, distributions, networks, tree arithmetic, checks.

For code of one's own: `distributions`, `networks`, `checks` (the errors) and `tree` (a policy as
one vector). They load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from upslope.core import checks, distributions, networks, records, tree

__all__ = ["checks", "distributions", "networks", "records", "tree"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return sorted(__all__)
