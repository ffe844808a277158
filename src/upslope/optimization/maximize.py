"""The best x of any function, by any method that needs values alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array

from upslope.core.annotations import PyTree
from upslope.core.checks import NumericalError, UpslopeError, check_number
from upslope.optimization.evaluation import Function, HostFunction, traced, wants_key
from upslope.optimization.loops import (
    CHUNK,
    HostSearch,
    Limits,
    Progress,
    compiled_chunk,
    compiled_search,
    first_progress,
)
from upslope.optimization.points import Bounds
from upslope.optimization.problem import (
    FunctionProblem,
    check_budget,
    check_population_fits,
    check_seed,
    function_problem,
)
from upslope.optimization.result import Curve, Result

# Fresh evaluations of the solution of a noisy function.
VERIFICATIONS = 100
# Evaluations between two calls of a callback, in a compiled search.
PATIENCE = 500


class SearchRequest(NamedTuple):
    """What `maximize` and `minimize` were asked for; the fields are their arguments."""

    sign: float  # 1 to maximise f, -1 to minimise it
    f: Function
    x0: PyTree
    method: str
    budget: int | None
    target: float | None
    std: float | None
    bounds: Bounds | None
    seed: int
    noisy: bool | None
    on_host: bool | None
    deadline: float | None
    workers: int
    callback: Callable[[int, float], Any] | None
    settings: dict[str, Any]


def maximize(
    f: Function,
    x0: PyTree,
    method: str = "cma-es",
    *,
    budget: int | None = None,
    target: float | None = None,
    std: float | None = None,
    bounds: Bounds | None = None,
    seed: int = 0,
    noisy: bool | None = None,
    on_host: bool | None = None,
    deadline: float | None = None,
    workers: int = 1,
    callback: Callable[[int, float], Any] | None = None,
    **settings: Any,
) -> Result:
    r"""Searches :math:`\arg\max_x f(x)` with values of f alone.

    f may be written in JAX (then the whole search is one compiled program), in NumPy, or start an
    external program; it takes x and returns one number, NaN where it cannot say (that counts as the
    worst). A function with a parameter `key` draws its noise from there: f(x, key=key). All is
    computed in double precision. The same arguments give the same result.

    Args:
      f: what is maximised.
      x0: where to start: a number, a vector, or any tree of arrays. f gets the same structure.
      method: a name of `upslope list methods` that needs returns alone.
      budget: evaluations of f at most; None for 1000 a coordinate and at least 10,000.
      target: stop as soon as a value is at least this.
      std: the method's first step size, in units of x.
      bounds: (low, high), or one pair for each coordinate; kept by a smooth transform.
      seed: of the search's randomness.
      noisy: whether f gives different values at the same x; None: if it has a parameter `key`.
      on_host: call f with NumPy arrays, one point at a time, although JAX could trace it; None
        decides by trying.
      deadline: seconds one call of f may take on the host.
      workers: calls at the same time on the host, in threads.
      callback: `callback(nfev, best)` after every iteration (on the host) or every few hundred
        (compiled); a true value ends the search.
      settings: the method's own; see `upslope show METHOD`.

    Raises:
      UpslopeError: before any evaluation, for arguments that make no sense; EvaluationError when f
        raises, hangs past the deadline, or returns anything but one number.
      NumericalError: all values were NaN or infinite.
    """
    request = SearchRequest(
        sign=1.0,
        f=f,
        x0=x0,
        method=method,
        budget=budget,
        target=target,
        std=std,
        bounds=bounds,
        seed=seed,
        noisy=noisy,
        on_host=on_host,
        deadline=deadline,
        workers=workers,
        callback=callback,
        settings=settings,
    )
    return _search(request)


def minimize(
    f: Function,
    x0: PyTree,
    method: str = "cma-es",
    *,
    budget: int | None = None,
    target: float | None = None,
    std: float | None = None,
    bounds: Bounds | None = None,
    seed: int = 0,
    noisy: bool | None = None,
    on_host: bool | None = None,
    deadline: float | None = None,
    workers: int = 1,
    callback: Callable[[int, float], Any] | None = None,
    **settings: Any,
) -> Result:
    """The same as `maximize`, downhill: f, the target and all values shown are those of f.

    Settings that speak of returns (`fatol`, `tolfun`) mean differences and stay as they are.
    """
    request = SearchRequest(
        sign=-1.0,
        f=f,
        x0=x0,
        method=method,
        budget=budget,
        target=target,
        std=std,
        bounds=bounds,
        seed=seed,
        noisy=noisy,
        on_host=on_host,
        deadline=deadline,
        workers=workers,
        callback=callback,
        settings=settings,
    )
    return _search(request)


def _search(request: SearchRequest) -> Result:
    sign, f, method, target = request.sign, request.f, request.method, request.target
    if target is not None:
        check_number("A search over a function", "target", target)
    if request.deadline is not None:
        check_number("A search over a function", "deadline", request.deadline, above=0)
    check_seed("A search over a function", request.seed)
    if not callable(f):
        raise UpslopeError(f"f={f!r} cannot be called: give a function of x.")
    check_number("A search over a function", "workers", request.workers, at_least=1, integer=True)
    with jax.enable_x64(True):
        problem = function_problem(
            request.x0, method, request.std, request.bounds, request.settings
        )
        budget = check_budget(request.budget, problem.dimension)
        spec: Any = problem.method.experience
        cost = spec.population_size * spec.episodes_per_candidate
        aim = np.inf if target is None else sign * target
        check_population_fits(method, budget, spec)
        limits = Limits(budget // cost, aim)
        # Noise of f's own would be drawn once, while it is traced.
        own_noise = bool(request.noisy) and not wants_key(f)
        noisy = wants_key(f) if request.noisy is None else request.noisy
        here = (
            not request.on_host
            and not own_noise
            and request.deadline is None
            and request.workers == 1
        )
        program = traced(f, problem.start) if here else None
        halted = False

        def heard(nfev: int, value: float) -> bool:
            nonlocal halted
            halted = request.callback is not None and bool(request.callback(nfev, value))
            return halted

        host = HostFunction(f, request.deadline, request.workers)
        try:
            if program is not None:
                often = CHUNK if request.callback is None else max(1, PATIENCE // cost)
                progress, best, mean, check_key = _compiled(
                    problem, f, program, sign, request.seed, limits, heard, cost, often
                )
            else:
                progress, best, mean, check_key = _around(
                    problem, host, sign, request.seed, limits, heard, cost
                )
            _check_finite(progress, cost, at_least=0)
            x, fun, error = _verified(problem, host, sign, progress, check_key, noisy)
        finally:
            host.close()
        iterations = len(best)
        message, success = _verdict(
            problem, progress, limits, iterations * cost, budget, sign, halted
        )
        nfev = cost * np.arange(1, iterations + 1)
        curve = Curve(nfev, sign * np.asarray(best), sign * np.asarray(mean))
        # Nelder-Mead counts steps of its simplex, as SciPy does.
        steps = int(getattr(progress.state, "iterations", iterations))
        return Result(
            x=x,
            fun=fun,
            fun_error=error,
            best_seen=sign * float(progress.best),
            success=success,
            message=message,
            nfev=iterations * cost,
            nit=steps,
            curve=curve,
            method=method,
        )


def _compiled(
    problem: FunctionProblem,
    f: Function,
    program: str,
    sign: float,
    seed: int,
    limits: Limits,
    heard: Callable[[int, float], bool],
    cost: int,
    often: int,
) -> tuple[Progress, list[float], list[float], Array]:
    best: list[float] = []
    mean: list[float] = []
    done, target = 0, np.asarray(limits.target)
    of_f = {"f": f, "program": program, "sign": sign, "dimension": problem.dimension}
    progress: Any = None
    key: Any = None
    later: Any = None
    while done < limits.iterations:
        count = np.asarray(min(CHUNK, often, limits.iterations - done))
        if count == limits.iterations:
            progress, bests, means, later = compiled_search(
                problem.numbers, np.uint32(seed), count, target, **of_f
            )
        else:
            if progress is None:
                progress, key, later = first_progress(problem, seed)
            progress, bests, means = compiled_chunk(
                problem.numbers, progress, key, count, target, **of_f
            )
        now = int(progress.iteration)
        best += np.asarray(bests)[: now - done].tolist()
        mean += np.asarray(means)[: now - done].tolist()
        _check_finite(progress, cost)
        stopped = now - done < count or float(progress.best) >= limits.target
        done = now
        if heard(done * cost, sign * float(progress.best)) or stopped:
            break
    return progress, best, mean, later


def _around(
    problem: FunctionProblem,
    f: HostFunction,
    sign: float,
    seed: int,
    limits: Limits,
    heard: Callable[[int, float], bool],
    cost: int,
) -> tuple[Progress, list[float], list[float], Array]:
    progress, key, later = first_progress(problem, seed)
    search = HostSearch(problem, f, sign)
    best: list[float] = []
    mean: list[float] = []
    for done in range(1, limits.iterations + 1):
        progress, value = search.step(progress, key)
        best.append(float(progress.best))
        mean.append(value)
        _check_finite(progress, cost)
        stopped = best[-1] >= limits.target or int(search.stopped(progress.state))
        if heard(done * cost, sign * best[-1]) or stopped:
            break
    return progress, best, mean, later


def _check_finite(progress: Progress, cost: int, at_least: int = 100) -> None:
    """Nothing can be learned from nothing: that is said after so many evaluations."""
    taken = int(progress.iteration) * cost
    if int(progress.finite) == 0 and taken >= at_least:
        raise NumericalError(
            f"All of the first {taken} values of f were NaN or infinite: start where f is defined, "
            "or with a smaller std."
        )


def _verified(
    problem: FunctionProblem,
    f: HostFunction,
    sign: float,
    progress: Progress,
    key: Array,
    noisy: bool,
) -> tuple[PyTree, float, float]:
    """x, f(x) and its standard error."""
    if not noisy:
        x = jax.tree.map(np.asarray, progress.best_point)
        return x, sign * float(progress.best), 0.0
    x = jax.tree.map(np.asarray, problem.solution(progress.state))
    keys = list(jax.random.split(jax.random.wrap_key_data(key), VERIFICATIONS))
    values = f([x] * VERIFICATIONS, keys)
    return x, float(values.mean()), float(values.std(ddof=1) / np.sqrt(VERIFICATIONS))


def _verdict(
    problem: FunctionProblem,
    progress: Progress,
    limits: Limits,
    nfev: int,
    budget: int,
    sign: float,
    halted: bool,
) -> tuple[str, bool]:
    """Why it ended, and whether that is a success."""
    best, least = float(progress.best), float(progress.least)
    failed = nfev - int(progress.finite)
    aside = (
        f" {failed} of {nfev} values were NaN or infinite and counted as the worst."
        if failed
        else ""
    )
    if best >= limits.target:
        return f"Reached the target {sign * limits.target:g}.{aside}", True
    if nfev > 1 and best == least:
        return (
            f"The objective is flat: all {nfev} evaluations gave {sign * best:g}. Start elsewhere, "
            f"or with a larger std.{aside}",
            False,
        )
    code = int(problem.method.stopped(progress.state))
    if code:
        reason = problem.method.stop_reason(code)
        return f"Converged: {reason}.{aside}", not np.isfinite(limits.target)
    if halted:
        return f"Stopped by the callback.{aside}", False
    return f"Used the budget of {budget:,} evaluations.{aside}", False
