"""The pages of the reference: what each package exports, from its table of names."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import upslope
from upslope.core.lazy_names import TABLES, Table, home_of
from upslope.search import METHODS

# From what users meet first to what only contributors do.
PACKAGES = (
    "environments",
    "policies",
    "objectives",
    "search",
    "estimators",
    "exact",
    "models",
    "planning",
    "sampling",
    "engine",
    "training",
    "comparison",
    "tuning",
    "diagnostics",
    "exporting",
    "plots",
    "drawing",
    "pages",
)


def api_pages() -> dict[str, str]:
    """The Markdown of each page, by its path below the docs."""
    pages = {"api/upslope.md": facade()}
    for package in PACKAGES:
        module = importlib.import_module(f"upslope.{package}")
        pages[f"api/{package}.md"] = package_page(
            package, module.__doc__ or "", TABLES[module.__name__]
        )
    return pages


def facade() -> str:
    """What `import upslope` gives."""
    entries = [reference(f"{home}.{name}") for name, home in sorted(upslope._FACADE.items())]
    return "# upslope\n\nWhat `import upslope` offers by itself.\n\n" + "\n".join(entries)


def package_page(package: str, doc: str, table: Table) -> str:
    """What a package exports; methods and what the facade has are linked to where they are."""
    homes = {name: f"upslope.{package}.{home_of(row)}.{name}" for name, row in table.items()}
    elsewhere = pages_elsewhere()
    lines = [f"# upslope.{package}", "", doc.strip(), ""]
    lines += [
        f"- [`{name}`]({elsewhere[home]})" for name, home in homes.items() if home in elsewhere
    ]
    lines += ["", *(reference(home) for _, home in sorted(homes.items()) if home not in elsewhere)]
    return "\n".join(lines)


def pages_elsewhere() -> Mapping[str, str]:
    """Where methods and the names of the facade are explained, by where they are defined."""
    homes = [f"{home}.{name}" for name, home in upslope._FACADE.items()]
    facade = {home: f"upslope.md#{home}" for home in homes}
    methods = {
        str(entry.target).replace(":", "."): f"../methods/{entry.name}.md#api" for entry in METHODS
    }
    return {**facade, **methods}


def reference(address: str) -> str:
    """The entry of one name."""
    return f"::: {address}\n    options:\n      heading_level: 2\n"
