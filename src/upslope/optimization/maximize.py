"""The best x of any function, by any method that needs values alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from upslope.core.annotations import PyTree
from upslope.core.checks import NumericalError, UpslopeError, check_number
from upslope.optimization.evaluation import Function, FunctionCall, HostFunction, traced
from upslope.optimization.host_search import BEST, FINITE, MEAN, STEPS, STOPPED, HostSearch
from upslope.optimization.listener import Callback, Listener
from upslope.optimization.loops import (
    CHUNK,
    Limits,
    Progress,
    compiled_chunk,
    compiled_search,
    first_progress,
    steps_of,
)
from upslope.optimization.points import Bounds
from upslope.optimization.problem import (
    FunctionProblem,
    check_budget,
    check_population_fits,
    function_problem,
)
from upslope.optimization.result import Curve, Result
from upslope.optimization.scipy_words import OWNER, Seed, read_options, seed_of
from upslope.optimization.warm_start import Told, best_told, standing_of

# Fresh evaluations of the solution of a noisy function.
VERIFICATIONS = 100
# Evaluations between two calls of a callback, in a compiled search.
PATIENCE = 500


class SearchRequest(NamedTuple):
    """What `maximize` and `minimize` were asked for; the fields are their arguments."""

    sign: float  # 1 to maximise f, -1 to minimise it
    f: Function
    x0: PyTree
    method: str | None
    args: object
    budget: int | None
    target: float | None
    std: float | None
    bounds: Bounds | None
    seed: Seed
    noisy: bool | None
    on_host: bool | None
    vectorized: bool
    deadline: float | None
    workers: int
    callback: Callback | None
    tol: float | None
    integrality: ArrayLike | None
    warm_start: Result | None
    told: Told | None
    options: Mapping[str, Any] | None
    settings: dict[str, Any]


def maximize(
    f: Function,
    x0: PyTree = None,
    method: str | None = "cma-es",
    *,
    args: object = (),
    budget: int | None = None,
    target: float | None = None,
    std: float | None = None,
    bounds: Bounds | None = None,
    integrality: ArrayLike | None = None,
    seed: Seed = 0,
    noisy: bool | None = None,
    on_host: bool | None = None,
    vectorized: bool = False,
    deadline: float | None = None,
    workers: int = 1,
    callback: Callback | None = None,
    tol: float | None = None,
    warm_start: Result | None = None,
    told: Told | None = None,
    options: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Result:
    r"""Searches :math:`\arg\max_x f(x)` with values of f alone.

    f may be written in JAX (then the whole search is one compiled program), in NumPy, or start an
    external program; it takes x and returns one number, NaN where it cannot say (that counts as the
    worst). A function with a parameter `key` draws its noise from there: f(x, key=key). All is
    computed in double precision. The same arguments give the same result.

    Args:
      f: what is maximised.
      x0: where to start: a number, a vector, or any tree of arrays. f gets the same structure. None
        for a vector in the middle of finite `bounds`, with a first step size of a quarter of the
        narrowest.
      method: a name of `upslope list methods` that needs returns alone, in any case.
      args: what f gets after x, as in SciPy: f(x, *args).
      budget: evaluations of f at most; None for 1000 a coordinate and at least 10,000.
      target: stop as soon as a value is at least this.
      std: the method's first step size, in units of x.
      bounds: (low, high), one pair for each coordinate, or a `scipy.optimize.Bounds`; kept by a
        smooth transform. A coordinate whose bounds are equal is fixed, and not searched.
      integrality: which coordinates are whole numbers, booleans or 0 and 1, as in SciPy: f gets
        them rounded. For `cma-es` and `sep-cma-es`; others search spaces of whole numbers alone.
      seed: of the search's randomness: a whole number, or a `numpy.random.Generator` from which one
        is drawn.
      noisy: whether f gives different values at the same x; None: if it has a parameter `key`.
      on_host: call f with NumPy arrays, one point at a time, although JAX could trace it; None
        decides by trying.
      vectorized: f takes all points of a population at once, an array [P, d] (leaves [P, ...]),
        and returns their values [P].
      deadline: seconds one call of f may take on the host.
      workers: calls at the same time on the host, in threads.
      callback: `callback(nfev, best)` after every iteration (on the host) or every few hundred
        evaluations (compiled); a true value ends the search. SciPy's `callback(xk)` and
        `callback(intermediate_result=...)` are known by their signature; StopIteration ends it too.
      tol: every tolerance that the method has.
      warm_start: the result of an earlier search by CMA-ES, whose step size (unless `std` is given)
        and covariance this one begins with, at its mean (or at x0, if that is given). The function
        may be another one; bounds and the number of coordinates may not.
      told: (points, values), evaluated before: CMA-ES begins with the Gaussian around the best
        tenth of them, and the best of them is the solution where the search meets no better. They
        are not counted as evaluations.
      options: as SciPy's: `maxfev` (the budget), `maxiter` (iterations at most), and the method's
        own settings.
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
        args=args,
        budget=budget,
        target=target,
        std=std,
        bounds=bounds,
        seed=seed,
        noisy=noisy,
        on_host=on_host,
        vectorized=vectorized,
        deadline=deadline,
        workers=workers,
        callback=callback,
        tol=tol,
        integrality=integrality,
        warm_start=warm_start,
        told=told,
        options=options,
        settings=settings,
    )
    return _search(request)


