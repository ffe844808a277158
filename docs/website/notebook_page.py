"""Notebooks as pages of the site: their text, their code, and what was printed and drawn."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any


def notebook_page(notebook: str, name: str) -> tuple[str, dict[str, bytes]]:
    """The Markdown of a notebook, and its pictures by file name.

    Args:
      notebook: the text of an `.ipynb` file, version 4.
      name: what its pictures are called after.
    """
    pictures: dict[str, bytes] = {}
    parts: list[str] = []
    for cell in json.loads(notebook)["cells"]:
        source = "".join(cell["source"]).strip()
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            parts += shown(output, name, pictures)
    return "\n\n".join(parts) + "\n", pictures


def shown(output: dict[str, Any], name: str, pictures: dict[str, bytes]) -> Iterator[str]:
    """One output: a picture, a table or text, the first that it has."""
    data = output.get("data", {})
    if "image/png" in data:
        file = f"{name}-{len(pictures) + 1}.png"
        pictures[file] = base64.b64decode(data["image/png"])
        yield f"![What the cell draws]({file})"
    elif "text/html" in data:
        yield "".join(data["text/html"])
    else:
        text = "".join(output.get("text", data.get("text/plain", ""))).rstrip()
        yield f"```text {{ .output }}\n{text}\n```"
