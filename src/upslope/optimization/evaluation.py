"""Calling somebody's function: in JAX where it can be traced, else on the host."""

from __future__ import annotations

import hashlib
import inspect
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
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


def wants_key(f: Callable[..., Any], args: Sequence[object] = ()) -> bool:
    """Whether f has a parameter called `key` that is still free: it draws its noise from there."""
    try:
        signature = inspect.signature(f)
        if "key" not in signature.parameters:
            return False
        return "key" not in signature.bind_partial(None, *args).arguments
    except (TypeError, ValueError):
        return False


class FunctionCall:
    """How f is called: f(x, *args), with a key by name where it wants one.

    Two calls are equal where their functions are: what f computes with other `args`, or after a
    value that it refers to has changed, is told by the digest of `traced`. So it can be a static
    argument of a compiled program.

    Args:
      f: of a point x, or of all points [P, ...] of a population at once.
      args: what f gets after x, as in SciPy; one that is no tuple stands for itself.
      vectorized: whether f takes a whole population and returns its values [P].
    """

    def __init__(self, f: Function, args: object = (), *, vectorized: bool = False):
        self.f = f
        self.args: tuple[object, ...] = args if isinstance(args, tuple) else (args,)
        self.vectorized, self.keyed = vectorized, wants_key(f, self.args)
        try:
            self._hash = hash((f, vectorized))
        except TypeError:
            self._hash = hash((id(f), vectorized))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FunctionCall) or self._hash != other._hash:
            return False
        same = self.f is other.f or (
            inspect.ismethod(self.f) and inspect.ismethod(other.f) and self.f == other.f
        )
        return same and self.vectorized == other.vectorized and self.keyed == other.keyed

    def __call__(self, x: PyTree, key: Array | None = None) -> ArrayLike:
        """What f returns; the key is for an f that wants one."""
        return self.f(x, *self.args, key=key) if self.keyed else self.f(x, *self.args)


def traced(call: FunctionCall, points: PyTree) -> str | None:
    """What f computes, as a digest of its program; None where JAX cannot trace it.

    The program of a search is compiled for a function and a digest: f may be the same object and
    compute something else, after a value it refers to has changed. Tracing costs a millisecond.

    Args:
      call: how f is called.
      points: a population, leaves [P, ...].

    Raises:
      UpslopeError: f does not return one real number, or P of them where it is vectorized.
    """
    size = jax.tree.leaves(points)[0].shape[0]
    cut = 0 if call.vectorized else 1
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[cut:], leaf.dtype), points)
    key = jax.random.key(0) if call.keyed else None
    try:
        # JAX remembers what it has traced, by the function: this one is new each time.
        anew = lambda x: call(x, key)  # noqa: E731
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
    if out.shape != ((size,) if call.vectorized else ()):
        raise UpslopeError(_wrong_shape(call, out.shape, size))
    if not jnp.issubdtype(out.dtype, jnp.floating) and out.dtype.kind not in "iub":
        raise UpslopeError(f"f(x) is {out.dtype}: it must return one real number.")
    digest = hashlib.sha256(str(jaxpr).encode())
    for constant in closed.consts:
        if jnp.issubdtype(jnp.result_type(constant), jax.dtypes.prng_key):
            constant = jax.random.key_data(constant)
        digest.update(np.asarray(constant).tobytes())
    return digest.hexdigest()


def _wrong_shape(call: FunctionCall, shape: tuple[int, ...], size: int) -> str:
    if call.vectorized:
        return (
            f"f of {size} points has shape {shape}: with vectorized=True it gets all points of a "
            f"population, an array with an axis [{size}] in front, and must return ({size},) "
            "numbers."
        )
    return f"f(x) has shape {shape}: it must return one number."


