"""What everything else stands on: records, distributions, networks, tree arithmetic, checks.

For code of one's own: `distributions`, `networks`, `checks` (the errors), `tree` (a policy as
one vector) and `annotations` (names of trees in signatures). They load on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from upslope.core import annotations, checks, distributions, networks, records, tree

__all__ = ["annotations", "checks", "distributions", "networks", "records", "tree"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return sorted(__all__)
