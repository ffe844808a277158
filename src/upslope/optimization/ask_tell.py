"""Ask for points, evaluate them anywhere, tell the values: with a memory on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from upslope.core.annotations import PyTree
from upslope.core.checks import StorageError, UpslopeError
from upslope.optimization.loops import Progress, first_progress, keys_of, told
from upslope.optimization.points import Bounds, plain
from upslope.optimization.problem import function_problem
from upslope.optimization.scipy_words import Seed, seed_of
from upslope.storage.checkpoint import checkpoints, load_latest, save_checkpoint


class AskTell:
    """A search whose evaluations happen elsewhere: in a laboratory, on a robot, by hand.

    ::

        search = AskTell([0.0, 0.0], "cma-es", folder="my-search", maximize=False)
        points = search.ask()                  # the same ones until they are told
        search.tell([measure(x) for x in points])

    With a folder every `tell` is saved before it returns, and a search constructed with the same
    arguments goes on from there, after a power cut too: the points asked are a function of what was
    told, so nothing is lost between an ask and its tell.

    Args:
      x0: where to start, as for `maximize`.
      method: a name; its own settings as keywords.
      maximize: False to minimise.
      std: the first step size.
      bounds: as for `maximize`.
      integrality: as for `maximize`.
      seed: of the search's randomness.
      folder: where to keep it; None to keep it in memory alone.
      settings: the method's own.

    Raises:
      UpslopeError: arguments that make no sense.
      StorageError: the folder holds a search with other arguments.
    """

    def __init__(
        self,
        x0: PyTree = None,
        method: str = "cma-es",
        *,
        maximize: bool = True,
        std: float | None = None,
        bounds: Bounds | None = None,
        integrality: ArrayLike | None = None,
        seed: Seed = 0,
        folder: str | Path | None = None,
        **settings: Any,
    ):
        seed = seed_of("AskTell", seed)
        self._sign = 1.0 if maximize else -1.0
        self._folder = None if folder is None else Path(folder)
        described = {
            "x0": _plain(x0),
            "method": method,
            "maximize": maximize,
            "std": std,
            "bounds": _plain(None if bounds is None else plain(bounds)),
            "integrality": _plain(integrality),
            "seed": seed,
            "settings": {name: _plain(value) for name, value in sorted(settings.items())},
        }
        self._arguments = described
        with jax.enable_x64(True):
            self._problem = function_problem(
                x0, method, std, bounds, settings, integrality=integrality
            )
            self._progress, self._key, _ = first_progress(self._problem, seed)
            if self._folder is not None and checkpoints(self._folder):
                self._progress = self._resumed(self._folder)
        self._asked: PyTree = None

    def ask(self) -> list[PyTree]:
        """The points to evaluate, of the structure of x0. Asking again gives the same ones."""
        with jax.enable_x64(True):
            self._asked = self._candidates()
            points = jax.tree.map(np.asarray, self._problem.points(self._asked))
        return [
            jax.tree.map(lambda leaf: leaf[i], points)  # noqa: B023
            for i in range(jax.tree.leaves(points)[0].shape[0])
        ]

    def tell(self, values: Sequence[float] | Float[ArrayLike, "P ..."]) -> None:
        """The values of the points last asked, in their order; NaN for one that failed.

        Args:
          values: [P], or [P, E] with several measurements a point.

        Raises:
          UpslopeError: another number of values.
          StorageError: they could not be saved; the search is then where it was before.
        """
        with jax.enable_x64(True):
            candidates = self._candidates() if self._asked is None else self._asked
            size = jax.tree.leaves(candidates)[0].shape[0]
            try:
                array = np.asarray(values, float)
            except (TypeError, ValueError):
                raise UpslopeError(
                    f"tell got {values!r:.200}: give {size} real numbers, in the order of ask()."
                ) from None
            if array.ndim not in (1, 2) or array.shape[0] != size or array.size == 0:
                raise UpslopeError(
                    f"tell got values of shape {array.shape} for {size} points: give one number "
                    "for each, in the order of ask()."
                )
            array = self._sign * array.reshape(size, -1)
            progress, _ = told(
                self._problem, self._progress, self._key, candidates, jnp.asarray(array)
            )
            if self._folder is not None:
                save_checkpoint(
                    self._folder, int(progress.iteration), progress, {"arguments": self._arguments}
                )
            self._progress, self._asked = progress, None

    @property
    def best(self) -> tuple[PyTree, float]:
        """The best point told so far and its value (optimistic where values are noisy)."""
        if int(self._progress.iteration) == 0:
            raise UpslopeError("Nothing has been told yet: there is no best point.")
        x = jax.tree.map(np.asarray, self._progress.best_point)
        return x, self._sign * float(self._progress.best)

    @property
    def solution(self) -> PyTree:
        """The point the method would keep: with noise a better choice than the best one seen."""
        with jax.enable_x64(True):
            return jax.tree.map(np.asarray, self._problem.solution(self._progress.state))

    @property
    def iteration(self) -> int:
        """How often values were told."""
        return int(self._progress.iteration)

    @property
    def stopped(self) -> str | None:
        """Why the method has stopped moving, None while it has not."""
        with jax.enable_x64(True):
            code = int(self._problem.method.stopped(self._progress.state))
        return self._problem.method.stop_reason(code) if code else None

    def _candidates(self) -> PyTree:
        key = keys_of(self._key, self._progress.iteration)[0]
        return self._problem.method.ask(key, self._progress.state)

    def _resumed(self, folder: Path) -> Progress:
        _, progress, metadata = load_latest(folder, self._progress)
        saved = metadata.get("arguments", {})
        for name, value in self._arguments.items():
            if saved.get(name) != value:
                raise StorageError(
                    f"{folder} holds a search with {name}={saved.get(name)!r}, not {value!r}: "
                    "construct it with the same arguments, or take another folder."
                )
        return jax.tree.map(jnp.asarray, progress)


def _plain(value: object) -> Any:
    """A value as JSON would keep it, so that two of them can be compared."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    leaves = jax.tree.leaves(value)
    if len(leaves) == 1 and leaves[0] is value:
        return np.asarray(value).tolist()
    return [type(value).__name__, *[_plain(leaf) for leaf in leaves]]
