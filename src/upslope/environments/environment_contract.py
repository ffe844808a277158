"""Whether a JAX environment keeps its contract: read from shapes, before anything compiles."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeGuard

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from upslope.core.annotations import Observation, PyTree
from upslope.core.checks import EnvironmentContractError, UpslopeError
from upslope.environments.environment import Environment

if TYPE_CHECKING:
    from gymnasium import spaces


def check_environment(environment: Environment) -> None:
    """Traces one `reset` and one `step`, and looks at what they give. No number is computed.

    Raises:
      EnvironmentContractError: one of them raises, or gives something else than an `Environment`
        has to; names the environment, the field, what was found and what is expected.
    """
    name = type(environment).__name__
    space, action_space = environment.observation_space, environment.action_space
    first = _traced(name, "reset", environment.reset, jax.random.key(0))
    if not isinstance(first, tuple | list) or len(first) != 2:
        _refuse(name, "reset", "returns", _kind(first), "a pair (state, observation)")
    state, observation = first
    _check_observation(name, "reset", observation, space)

    action = jax.ShapeDtypeStruct(action_space.shape, _number_type(action_space))
    second = _traced(name, "step", environment.step, jax.random.key(0), state, action)
    if not isinstance(second, tuple | list) or len(second) != 2:
        _refuse(name, "step", "returns", _kind(second), "a pair (state, Step)")
    after, out = second
    if not all(hasattr(out, field) for field in ("observation", "reward", "terminated")):
        wanted = "upslope.environments.Step(observation, reward, terminated)"
        _refuse(name, "step", "returns beside the state", _kind(out), wanted)
    _check_same_tree(name, "state", state, after)
    _check_observation(name, "step", out.observation, space)
    _check_same_tree(name, "observation", observation, out.observation)
    numbers = (jnp.floating, jnp.integer)
    _check_scalar(name, "reward", out.reward, numbers, f"{jnp.zeros(()).dtype}[], one number")
    _check_scalar(name, "terminated", out.terminated, (jnp.bool_,), "bool[], True or False")


def _traced(name: str, method: str, function: Callable[..., PyTree], *inputs: PyTree) -> PyTree:
    """Shapes and types of what a method of the environment gives; its own errors are explained."""
    try:
        return jax.eval_shape(function, *inputs)
    except UpslopeError:
        raise
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError) as error:
        raise EnvironmentContractError(
            f"{name}.{method} needs a number that is known only when it runs{_where(error)}: a "
            "Python `if`, `while`, `int()`, `float()` or numpy call on the state, the action or "
            "the key cannot be compiled. Use jnp.where, jax.lax.cond and jax.numpy instead."
        ) from error
    except Exception as error:
        reason = (str(error).strip() or "no message").splitlines()[0]
        raise EnvironmentContractError(
            f"{name}.{method} raised {type(error).__name__}{_where(error)}: {reason:.300} "
            f"Mend it; `jax.eval_shape` of {name}.{method} shows the whole error."
        ) from error


def _where(error: BaseException) -> str:
    """The last line of the environment's own code on the way to the error."""
    libraries = (str(Path(jax.__file__).parent), str(Path(__file__).parents[1]))
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(libraries) and "site-packages" not in frame.filename:
            return f" ({Path(frame.filename).name}, line {frame.lineno})"
    return ""


def _check_observation(
    name: str, method: str, observation: Observation, space: spaces.Space, at: str = ""
) -> None:
    """The observation is an array of the space's shape, whole numbers in a Discrete one; or a
    dictionary (a NamedTuple) or a tuple of such, in a Dict or a Tuple space."""
    field = f"gives the observation{at}"
    parts = getattr(space, "spaces", None)
    if parts is None:
        wanted = (
            f"{_number_type(space)}{list(space.shape or ())}, the shape of its observation_space"
        )
        whole = hasattr(space, "n") and space.shape == ()
        if (
            not _is_array(observation)
            or observation.shape != space.shape
            or (whole and not jnp.issubdtype(observation.dtype, jnp.integer))
        ):
            _refuse(name, method, field, _shown(observation), wanted)
        return
    if isinstance(parts, tuple | list):
        parts = dict(enumerate(parts))
        given = dict(enumerate(observation)) if isinstance(observation, tuple) else None
    else:
        given = observation._asdict() if hasattr(observation, "_asdict") else observation
    if not isinstance(given, dict) or set(given) != set(parts):
        wanted = f"the parts {', '.join(map(str, parts))} of its observation_space"
        found = f"the parts {', '.join(map(str, given))}" if isinstance(given, dict) else ""
        _refuse(name, method, field, found or _shown(observation), wanted)
    for part, inner in parts.items():
        _check_observation(name, method, given[part], inner, f"{at}[{part!r}]")


def _check_same_tree(name: str, what: str, before: PyTree, after: PyTree) -> None:
    """A step keeps the tree, the shapes and the types of what reset gave: a loop carries it."""
    old, old_tree = jax.tree_util.tree_flatten_with_path(before)
    new, new_tree = jax.tree_util.tree_flatten_with_path(after)
    if old_tree != new_tree:
        _refuse(name, "step", f"gives the {what}", str(new_tree), f"{old_tree}, as reset gives it")
    for (path, leaf), (_, later) in zip(old, new, strict=True):
        if leaf.shape != later.shape or leaf.dtype != later.dtype:
            field = f"gives the {what}{jax.tree_util.keystr(path)}"
            _refuse(name, "step", field, _shown(later), f"{_shown(leaf)}, as reset gives it")


def _check_scalar(
    name: str, field: str, value: object, kinds: Sequence[DTypeLike], wanted: str
) -> None:
    if (
        not _is_array(value)
        or value.shape != ()
        or not any(jnp.issubdtype(value.dtype, kind) for kind in kinds)
    ):
        _refuse(name, "step", f"gives {field}", _shown(value), wanted)


def _refuse(name: str, method: str, field: str, found: str, wanted: str) -> NoReturn:
    raise EnvironmentContractError(
        f"{name}.{method} {field} {found}; expected is {wanted}. Change {name}.{method}."
    )


def _number_type(space: spaces.Space) -> np.dtype:
    """The type of the numbers of a space inside a compiled program."""
    continuous = jnp.issubdtype(np.dtype(space.dtype), jnp.floating)
    return jnp.zeros((), float if continuous else int).dtype


def _is_array(value: object) -> TypeGuard[jax.ShapeDtypeStruct]:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _shown(value: object) -> str:
    return f"{value.dtype}{list(value.shape)}" if _is_array(value) else _kind(value)


def _kind(value: object) -> str:
    size = f" of {len(value)}" if isinstance(value, tuple | list | dict) else ""
    return f"a {type(value).__name__}{size}"
