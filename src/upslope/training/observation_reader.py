"""Observations that users give to `predict`, as batches that policies read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from upslope.core.annotations import Observation
from upslope.core.checks import UpslopeError

if TYPE_CHECKING:
    from gymnasium import spaces


class ObservationReader:
    """Brings one observation of a space, or a batch of them, into the form [N, ...].

    Floats become float32; ints are counted from 0, as policies count the states of a space.

    Attributes:
      space: a Gymnasium space.
    """

    def __init__(self, space: spaces.Space):
        self.space = space
        self._parts: dict[str, ObservationReader] | None = None
        self._is_tuple = False
        self._shape = tuple(space.shape or ())
        # Integers beyond 32 bits are floats to policies: in JAX they would wrap.
        self._floats = space.dtype is not None and np.issubdtype(space.dtype, np.floating)
        start = getattr(space, "start", None)
        self._start = None if start is None or not np.any(start) else start
        inner = getattr(space, "spaces", None)
        if inner is not None:  # Dict or Tuple
            self._is_tuple = not hasattr(inner, "keys")
            named = {str(k): part for k, part in enumerate(inner)} if self._is_tuple else inner
            self._parts = {name: ObservationReader(part) for name, part in named.items()}

    def __call__(self, observation: Observation) -> tuple[Any, int, bool]:
        """The batch [N, ...], N, and whether it was one observation.

        Raises:
          UpslopeError: for an observation that is not of the space.
        """
        if self._parts is not None:
            return self._tree(observation, self._parts)
        if isinstance(observation, tuple):
            refuse_results(observation)
        try:
            x = np.asarray(observation)
        except ValueError as error:  # lists of unlike lengths
            raise UpslopeError(
                f"predict got {observation!r:.80}, which is no array ({error}); the policy reads "
                f"observations of shape {self._shape}, or a batch [B, *{self._shape}] of them."
            ) from None
        shape = x.shape
        if shape == self._shape:
            x, single = x[None], True
        elif shape[1:] == self._shape and shape:
            single = False
        else:
            raise UpslopeError(
                f"predict got an observation of shape {shape}; the policy reads {self._shape}, or "
                f"a batch [B, *{self._shape}] of them."
            )
        if x.dtype.kind not in "fiub":
            raise UpslopeError(
                f"predict got an observation of {x.dtype} values; the policy reads numbers, as in "
                f"{self.space}."
            )
        if x.dtype.kind == "f" or (self._floats and x.dtype.kind in "iu"):
            x = x.astype(np.float32, copy=False)
            largest = np.maximum.reduce(x, axis=None, initial=-np.inf)  # NaN if any is
            if largest != largest:
                refuse_nan(x)
        elif self._start is not None:
            x = x - self._start
        return x, x.shape[0], single

    def _tree(
        self, observation: Observation, parts: dict[str, ObservationReader]
    ) -> tuple[Any, int, bool]:
        if isinstance(observation, tuple) and not self._is_tuple:
            refuse_results(observation)
        try:
            given = dict(enumerate(observation)) if self._is_tuple else dict(observation)
            given = {str(name): part for name, part in given.items()}
            # Text is left out while training, too.
            given = {k: x for k, x in given.items() if k in parts or not is_text(x)}
        except (TypeError, ValueError):
            given = {}
        if given.keys() != parts.keys():
            raise UpslopeError(
                f"predict got an observation with the parts {sorted(given)}; the policy reads "
                f"{sorted(parts)}, as in {self.space}."
            )
        read = {name: part(given[name]) for name, part in parts.items()}
        sizes = {(n, single) for _, n, single in read.values()}
        if len(sizes) != 1:
            raise UpslopeError(
                "predict got an observation of which some parts are one and some a batch: "
                f"{ {name: n for name, (_, n, _) in read.items()} }."
            )
        ((n, single),) = sizes
        batch = {name: x for name, (x, _, _) in read.items()}
        return (tuple(batch.values()) if self._is_tuple else batch), n, single


def is_text(part: object) -> bool:
    """Whether a part of an observation, or of a batch of them, is text."""
    return isinstance(part, str) or np.asarray(part).dtype.kind in "US"


def refuse_results(observation: tuple[Any, ...]) -> None:
    """Raises for what an environment's `reset` and `step` return around the observation."""
    if len(observation) == 2 and isinstance(observation[1], dict):
        raise UpslopeError(
            "predict got the pair (observation, info) that reset returns: give it the observation "
            "alone. observation, info = environment.reset()"
        )
    if len(observation) == 5 and isinstance(observation[4], dict):
        raise UpslopeError(
            "predict got the five that step returns: give it the observation alone. "
            "observation, reward, terminated, truncated, info = environment.step(action)"
        )


def refuse_nan(x: np.ndarray) -> None:
    """Raises for a batch [N, ...] with a NaN, for which no action is better than another."""
    where = np.argwhere(np.isnan(x))
    n, *place = where[0].tolist()
    raise UpslopeError(
        f"predict got an observation with {len(where)} NaN (the first: observation {n} of "
        f"{len(x)}{f', index {place}' if place else ''}): the action would mean nothing. Find out "
        "where the environment makes it."
    )
