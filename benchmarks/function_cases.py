"""The functions of `functions.py`, in JAX and in NumPy, with where a search of each starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Case(NamedTuple):
    """One function: minimum 0."""

    f: Callable[[Any, Any], Any]  # (x, module of arrays) -> value
    radius: float  # starts are uniform in [-radius, radius]^D (around `centre`)
    std: float  # first step size
    centre: float = 0.0
    population: int = 1  # times the default population size
    rotated: bool = False
    noise: float = 0.0  # the value is multiplied by exp(noise N(0, 1))


def ellipsoid(x: Any, m: Any) -> Any:
    return m.sum(1e6 ** (m.arange(x.size) / max(x.size - 1, 1)) * x**2)


def rosenbrock(x: Any, m: Any) -> Any:
    return m.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def rastrigin(x: Any, m: Any) -> Any:
    return m.sum(x**2 - 10.0 * m.cos(2.0 * np.pi * x) + 10.0)


def schwefel(x: Any, m: Any) -> Any:
    """Schwefel's double sum (problem 1.2)."""
    return m.sum(m.cumsum(x) ** 2)


def ackley(x: Any, m: Any) -> Any:
    """Written so that the value near the optimum is not the difference of large numbers."""
    mean = m.mean(m.cos(2.0 * np.pi * x))
    root = m.sqrt(m.mean(x**2))
    return -20.0 * m.expm1(-0.2 * root) - np.e * m.expm1(mean - 1.0)


def griewank(x: Any, m: Any) -> Any:
    return m.sum(x**2) / 4000.0 - m.prod(m.cos(x / m.sqrt(m.arange(1, x.size + 1)))) + 1.0


def sphere(x: Any, m: Any) -> Any:
    return m.sum(x**2)


CASES = {
    "sphere": Case(sphere, 5.0, 2.0),
    "ellipsoid": Case(ellipsoid, 5.0, 2.0),
    "rotated ellipsoid": Case(ellipsoid, 5.0, 2.0, rotated=True),
    "rosenbrock": Case(rosenbrock, 2.0, 0.5),
    "rastrigin": Case(rastrigin, 5.0, 2.0, population=10),
    "schwefel": Case(schwefel, 5.0, 2.0),
    "ackley": Case(ackley, 10.0, 5.0, population=2),
    "griewank": Case(griewank, 100.0, 50.0, population=2),
    "noisy sphere": Case(sphere, 5.0, 2.0, noise=0.1),
}


def rotation(dimension: int) -> np.ndarray:
    """The same random rotation for every contestant, [D, D]."""
    matrix = np.random.default_rng(dimension).normal(size=(dimension, dimension))
    return np.linalg.qr(matrix)[0]


def in_jax(case: Case, dimension: int) -> Callable[..., Any]:
    """f(x), or f(x, key) with noise."""
    turn = jnp.asarray(rotation(dimension)) if case.rotated else None

    def plain(x: Any) -> Any:
        return case.f(x if turn is None else turn @ x, jnp)

    def noisy(x: Any, key: Any) -> Any:
        return plain(x) * jnp.exp(case.noise * jax.random.normal(key))

    return noisy if case.noise else plain


def in_numpy(case: Case, dimension: int, seed: int) -> Callable[[np.ndarray], float]:
    """f(x); its noise is drawn from the seed."""
    turn = rotation(dimension) if case.rotated else None
    generator = np.random.default_rng(seed)

    def f(x: np.ndarray) -> float:
        x = np.asarray(x)
        value = float(case.f(x if turn is None else turn @ x, np))
        return value * float(np.exp(case.noise * generator.normal())) if case.noise else value

    return f


def start(case: Case, dimension: int, seed: int) -> np.ndarray:
    """Where the search with this seed starts, [D]."""
    generator = np.random.default_rng([dimension, seed])
    return case.centre + generator.uniform(-case.radius, case.radius, dimension)
