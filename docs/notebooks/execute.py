"""Runs the notebooks and stores what they print and draw: `python docs/notebooks/execute.py`.

Without arguments all of them are run, otherwise those named. Needs `pip install -e '.[docs]'`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent


def execute(path: Path) -> None:
    """Runs one notebook in an empty folder, and writes it with its outputs.

    What changes from run to run without meaning anything, numbers of cells and times, is left out.

    Raises:
      nbclient.exceptions.CellExecutionError: a cell that fails; nothing is written then.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=240, resources=resources).execute()
    for cell in notebook.cells:
        cell.metadata.clear()
        for output in cell.get("outputs", ()):
            if output.output_type == "execute_result":
                output.execution_count = None
        if cell.cell_type == "code":
            cell.execution_count = None
    notebook.metadata.pop("language_info", None)
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for name in sys.argv[1:] or sorted(path.stem for path in HERE.glob("*.ipynb")):
        print(name)
        execute(HERE / f"{name}.ipynb")
