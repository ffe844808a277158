"""Calling somebody's function: in JAX where it can be traced, else one point at a time."""

from __future__ import annotations

import hashlib
import inspect
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from upslope.core.annotations import PyTree
from upslope.core.checks import UpslopeError

# Of a point, and of a `key` if it has such a parameter; one number.
Function = Callable[..., ArrayLike]


class EvaluationError(UpslopeError):
    """f failed. `x` is the point, `cause` what it raised (None for a deadline)."""

    def __init__(self, message: str, x: PyTree, cause: BaseException | None = None):
        super().__init__(message)
        self.x, self.cause = x, cause


def wants_key(f: Callable[..., Any]) -> bool:
    """Whether f has a parameter called `key`: it draws its own noise, f(x, key=key)."""
    try:
        return "key" in inspect.signature(f).parameters
    except (TypeError, ValueError):
        return False


def traced(f: Function, point: PyTree) -> str | None:
    """What f computes, as a digest of its program; None where JAX cannot trace it.

    The program of a search is compiled for a function and a digest: f may be the same object and
    compute something else, after a value it refers to has changed. Tracing costs a millisecond.

    Raises:
      UpslopeError: f(x) is not one real number.
    """
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), point)
    settings = {"key": jax.random.key(0)} if wants_key(f) else {}
    try:
        # JAX remembers what it has traced, by the function: this one is new each time.
        anew = lambda x: f(x, **settings)  # noqa: E731
        closed, out = jax.make_jaxpr(anew, return_shape=True)(shapes)
    except Exception:
        # JAX, NumPy and others speak their own errors at a tracer; what f itself has against x
        # shows at its first evaluation.
        return None
    jaxpr = closed.jaxpr
    if len(jaxpr.outvars) != 1 or not hasattr(out, "shape"):
        return None
    if not jaxpr.eqns and jaxpr.outvars[0] not in jaxpr.invars:
        return None  # a constant as far as JAX can see: perhaps f has side effects
    if out.shape != ():
        raise UpslopeError(f"f(x) has shape {out.shape}: it must return one number.")
    if not jnp.issubdtype(out.dtype, jnp.floating) and out.dtype.kind not in "iub":
        raise UpslopeError(f"f(x) is {out.dtype}: it must return one real number.")
    digest = hashlib.sha256(str(jaxpr).encode())
    for constant in closed.consts:
        if jnp.issubdtype(jnp.result_type(constant), jax.dtypes.prng_key):
            constant = jax.random.key_data(constant)
        digest.update(np.asarray(constant).tobytes())
    return digest.hexdigest()


def as_number(value: object, x: PyTree) -> float:
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
      f: any callable of a point (NumPy arrays), and of a `key` if it has such a parameter.
      deadline: seconds a call may take; None for as long as it likes.
      workers: calls at the same time, in threads: for programs that wait for something else.
    """

    def __init__(self, f: Function, deadline: float | None = None, workers: int = 1):
        self.f, self.deadline, self.keyed = f, deadline, wants_key(f)
        self.pool = ThreadPoolExecutor(workers) if workers > 1 else None

    def __call__(self, points: list[PyTree], keys: Sequence[Array]) -> np.ndarray:
        """The values [P], in order."""
        pairs = list(zip(points, keys, strict=True))
        if self.pool is not None:
            return np.asarray(list(self.pool.map(self._one, pairs)))
        return np.asarray([self._one(pair) for pair in pairs])

    def close(self) -> None:
        """Ends the threads."""
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)

    def _one(self, pair: tuple[PyTree, Array]) -> float:
        x, key = pair
        try:
            call = self._in_time if self.deadline is not None else self._called
            return as_number(call(x, key), x)
        except UpslopeError:
            raise
        except Exception as error:
            raise EvaluationError(
                f"f raised {type(error).__name__}: {error} at x={x!r:.200}. Let it return NaN "
                "where it cannot say: that counts as the worst value.",
                x,
                error,
            ) from error

    def _called(self, x: PyTree, key: Array) -> ArrayLike:
        with jax.enable_x64(True):  # a thread has this setting for itself
            return self.f(x, key=key) if self.keyed else self.f(x)

    def _in_time(self, x: PyTree, key: Array) -> ArrayLike:
        answers: queue.Queue[tuple[bool, Any]] = queue.Queue()

        def call() -> None:
            try:
                answers.put((True, self._called(x, key)))
            except BaseException as error:
                answers.put((False, error))

        threading.Thread(target=call, daemon=True).start()
        try:
            fine, answer = answers.get(timeout=self.deadline)
        except queue.Empty:
            raise EvaluationError(
                f"f has not returned within deadline={self.deadline} s at x={x!r:.200}. "
                "Give it more time, or let it stop itself and return NaN.",
                x,
            ) from None
        if not fine:
            raise answer
        return answer
