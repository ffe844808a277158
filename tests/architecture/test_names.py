"""A package's exports stay what they are, whatever of it has been imported before."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PACKAGES = ["upslope", "upslope.core", "upslope.environments", "upslope.training"]
PROGRAM = """
import importlib, json, pkgutil, sys, types
packages, everything_first = json.loads(sys.argv[1]), sys.argv[2] == "everything first"
out = {}
for name in packages:
    package = importlib.import_module(name)
    if everything_first:
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{name}.{module.name}")
    for export in package.__all__:
        out[f"{name}.{export}"] = isinstance(getattr(package, export), types.ModuleType)
print(json.dumps(out))
"""


def exports(order):
    """Whether each export is a module, in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(PACKAGES), order],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_no_export_is_hidden_by_the_module_it_lives_in():
    """Importing `p.x` sets the attribute x of p to the module: a lazy export x would be gone."""
    alone = exports("exports alone")
    assert alone["upslope.environments.garnet"] is False
    assert exports("everything first") == alone