def as_number(value: object, x: PyTree) -> float:
    """One number of what f returned.

    Raises:
      EvaluationError: it is none.
    """
    if isinstance(value, float):
        return value
    array = np.asarray(value)
    if array.size != 1 or array.dtype == object or array.dtype.kind not in "fiub":
        raise EvaluationError(
            f"f returned {value!r:.80} of shape {array.shape} at x={x!r:.200}: it must return one "
            "number.",
            x,
        )
    return float(array.reshape(()))


class HostFunction:
    """f on the host: one call per point, or one per population where it is vectorized.

    Args:
      call: how f is called, with NumPy arrays.
      deadline: seconds a call may take; None for as long as it likes.
      workers: calls at the same time, in threads: for programs that wait for something else.
    """

    def __init__(self, call: FunctionCall, deadline: float | None = None, workers: int = 1):
        self.call, self.deadline = call, deadline
        self.pool = ThreadPoolExecutor(workers) if workers > 1 else None

    def __call__(
        self, points: PyTree, words: np.ndarray | None = None, episodes: int = 1
    ) -> np.ndarray:
        """The values [P, E] of points, each taken E times.

        Args:
          points: NumPy arrays [P, ...].
          words: data of the keys [P * E, 2], those of a point in a row; of a vectorized f [E, 2].
          episodes: E.
        """
        size = jax.tree.leaves(points)[0].shape[0]
        if self.call.vectorized:
            columns = [self._population(points, key, size) for key in _keys(words, episodes)]
            return np.stack(columns, axis=1)
        each = list(_each(points, size))
        keys = _keys(words, size * episodes)
        if self.pool is None and self.deadline is None and not self.call.keyed:
            values = [self._plain(x) for x in each for _ in range(episodes)]
        else:
            pairs = list(zip([x for x in each for _ in range(episodes)], keys, strict=True))
            over = map if self.pool is None else self.pool.map
            values = list(over(self._one, pairs))
        return np.asarray(values, float).reshape(size, episodes)

    def close(self) -> None:
        """Ends the threads."""
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)

    def _plain(self, x: PyTree) -> float:
        try:
            return as_number(self.call(x), x)
        except UpslopeError:
            raise
        except Exception as error:
            raise _raised(error, x) from error

    def _one(self, pair: tuple[PyTree, Array | None]) -> float:
        x, key = pair
        return as_number(self._answer(x, key), x)

    def _population(self, points: PyTree, key: Array | None, size: int) -> np.ndarray:
        # f gets an array of its own: it may write into it, or keep it.
        points = jax.tree.map(np.array, points)
        values = np.asarray(self._answer(points, key))
        if values.shape not in ((size,), (size, 1)) or values.dtype.kind not in "fiub":
            raise EvaluationError(_wrong_shape(self.call, values.shape, size), points)
        return values.reshape(size).astype(float)

    def _answer(self, x: PyTree, key: Array | None) -> ArrayLike:
        try:
            return self._called(x, key) if self.deadline is None else self._in_time(x, key)
        except UpslopeError:
            raise
        except Exception as error:
            raise _raised(error, x) from error

    def _called(self, x: PyTree, key: Array | None) -> ArrayLike:
        with jax.enable_x64(True):  # a thread has this setting for itself
            return self.call(x, key)

    def _in_time(self, x: PyTree, key: Array | None) -> ArrayLike:
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


def _raised(error: Exception, x: PyTree) -> EvaluationError:
    return EvaluationError(
        f"f raised {type(error).__name__}: {error} at x={x!r:.200}. Let it return NaN "
        "where it cannot say: that counts as the worst value.",
        x,
        error,
    )


def _each(points: PyTree, size: int) -> Iterator[PyTree]:
    """The points one by one."""
    if isinstance(points, np.ndarray):
        return iter(points)
    return (jax.tree.map(lambda leaf: leaf[i], points) for i in range(size))  # noqa: B023


def _keys(words: np.ndarray | None, count: int) -> list[Array | None]:
    """Keys of their words [count, 2]; none where there are none."""
    if words is None:
        return [None] * count
    return [jax.random.wrap_key_data(row) for row in words]
