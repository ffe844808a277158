"""The gait of the page on the quadruped, without its simulator."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from upslope.core.tree import ravel_parameters


@pytest.fixture(scope="module")
def gait():
    path = Path(__file__).parents[2] / "benchmarks" / "gait" / "half_ellipse.py"
    spec = importlib.util.spec_from_file_location("half_ellipse", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # annotations are looked up there
    spec.loader.exec_module(module)
    box = spaces.Box(-1.0, 1.0, (8,), np.float32)
    return module.build(jax.random.key(0), spaces.Box(0.0, 1.0, (1,), np.float32), box)


def feet(gait, steps):
    """Forward and up [T, 4] of front left, front right, rear left, rear right."""
    path = jax.vmap(gait.motion)(jnp.asarray(steps)).reshape(-1, 4, 2)
    return np.asarray(path[..., 0]), np.asarray(path[..., 1])


def test_it_has_twelve_numbers(gait):
    assert ravel_parameters(gait)[0].shape == (12,)


def test_back_along_the_ground_and_forward_through_the_air(gait):
    along, up = feet(gait, np.arange(20))
    front_left = slice(0, 10), 0
    np.testing.assert_allclose(along[front_left], np.linspace(0.5, -0.4, 10), atol=1e-6)
    assert (up[front_left] == 0).all()
    assert (np.diff(along[10:20, 0]) > 0).all()
    assert up[10:20, 0].max() == pytest.approx(0.5, abs=1e-6)


def test_the_curve_is_closed(gait):
    along, up = feet(gait, np.linspace(0.0, 40.0, 4001))
    assert np.abs(np.diff(along, axis=0)).max() < 0.01
    assert np.abs(np.diff(up, axis=0)).max() < 0.01
    np.testing.assert_allclose(along[0], along[2000], atol=1e-4)


def test_it_starts_as_a_trot(gait):
    """Diagonal feet together, the two sides half a turn apart."""
    along, up = feet(gait, np.arange(20))
    np.testing.assert_allclose(along[:, 0], along[:, 3], atol=1e-6)
    np.testing.assert_allclose(up[:, 1], up[:, 2], atol=1e-6)
    np.testing.assert_allclose(along[:10, 0], along[10:, 1], atol=1e-6)
