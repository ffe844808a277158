"""Gymnasium spaces at the border between policies and simulators.

Relative imports: this module also runs in simulator processes, which never import JAX.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.spaces.utils import flatdim, flatten

from ...core.checks import EnvironmentContractError, UpslopeError

PLAIN = (spaces.Box, spaces.Discrete, spaces.MultiBinary, spaces.MultiDiscrete)


class ObservationCoder:
    """Turns a simulator's observations into arrays of one shape and dtype.

    Floats become float32, uint8 and bool stay, other integers become int32; discrete spaces are
    counted from 0. Dict and Tuple are flattened by `gymnasium.spaces.utils.flatten` (discrete
    parts one-hot) to a float32 vector; nothing else changes its shape.

    Attributes:
      space: what policies see. A discrete one keeps its start, so that whoever acts outside the
        sampler can shift as it does.
      shape: of one coded observation.
      dtype: of one coded observation.

    Raises:
      UpslopeError: for spaces without a fixed size (Text, Graph, Sequence, ...).
    """

    def __init__(self, declared: spaces.Space, name: str):
        self.declared = declared
        self.name = name
        odd = unsupported_part(declared)
        if odd is not None:
            raise UpslopeError(
                f"{name} observes {declared}: a {type(odd).__name__} space has no fixed size. Wrap "
                "the environment so that it observes Box, Discrete, MultiBinary or MultiDiscrete "
                "spaces, or a Dict or Tuple of them (gymnasium.wrappers.TransformObservation)."
            )
        if isinstance(declared, PLAIN):
            self.space: spaces.Space = declared
            self.shape = tuple(int(n) for n in declared.shape or ())
            self.dtype = border_dtype(declared.dtype)
            if isinstance(declared, spaces.Box) and declared.dtype != self.dtype:
                low, high = (bound.astype(self.dtype) for bound in (declared.low, declared.high))
                self.space = spaces.Box(low, high, dtype=self.dtype.type)
        else:
            self.shape = (flatdim(declared),)
            self.dtype = np.dtype(np.float32)
            low, high = flat_bounds(declared)
            self.space = spaces.Box(low, high, dtype=np.float32)

    def encode(self, observation: Any) -> Any:
        """The observation as policies see it (a cast happens where it is stored)."""
        if isinstance(self.declared, spaces.Discrete):
            return int(observation) - int(self.declared.start)
        if isinstance(self.declared, spaces.MultiDiscrete):
            return observation - self.declared.start
        if isinstance(self.declared, PLAIN):
            return observation
        return flatten(self.declared, observation)

    def check(self, observation: Any, when: str) -> None:
        """Raises EnvironmentContractError unless the observation is of the declared kind."""
        complaint = mismatch(self.declared, observation, "observation")
        if complaint:
            raise EnvironmentContractError(f"{self.name} broke its contract in {when}: {complaint}")


class ActionCoder:
    """Turns a policy's actions into what a simulator takes.

    Box actions are clipped into the bounds; discrete ones are counted from 0 by policies and
    shifted to where the space starts. What is recorded is the policy's action, before all this.

    Attributes:
      space: what policies see; a discrete one keeps its start.
      size: numbers in one action.
      dtype: of those numbers.

    Raises:
      UpslopeError: for Dict, Tuple and other spaces that are not one array.
    """

    def __init__(self, declared: spaces.Space, name: str):
        self.declared = declared
        self.name = name
        if not isinstance(declared, PLAIN):
            raise UpslopeError(
                f"{name} takes actions in {declared}, which are not one array. Wrap it in a "
                "gymnasium.ActionWrapper whose action_space is a Box, Discrete, MultiDiscrete or "
                "MultiBinary space and that rebuilds the nested action."
            )
        self.space = declared
        self.size = int(np.prod(declared.shape or (), dtype=int))
        self.dtype = np.dtype(np.float32 if isinstance(declared, spaces.Box) else np.int32)

    def decode(self, row: np.ndarray) -> Any:
        """What `env.step` gets for one row [size] of policy actions."""
        space = self.declared
        if isinstance(space, spaces.Discrete):
            return int(row[0]) + int(space.start)
        if isinstance(space, spaces.MultiDiscrete):
            return (row.reshape(space.shape) + space.start).astype(space.dtype)
        action = row.reshape(space.shape)
        if isinstance(space, spaces.Box):
            # The cast comes last but one: a float32 action may round to above a float64 bound.
            if np.issubdtype(space.dtype, np.integer):
                action = np.rint(action)
            return np.clip(action, space.low, space.high).astype(space.dtype, copy=False)
        return action.astype(space.dtype)


def policy_spaces(world: Any) -> tuple[spaces.Space, spaces.Space]:
    """Observation and action space of simulators, as policies see them.

    Raises:
      UpslopeError: for spaces that have no such form, with the remedy.
    """
    name = str(getattr(world, "id", type(world).__name__))
    observations = ObservationCoder(world.observation_space, name)
    return observations.space, ActionCoder(world.action_space, name).space


def unsupported_part(space: spaces.Space) -> spaces.Space | None:
    """The first part of a space that has no fixed-size array form, or None."""
    if isinstance(space, spaces.Dict):
        parts = list(space.spaces.values())
    elif isinstance(space, spaces.Tuple):
        parts = list(space.spaces)
    else:
        return None if isinstance(space, PLAIN) else space
    return next((odd for odd in map(unsupported_part, parts) if odd is not None), None)


def border_dtype(dtype: Any) -> np.dtype:
    """The dtype a compiled program gets: float32, uint8 or bool as they are, else int32."""
    if np.issubdtype(dtype, np.floating):
        return np.dtype(np.float32)
    return np.dtype(dtype) if np.dtype(dtype) in (np.uint8, np.bool_) else np.dtype(np.int32)


def flat_bounds(space: spaces.Space) -> tuple[np.ndarray, np.ndarray]:
    """The bounds of a flattened space; one-hot and binary parts lie in [0, 1]."""
    if isinstance(space, spaces.Box):
        return space.low.ravel().astype(np.float32), space.high.ravel().astype(np.float32)
    if isinstance(space, spaces.Dict | spaces.Tuple):
        parts = space.spaces.values() if isinstance(space, spaces.Dict) else space.spaces
        bounds = [flat_bounds(part) for part in parts]
        low = [low for low, _ in bounds] or [np.zeros(0, np.float32)]
        high = [high for _, high in bounds] or [np.zeros(0, np.float32)]
        return np.concatenate(low), np.concatenate(high)
    size = flatdim(space)
    return np.zeros(size, np.float32), np.ones(size, np.float32)


def mismatch(space: spaces.Space, value: Any, name: str) -> str | None:
    """What is wrong with an observation and how to mend it, or None.

    Bounds are not judged: simulators overstep them by rounding.
    """
    if isinstance(space, spaces.Dict):
        if not isinstance(value, dict) or set(value) != set(space.spaces):
            keys = sorted(value) if isinstance(value, dict) else type(value).__name__
            return f"{name} must be a dict with the keys {sorted(space.spaces)}, not {keys}."
        found = (mismatch(part, value[k], f"{name}[{k!r}]") for k, part in space.spaces.items())
        return next((complaint for complaint in found if complaint), None)
    if isinstance(space, spaces.Tuple):
        if not isinstance(value, tuple | list) or len(value) != len(space.spaces):
            return f"{name} must be a tuple of {len(space.spaces)} parts, not {value!r}."
        parts = enumerate(zip(space.spaces, value, strict=True))
        found = (mismatch(part, item, f"{name}[{i}]") for i, (part, item) in parts)
        return next((complaint for complaint in found if complaint), None)
    if isinstance(space, spaces.Discrete):
        # bool is an int to Python, but never one of n states to an author.
        if np.ndim(value) or not np.issubdtype(np.asarray(value).dtype, np.integer):
            return f"{name} must be one integer of {space}, not {value!r}: return an int."
        if not space.start <= int(value) < space.start + space.n:
            return f"{name}={int(value)} lies outside {space}: declare a larger Discrete space."
        return None
    if not isinstance(value, np.ndarray):
        if space.shape == () and isinstance(value, np.generic):
            return None
        return (
            f"{name} is a {type(value).__name__}, but {space} promises an array: "
            f"return numpy.asarray({name}, dtype=numpy.{space.dtype})."
        )
    if value.shape != space.shape:
        return (
            f"{name} has shape {value.shape}, but {space} promises {space.shape}: "
            "declare the space with the shape that is returned."
        )
    kinds = {value.dtype.kind, np.dtype(space.dtype).kind}
    if len(kinds) > 1 and not kinds <= {"i", "u"}:
        return (
            f"{name} has dtype {value.dtype}, but {space} promises {space.dtype}: "
            f"return {name}.astype(numpy.{space.dtype})."
        )
    return None
