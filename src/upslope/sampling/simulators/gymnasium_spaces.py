"""Gymnasium spaces at the border between policies and simulators.

Relative imports: this module also runs in simulator processes, which never import JAX.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from ...core.checks import EnvironmentContractError, UpslopeError
from ...core.said_once import warn_once

PLAIN = (spaces.Box, spaces.Discrete, spaces.MultiBinary, spaces.MultiDiscrete)
INT32 = np.iinfo(np.int32)


class ObservationCoder:
    """Turns a simulator's observations into arrays, one for each leaf of their tree.

    Floats become float32, uint8 and bool stay, other integers become int32 where their bounds fit
    and float32 where they do not (a policy's numbers are float32 in any case, and an integer that
    does not fit would wrap). Discrete spaces are counted from 0. Dict and Tuple spaces stay trees,
    in which a policy finds the field `action_mask`. Entries of a Dict that are text are left out.

    Attributes:
      space: what policies see. A discrete one keeps its start, so that whoever acts outside the
        sampler can shift as it does.
      parts: the spaces of the leaves.
      leaves: shape and dtype of every coded leaf.
      left_out: the names of entries that are text.

    Raises:
      UpslopeError: for spaces without a fixed size (Text, Graph, Sequence, ...).
    """

    def __init__(self, declared: spaces.Space, name: str):
        self.left_out = text_entries(declared)
        if self.left_out:
            declared = without_text(declared)
        self.declared = declared
        self.name = name
        odd = unsupported_part(declared)
        if odd is not None:
            raise UpslopeError(
                f"{name} observes {declared}: a {type(odd).__name__} space has no fixed size. Wrap "
                "the environment so that it observes Box, Discrete, MultiBinary or MultiDiscrete "
                "spaces, or a Dict or Tuple of them (gymnasium.wrappers.TransformObservation)."
            )
        self.space = policy_space(declared)
        self.parts = plain_parts(declared)
        self.leaves = tuple(
            (tuple(int(n) for n in part.shape or ()), border_dtype(part)) for part in self.parts
        )

    def store(self, columns: tuple[np.ndarray, ...], index: int, observation: Any) -> None:
        """Writes the observation, as policies see it, into a row of the columns.

        Raises:
          TypeError, ValueError, KeyError, OverflowError: it does not fit.
        """
        if len(self.parts) == 1 and self.parts[0] is self.declared:
            columns[0][index] = coded(self.declared, observation, columns[0].dtype)
            return
        values = plain_values(self.declared, observation)
        for column, part, value in zip(columns, self.parts, values, strict=True):
            column[index] = coded(part, value, column.dtype)

    def tree(self, leaves: Sequence[Any]) -> Any:
        """Leaves as the tree that policies see: dicts by name, tuples, or the one array."""
        tree, rest = assembled(self.declared, list(leaves))
        assert not rest
        return tree

    def check(self, observation: Any, when: str) -> None:
        """Raises EnvironmentContractError unless the observation is of the declared kind."""
        seen = without_text_values(self.declared, observation) if self.left_out else observation
        complaint = mismatch(self.declared, seen, "observation")
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


def policy_spaces(environment: Any) -> tuple[spaces.Space, spaces.Space]:
    """Observation and action space of simulators, as policies see them.

    Raises:
      UpslopeError: for spaces that have no such form, with the remedy.
    """
    name = str(getattr(environment, "id", type(environment).__name__))
    observations = ObservationCoder(environment.observation_space, name)
    if observations.left_out:
        warn_once(
            f"{name} observes text ({', '.join(observations.left_out)}): policies do not read it, "
            "and it is left out. Encode it as numbers in a wrapper if it matters."
        )
    return observations.space, ActionCoder(environment.action_space, name).space


def unsupported_part(space: spaces.Space) -> spaces.Space | None:
    """The first part of a space that has no fixed-size array form, or None."""
    if isinstance(space, spaces.Dict):
        parts = list(space.spaces.values())
    elif isinstance(space, spaces.Tuple):
        parts = list(space.spaces)
    else:
        return None if isinstance(space, PLAIN) else space
    return next((odd for odd in map(unsupported_part, parts) if odd is not None), None)


def is_text(space: spaces.Space) -> bool:
    """Whether values of a space are text: `Text`, or a space of strings of somebody's own."""
    return isinstance(space, spaces.Text) or (space.dtype is not None and space.dtype.kind == "U")


def text_entries(space: spaces.Space) -> list[str]:
    """The names of the entries of Dict spaces that are text, where another entry is none."""
    if isinstance(space, spaces.Tuple):
        return [name for part in space.spaces for name in text_entries(part)]
    if not isinstance(space, spaces.Dict):
        return []
    texts = [str(name) for name, part in space.spaces.items() if is_text(part)]
    deeper = [name for part in space.spaces.values() for name in text_entries(part)]
    return (texts if len(texts) < len(space.spaces) else []) + deeper


