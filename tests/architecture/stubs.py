"""The type stubs of the packages with a table. `python tests/architecture/stubs.py` writes them."""

from __future__ import annotations

import importlib
from pathlib import Path

import upslope
from upslope.core.lazy_names import TABLES, stub

SOURCE = Path(upslope.__file__).parent


def stubs() -> dict[Path, str]:
    """The stub of each package, by its path."""
    for path in SOURCE.glob("*/**/__init__.py"):
        importlib.import_module(".".join(("upslope", *path.parent.relative_to(SOURCE).parts)))
    names = sorted(name for name in TABLES if name.startswith("upslope."))
    return {SOURCE.joinpath(*name.split(".")[1:], "__init__.pyi"): stub(name) for name in names}


if __name__ == "__main__":
    for path, text in stubs().items():
        path.write_text(text)
