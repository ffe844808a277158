"""Importing the library decides nothing: it starts no backend and loads nothing optional."""

import subprocess
import sys

import pytest

import upslope

EVERYTHING = """
import importlib, pkgutil, sys
import upslope
for found in pkgutil.walk_packages(upslope.__path__, "upslope."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
"""
STARTED = """
from jax._src import xla_bridge
assert not xla_bridge._backends, f"importing started {list(xla_bridge._backends)}"
"""
LIGHT = """
import sys
import upslope
upslope.train, upslope.search.METHODS, upslope.policies.POLICIES, upslope.environments.ENVIRONMENTS
heavy = ["matplotlib", "tensorboardX", "wandb", "ray", "gymnax", "brax", "scipy.stats", "pandas"]
heavy += ["PIL", "jinja2", "imageio_ffmpeg"]
loaded = [name for name in heavy if name in sys.modules]
assert not loaded, f"importing loaded {loaded}"
"""


def python(program):
    """Runs a program in a fresh interpreter; its error, empty if there was none."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    return "" if done.returncode == 0 else done.stderr


@pytest.mark.slow
def test_importing_every_module_starts_no_backend():
    assert not python(EVERYTHING + STARTED)


@pytest.mark.slow
def test_a_started_backend_is_seen():
    assert "importing started" in python("import jax.numpy as jnp\njnp.zeros(3)\n" + STARTED)


@pytest.mark.slow
def test_importing_loads_nothing_optional():
    assert not python(LIGHT)


def test_the_facade_lists_what_it_has():
    names = dir(upslope)
    assert names == sorted(upslope.__all__)
    assert {"train", "resume", "evaluate", "load", "make", "UpslopeError"} <= set(names)
    for name in names:
        assert getattr(upslope, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        upslope.trian  # noqa: B018