def without_text(space: spaces.Space) -> spaces.Space:
    """A space without the entries that `text_entries` names."""
    if isinstance(space, spaces.Tuple):
        return spaces.Tuple([without_text(part) for part in space.spaces])
    if not isinstance(space, spaces.Dict):
        return space
    kept = {name: part for name, part in space.spaces.items() if not is_text(part)}
    return spaces.Dict({k: without_text(part) for k, part in (kept or space.spaces).items()})


def without_text_values(space: spaces.Space, value: Any) -> Any:
    """A value without the text that a space has been freed of."""
    if isinstance(space, spaces.Dict) and isinstance(value, dict):
        return {
            name: without_text_values(space[name], part) if name in space.spaces else part
            for name, part in value.items()
            if name in space.spaces or not isinstance(part, str)
        }
    if isinstance(space, spaces.Tuple) and isinstance(value, tuple | list):
        freed = [without_text_values(*pair) for pair in zip(space.spaces, value, strict=False)]
        return (*freed, *value[len(freed) :])  # as long as it was: `mismatch` judges that
    return value


def policy_space(space: spaces.Space) -> spaces.Space:
    """What policies see of a space."""
    if isinstance(space, spaces.Dict):
        return spaces.Dict({key: policy_space(part) for key, part in space.spaces.items()})
    if isinstance(space, spaces.Tuple):
        return spaces.Tuple([policy_space(part) for part in space.spaces])
    dtype = border_dtype(space)
    if isinstance(space, spaces.Box) and space.dtype != dtype:
        low, high = (bound.astype(dtype) for bound in (space.low, space.high))
        return spaces.Box(low, high, dtype=dtype.type)
    return space


def plain_parts(space: spaces.Space) -> list[spaces.Space]:
    """The leaves of a space's tree, in its own order."""
    if isinstance(space, spaces.Dict):
        return [leaf for part in space.spaces.values() for leaf in plain_parts(part)]
    if isinstance(space, spaces.Tuple):
        return [leaf for part in space.spaces for leaf in plain_parts(part)]
    return [space]


def plain_values(space: spaces.Space, value: Any) -> list[Any]:
    """The leaves of a value of a space, in the order of `plain_parts`."""
    if isinstance(space, spaces.Dict):
        return [x for key, part in space.spaces.items() for x in plain_values(part, value[key])]
    if isinstance(space, spaces.Tuple):
        pairs = zip(space.spaces, value, strict=True)
        return [x for part, item in pairs for x in plain_values(part, item)]
    return [value]


def assembled(space: spaces.Space, leaves: list[Any]) -> tuple[Any, list[Any]]:
    """The tree of a space with these leaves, and those left over."""
    if isinstance(space, spaces.Dict):
        found: dict[Any, Any] = {}
        for key, part in space.spaces.items():
            found[key], leaves = assembled(part, leaves)
        return found, leaves
    if isinstance(space, spaces.Tuple):
        items = []
        for part in space.spaces:
            item, leaves = assembled(part, leaves)
            items.append(item)
        return tuple(items), leaves
    return leaves[0], leaves[1:]


def coded(space: spaces.Space, value: Any, dtype: np.dtype) -> Any:
    """A leaf as policies see it; where it is stored it is cast."""
    if isinstance(space, spaces.Discrete):
        return int(value) - int(space.start)
    if isinstance(space, spaces.MultiDiscrete):
        return value - space.start
    given = getattr(value, "dtype", None)
    wide = dtype == np.int32 and given is not None and not np.can_cast(given, np.int32)
    # Bounds are only promised: an integer beyond them would wrap without a word.
    if wide and np.any((value > INT32.max) | (value < INT32.min)):
        raise OverflowError("an integer beyond 32 bits: declare its true bounds")
    return value


def border_dtype(space: spaces.Space) -> np.dtype:
    """The dtype a compiled program gets: float32, uint8 or bool as they are, else int32.

    Integers whose bounds leave 32 bits become float32: 3,000,000,000 arrives as itself, and exact
    up to 2^24.
    """
    dtype = np.dtype(space.dtype)
    if np.issubdtype(dtype, np.floating):
        return np.dtype(np.float32)
    if dtype in (np.uint8, np.bool_):
        return dtype
    if isinstance(space, spaces.Box) and dtype.kind in "iu" and space.low.size:
        # Python's integers: NumPy would compare unsigned 64-bit numbers as floats.
        low, high = int(space.low.min()), int(space.high.max())
        return np.dtype(np.int32 if INT32.min <= low and high <= INT32.max else np.float32)
    return np.dtype(np.int32)


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
