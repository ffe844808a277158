"""Calling somebody's function: in JAX where it can be traced, else one point at a time."""

from __future__ import annotations

import inspect
import queue
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from upslope.core.checks import UpslopeError


class EvaluationError(UpslopeError):
    """f failed. `x` is the point, `cause` what it raised (None for a deadline)."""

    def __init__(self, message: str, x: Any, cause: BaseException | None = None):
        super().__init__(message)
        self.x, self.cause = x, cause


def wants_key(f: Callable[..., Any]) -> bool:
    """Whether f has a parameter called `key`: it draws its own noise, f(x, key)."""
    try:
        return "key" in inspect.signature(f).parameters
    except (TypeError, ValueError):
        return False


_KNOWN: weakref.WeakKeyDictionary[Any, dict[Any, bool]] = weakref.WeakKeyDictionary()


def traceable(f: Callable[..., Any], point: Any) -> bool:
    """Whether JAX can compile f. A function that returns anything but one number is refused here.

    The answer for a function and a structure of x is remembered: finding out costs a millisecond.

    Raises:
      UpslopeError: f(x) is not a scalar.
    """
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), point)
    leaves, structure = jax.tree.flatten(shapes)
    kind = (structure, tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves))
    try:
        known = _KNOWN.setdefault(f, {})
    except TypeError:  # neither hashable nor weakly referable
        known = {}
    if kind not in known:
        known[kind] = _traced(f, shapes)
    return known[kind]


def _traced(f: Callable[..., Any], shapes: Any) -> bool:
    arguments = (shapes, jax.random.key(0)) if wants_key(f) else (shapes,)
    try:
        closed, out = jax.make_jaxpr(f, return_shape=True)(*arguments)
    except Exception:
        # JAX, NumPy and others speak their own errors at a tracer; what f itself has against x
        # shows at its first evaluation.
        return False
    jaxpr = closed.jaxpr
    if len(jaxpr.outvars) != 1 or not hasattr(out, "shape"):
        return False
    if not jaxpr.eqns and jaxpr.outvars[0] not in jaxpr.invars:
        return False  # a constant as far as JAX can see: perhaps f asks the world
    if out.shape != ():
        raise UpslopeError(f"f(x) has shape {out.shape}: it must return one number.")
    return True


def as_number(value: Any, x: Any) -> float:
    """One number of what f returned.

    Raises:
      EvaluationError: it is none.
    """
    array = np.asarray(value)
    if array.size != 1 or array.dtype == object or array.dtype.kind not in "fiub":
        raise EvaluationError(
            f"f returned {value!r:.80} of shape {array.shape} at x={x!r:.200}: it must return one "
            "number.",
            x,
        )
    return float(array.reshape(()))


class HostFunction:
    """f on the host, one call a point, with a deadline for each.

    Args:
      f: any callable of a point (NumPy arrays), or of a point and a key.
      deadline: seconds a call may take; None for as long as it likes.
      workers: calls at the same time, in threads: for programs that wait for something else.
    """

    def __init__(self, f: Callable[..., Any], deadline: float | None = None, workers: int = 1):
        self.f, self.deadline, self.keyed = f, deadline, wants_key(f)
        self.pool = ThreadPoolExecutor(workers) if workers > 1 else None

    def __call__(self, points: list[Any], keys: Any) -> np.ndarray:
        """The values [P], in order."""
        pairs = list(zip(points, keys, strict=True))
        if self.pool is not None:
            return np.asarray(list(self.pool.map(self._one, pairs)))
        return np.asarray([self._one(pair) for pair in pairs])

    def close(self) -> None:
        """Ends the threads."""
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)

    def _one(self, pair: tuple[Any, Any]) -> float:
        x, key = pair
        arguments = (x, key) if self.keyed else (x,)
        try:
            if self.deadline is None:
                return as_number(self.f(*arguments), x)
            return as_number(self._in_time(arguments), x)
        except UpslopeError:
            raise
        except Exception as error:
            raise EvaluationError(
                f"f raised {type(error).__name__}: {error} at x={x!r:.200}. Let it return NaN "
                "where it cannot say: that counts as the worst value.",
                x,
                error,
            ) from error

    def _in_time(self, arguments: tuple[Any, ...]) -> Any:
        answers: queue.Queue[tuple[bool, Any]] = queue.Queue()

        def call() -> None:
            try:
                answers.put((True, self.f(*arguments)))
            except BaseException as error:
                answers.put((False, error))

        threading.Thread(target=call, daemon=True).start()
        try:
            fine, answer = answers.get(timeout=self.deadline)
        except queue.Empty:
            raise EvaluationError(
                f"f has not returned within deadline={self.deadline} s at x={arguments[0]!r:.200}. "
                "Give it more time, or let it stop itself and return NaN.",
                arguments[0],
            ) from None
        if not fine:
            raise answer
        return answer
