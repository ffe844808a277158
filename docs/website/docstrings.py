"""An extension of griffe: the docstrings of the reference are read as Markdown."""

from __future__ import annotations

from typing import Any

import griffe

from docstring_text import DIRECTIVE, markdown
from upslope.search import METHODS

# Their equations stand at the top of their pages.
METHOD_CLASSES = {str(entry.target).replace(":", ".") for entry in METHODS}


class ReadAsMarkdown(griffe.Extension):
    """Turns the docstring of every object before its sections are parsed."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            text = obj.docstring.value
            text = DIRECTIVE.sub("", text) if obj.path in METHOD_CLASSES else text
            obj.docstring.value = markdown(text)