def minimize(
    f: Function,
    x0: PyTree = None,
    method: str | None = "cma-es",
    *,
    args: object = (),
    budget: int | None = None,
    target: float | None = None,
    std: float | None = None,
    bounds: Bounds | None = None,
    integrality: ArrayLike | None = None,
    seed: Seed = 0,
    noisy: bool | None = None,
    on_host: bool | None = None,
    vectorized: bool = False,
    deadline: float | None = None,
    workers: int = 1,
    callback: Callback | None = None,
    tol: float | None = None,
    warm_start: Result | None = None,
    told: Told | None = None,
    options: Mapping[str, Any] | None = None,
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
        args=args,
        budget=budget,
        target=target,
        std=std,
        bounds=bounds,
        seed=seed,
        noisy=noisy,
        on_host=on_host,
        vectorized=vectorized,
        deadline=deadline,
        workers=workers,
        callback=callback,
        tol=tol,
        integrality=integrality,
        warm_start=warm_start,
        told=told,
        options=options,
        settings=settings,
    )
    return _search(request)


def _search(request: SearchRequest) -> Result:
    sign, target = request.sign, request.target
    if target is not None:
        check_number(OWNER, "target", target)
    if request.deadline is not None:
        check_number(OWNER, "deadline", request.deadline, above=0)
    if not callable(request.f):
        raise UpslopeError(f"f={request.f!r} cannot be called: give a function of x.")
    check_number(OWNER, "workers", request.workers, at_least=1, integer=True)
    if request.vectorized and request.workers > 1:
        raise UpslopeError(
            f"{OWNER} got vectorized=True and workers={request.workers}: f is called once for all "
            "points of a population, so share them out inside of f, or leave vectorized out."
        )
    options = read_options(request.options, request.budget)
    twice = sorted(set(options.settings) & set(request.settings))
    if twice:
        raise UpslopeError(f"{OWNER} got {twice[0]} twice: in options= and as a keyword.")
    listener = Listener(request.callback)
    seed = seed_of(OWNER, request.seed)
    with jax.enable_x64(True):
        problem = function_problem(
            request.x0,
            request.method,
            request.std,
            request.bounds,
            {**options.settings, **request.settings},
            request.tol,
            request.integrality,
            request.warm_start,
            request.told,
            sign,
        )
        spec = problem.spec
        cost = spec.population_size * spec.episodes_per_candidate
        budget = check_budget(options, problem, cost)
        check_population_fits(problem.name, budget, spec)
        limits = Limits(
            iterations=budget // cost,
            steps=np.inf if options.iterations is None else options.iterations,
            target=np.inf if target is None else sign * target,
        )
        call = FunctionCall(request.f, request.args, vectorized=request.vectorized)
        # Noise of f's own would be drawn once, while it is traced.
        own_noise = bool(request.noisy) and not call.keyed
        noisy = call.keyed if request.noisy is None else request.noisy
        here = (
            not request.on_host
            and not own_noise
            and request.deadline is None
            and request.workers == 1
        )
        program = traced(call, problem.population(spec.population_size)) if here else None
        host = HostFunction(call, request.deadline, request.workers)
        try:
            if program is not None:
                often = CHUNK if request.callback is None else max(1, PATIENCE // cost)
                progress, best, mean, check_key = _compiled(
                    problem, call, program, sign, seed, limits, listener, cost, often
                )
            else:
                progress, best, mean, check_key = _around(
                    problem, host, sign, seed, limits, listener, cost
                )
            _check_finite(int(progress.iteration) * cost, int(progress.finite), at_least=0)
            if request.told is not None:
                progress = _with_told(progress, request.told, sign)
            x, fun, error = _verified(problem, host, sign, progress, check_key, noisy)
        finally:
            host.close()
        iterations = len(best)
        message, success = _verdict(
            problem, progress, limits, iterations * cost, budget, sign, listener.halted
        )
        nfev = cost * np.arange(1, iterations + 1)
        curve = Curve(nfev, sign * np.asarray(best), sign * np.asarray(mean))
        return Result(
            x=x,
            fun=fun,
            fun_error=error,
            best_seen=sign * float(progress.best),
            success=success,
            message=message,
            nfev=iterations * cost,
            nit=int(steps_of(progress)),
            curve=curve,
            method=problem.name,
            standing=standing_of(problem.method, progress.state, problem.coordinates),
        )


def _with_told(progress: Progress, told: Told, sign: float) -> Progress:
    """The progress with the best of the points that were told, where the search met no better."""
    value, point = best_told(told, sign)
    if value <= float(progress.best):
        return progress
    like = progress.best_point
    shaped = jax.tree.map(lambda x, leaf: np.asarray(leaf, x.dtype).reshape(x.shape), like, point)
    return progress._replace(best=np.asarray(value), best_point=shaped)


def _compiled(
    problem: FunctionProblem,
    call: FunctionCall,
    program: str,
    sign: float,
    seed: int,
    limits: Limits,
    listener: Listener,
    cost: int,
    often: int,
) -> tuple[Progress, list[float], list[float], Array]:
    best: list[float] = []
    mean: list[float] = []
    done, steps, target = 0, np.asarray(limits.steps), np.asarray(limits.target)
    of_f = {"call": call, "program": program, "sign": sign, "dimension": problem.dimension}
    progress: Any = None
    key: Any = None
    later: Any = None
    while done < limits.iterations:
        count = np.asarray(min(CHUNK, often, limits.iterations - done))
        if count == limits.iterations:
            progress, bests, means, later = compiled_search(
                problem.numbers, np.uint32(seed), count, steps, target, **of_f
            )
        else:
            if progress is None:
                progress, key, later = first_progress(problem, seed)
            progress, bests, means = compiled_chunk(
                problem.numbers, progress, key, count, steps, target, **of_f
            )
        now = int(progress.iteration)
        best += np.asarray(bests)[: now - done].tolist()
        mean += np.asarray(means)[: now - done].tolist()
        _check_finite(now * cost, int(progress.finite))
        stopped = now - done < count or float(progress.best) >= limits.target
        done = now
        best_point = progress.best_point
        ended = listener(
            done * cost,
            sign * float(progress.best),
            int(steps_of(progress)),
            lambda: jax.tree.map(np.array, best_point),  # noqa: B023
        )
        if ended or stopped or int(steps_of(progress)) >= limits.steps:
            break
    return progress, best, mean, later


def _around(
    problem: FunctionProblem,
    f: HostFunction,
    sign: float,
    seed: int,
    limits: Limits,
    listener: Listener,
    cost: int,
) -> tuple[Progress, list[float], list[float], Array]:
    search = HostSearch(problem, seed, keyed=f.call.keyed, vectorized=f.call.vectorized)
    episodes = problem.spec.episodes_per_candidate
    point = lambda: jax.tree.map(np.array, search.progress.best_point)  # noqa: E731
    best: list[float] = []
    mean: list[float] = []
    for done in range(1, limits.iterations + 1):
        points, words = search.asked()
        read = search.tell(sign * f(points, words, episodes))
        best.append(float(read[BEST]))
        mean.append(float(read[MEAN]))
        if not read[FINITE]:
            _check_finite(done * cost, 0)
        steps = int(read[STEPS])
        ended = best[-1] >= limits.target or read[STOPPED] != 0 or steps >= limits.steps
        if listener(done * cost, sign * best[-1], steps, point) or ended:
            break
    return search.progress, best, mean, search.later


def _check_finite(taken: int, finite: int, at_least: int = 100) -> None:
    """Nothing can be learned from nothing: that is said after so many evaluations."""
    if finite == 0 and taken >= at_least:
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
    words = None
    if f.call.keyed:
        split = jax.random.split(jax.random.wrap_key_data(key), VERIFICATIONS)
        words = np.asarray(jax.random.key_data(split))
        words = words[:1] if f.call.vectorized else words
    repeated = jax.tree.map(lambda leaf: np.stack([leaf] * VERIFICATIONS), x)
    values = f(repeated, words)
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
        if not problem.method.converged(code):
            return f"Stopped before it converged: {reason}.{aside}", False
        return f"Converged: {reason}.{aside}", not np.isfinite(limits.target)
    if halted:
        return f"Stopped by the callback.{aside}", False
    if int(steps_of(progress)) >= limits.steps:
        return f"Used the {int(limits.steps):,} iterations of maxiter.{aside}", False
    return f"Used the budget of {budget:,} evaluations.{aside}", False
