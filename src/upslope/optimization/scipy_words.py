"""What a call of SciPy's optimisers says, in the words of this library."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array

from upslope.core.checks import UpslopeError, check_number
from upslope.core.counts import whole
from upslope.search import METHODS

# A whole number, or what one is drawn from.
Seed = int | np.random.Generator | np.random.RandomState | Array
OWNER = "A search over a function"
# Arguments of SciPy's (and pycma's) that are refused, and what to say instead.
FOREIGN: Mapping[str, str] = {
    "jac": "methods here use values of f alone; leave it out",
    "hess": "methods here use values of f alone; leave it out",
    "hessp": "methods here use values of f alone; leave it out",
    "constraints": "bounds= are kept; where another constraint is broken return NaN, which counts "
    "as the worst value, or add a penalty to f",
    "rng": "the name is seed=, a whole number or a NumPy Generator",
    "random_state": "the name is seed=, a whole number or a NumPy Generator",
    "maxfev": "the name is budget=, or options={'maxfev': ...}",
    "maxfun": "the name is budget=, or options={'maxfev': ...}",
    "maxfevals": "the name is budget=",
    "maxiter": "give budget=, in evaluations, or options={'maxiter': ...}",
    "ftarget": "the name is target=",
    "fun": "the function is the first argument, f",
    "func": "the function is the first argument, f",
    "disp": "print the result, or watch by callback=",
    "return_all": "collect the points by callback=, which is given them",
    "initial_simplex": "give x0, and std= for the edges of the first simplex",
    "timeout": "deadline= ends one evaluation; end the search by callback=",
}
# What a `tol` stands for, where a method has it.
TOLERANCES = ("xatol", "fatol", "tolx", "tolfun", "tolfunhist")
EVALUATIONS = ("maxfev", "maxfun", "maxfevals")


class Options(NamedTuple):
    """What `options=` say."""

    budget: int | None  # evaluations of f
    iterations: int | None  # of the method, as `nit` counts them
    settings: dict[str, Any]  # the method's own


def method_name(method: str | None) -> str:
    """The registered name for `method`, whatever its case; the default's for None.

    Raises:
      UpslopeError: `method` is no name; SciPy's third argument is `args`, which is given by name.
    """
    if method is None:
        return "cma-es"
    if not isinstance(method, str):
        raise UpslopeError(
            f"{OWNER} got method={method!r:.80}: the third argument is the method's name, such as "
            "'nelder-mead'. What f gets after x is given by name, args=(...)."
        )
    same = [name for name in METHODS.names() if name.lower() == method.lower()]
    return same[0] if len(same) == 1 else method


def refuse_foreign(method: str, settings: Collection[str], known: Collection[str]) -> None:
    """Raises for an argument of another library's that is known here under another name."""
    for name in settings:
        if name in FOREIGN and name not in known:
            raise UpslopeError(f"{method} has no setting {name!r}: {FOREIGN[name]}.")


def read_options(options: Mapping[str, Any] | None, budget: int | None) -> Options:
    """The budget, the iterations and the method's settings of SciPy's `options`.

    Raises:
      UpslopeError: they are no mapping; limits that are no whole numbers; a budget given twice.
    """
    if options is None:
        return Options(_limit("budget", budget), None, {})
    if not isinstance(options, Mapping):
        raise UpslopeError(
            f"{OWNER} got options={options!r:.80}: give a dictionary, such as {{'maxfev': 1000}}."
        )
    rest = {name: value for name, value in options.items() if value is not None}
    for name in ("disp", "return_all"):
        if not rest.get(name, True):
            del rest[name]
    limits = [name for name in EVALUATIONS if name in rest]
    if len(limits) + (budget is not None) > 1:
        raise UpslopeError(
            f"{OWNER} got options={dict(options)!r:.120}"
            + (f" and budget={budget!r}" if budget is not None else "")
            + ": give one limit of evaluations, budget= or options={'maxfev': ...}."
        )
    budget = _limit("budget", budget)
    if limits:
        budget = _limit(limits[0], rest.pop(limits[0]))
    iterations = _limit("maxiter", rest.pop("maxiter", None))
    return Options(budget, iterations, rest)


def _limit(name: str, value: object) -> int | None:
    """A whole number of evaluations or iterations; None where there is no limit."""
    if value is None or (isinstance(value, float) and value == np.inf):
        return None
    value = whole(value)
    check_number(OWNER, name, value, at_least=1, integer=True)
    return int(value)  # pyright: ignore[reportArgumentType]


def with_tolerance(
    method: str, settings: Mapping[str, Any], known: Collection[str], tol: float | None
) -> dict[str, Any]:
    """The settings with `tol` for each tolerance that they do not mention.

    Raises:
      UpslopeError: the method has none.
    """
    if tol is None:
        return dict(settings)
    check_number(OWNER, "tol", tol, at_least=0)
    mine = [name for name in TOLERANCES if name in known]
    if not mine:
        raise UpslopeError(
            f"{OWNER} got tol={tol!r}, and {method} has no tolerance: it ends by target=, budget= "
            "or callback=."
        )
    return dict.fromkeys(mine, tol) | dict(settings)


def seed_of(owner: str, seed: object) -> int:
    """A seed below 2^32: the number itself, or one drawn from a generator.

    Args:
      owner: for messages.
      seed: a whole number; a `numpy.random.Generator` or `RandomState`, from which one number is
        drawn; or a JAX key.

    Raises:
      UpslopeError: anything else.
    """
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(2**32))
    if isinstance(seed, np.random.RandomState):
        return int(seed.randint(0, 2**32, dtype=np.uint64))
    if isinstance(seed, Array) and jax.dtypes.issubdtype(seed.dtype, jax.dtypes.prng_key):
        return int(jax.random.bits(seed))
    if seed is None or isinstance(seed, np.random.SeedSequence | np.random.BitGenerator):
        raise UpslopeError(
            f"{owner} got seed={seed!r}: give a whole number or a numpy.random.Generator, so that "
            "the search can be repeated."
        )
    check_number(owner, "seed", seed, at_least=0, integer=True)
    number = int(seed)  # pyright: ignore[reportArgumentType]
    if number >= 2**32:
        raise UpslopeError(f"{owner} got seed={seed}: it must be below 2^32 = {2**32}.")
    return number
