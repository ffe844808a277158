"""gymnax's environments behind our contract."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Num

from upslope.core.annotations import EnvironmentState, Key
from upslope.core.checks import UpslopeError, check_settings, missing_extra, unknown_name
from upslope.core.records import Step
from upslope.environments.adaptors.foreign_state import like, strong
from upslope.environments.environment import Environment

if TYPE_CHECKING:
    from gymnasium import spaces

NO_LIMIT = 2**30


class GymnaxEnvironment(Environment):
    """One of gymnax's environments, of its interface 0.x or 1.x.

    It is stepped with `step_env`, so it never resets itself, and with its own step limit out of
    reach, so that what it calls done is a termination in either version; the limit becomes ours.
    Observations that show the time as a share of the limit are those of its own limit: they come
    from a step with `params` as they are, of which the compiler keeps what the other lacks.

    Attributes:
      params: gymnax's parameters of the environment; its numbers are leaves.
      gymnax_name: gymnax's name for it. Static.
      options: the arguments of its constructor, as pairs. Static.
      time_limit: steps; by default gymnax's `max_steps_in_episode`. Static.
    """

    name: ClassVar[str] = "gymnax"
    params: Any
    gymnax_name: str = eqx.field(static=True)
    options: tuple[tuple[str, Any], ...] = eqx.field(static=True, default=())
    time_limit: int | None = eqx.field(static=True, default=None)

    @classmethod
    def make(cls, name: str, **settings: Any) -> GymnaxEnvironment:
        """The environment of gymnax's name `name`.

        Args:
          name: as in `gymnax.registered_envs`.
          settings: `time_limit`, fields of gymnax's parameters, and arguments of its constructor.

        Raises:
          UpslopeError: gymnax is not installed, or has no such environment or setting.
        """
        known, constructor = _registered(name)
        if name not in known:
            raise unknown_name("gymnax environment", name, known)
        accepted = inspect.signature(constructor).parameters if constructor else {}
        options = {k: settings.pop(k) for k in list(settings) if k in accepted}
        _, params = _load(name, tuple(sorted(options.items())))
        fields = list(getattr(params, "__dataclass_fields__", {}))
        limit = getattr(params, "max_steps_in_episode", None)
        check_settings(
            f"gymnax:{name}",
            settings,
            ["time_limit", *accepted, *(f for f in fields if f != "max_steps_in_episode")],
        )
        limit = settings.pop("time_limit", None if limit is None else int(limit))
        if "max_steps_in_episode" in fields and limit is not None:
            settings["max_steps_in_episode"] = limit  # without one, its own scale stays
        return cls(
            params=params.replace(**settings),
            gymnax_name=name,
            options=tuple(sorted(options.items())),
            time_limit=limit,
        )

    @property
    def environment(self) -> Any:
        """gymnax's own object."""
        return _load(self.gymnax_name, self.options)[0]

    def reset(self, key: Key) -> tuple[EnvironmentState, Num[Array, " ..."]]:
        with jax.numpy_rank_promotion("allow"):
            observation, state = self.environment.reset_env(key, self.params)
        return strong(state), self._observation(observation)

    def step(
        self, key: Key, state: EnvironmentState, action: Num[Array, " ..."]
    ) -> tuple[EnvironmentState, Step]:
        with jax.numpy_rank_promotion("allow"):
            # 0.x and 1.x both give (observation, state, reward, done, info) here; with the limit
            # out of reach done means terminated in both.
            observation, *_ = self.environment.step_env(key, state, action, self.params)
            _, after, reward, done, _ = self.environment.step_env(
                key, state, action, self._without_limit
            )
        reward = jnp.asarray(reward, float).reshape(())
        terminated = jnp.asarray(done, bool).reshape(())
        return like(after, state), Step(self._observation(observation), reward, terminated)

    @property
    def _without_limit(self) -> Any:
        if not hasattr(self.params, "max_steps_in_episode"):
            return self.params
        return self.params.replace(max_steps_in_episode=NO_LIMIT)

    def _observation(self, observation: ArrayLike) -> Array:
        # A structure of several arrays is refused by the space, with a message.
        dtype = self.observation_space.dtype
        whole = dtype is not None and dtype.kind in "iu"
        return jnp.asarray(observation, int if whole else float)

    @property
    def observation_space(self) -> spaces.Space:
        return _space(self, "observation_space")

    @property
    def action_space(self) -> spaces.Space:
        return _space(self, "action_space")


def _registered(name: str) -> tuple[list[str], Any]:
    """gymnax's names, and the constructor of one of them."""
    try:
        import gymnax  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise missing_extra(f"gymnax:{name}", "gymnax", "gymnax") from error
    known = list(gymnax.registered_envs)
    return known, type(_load(name, ())[0]) if name in known else None


@functools.lru_cache(maxsize=64)
def _load(name: str, options: tuple[tuple[str, Any], ...]) -> tuple[Any, Any]:
    import gymnax  # pyright: ignore[reportMissingImports]

    return gymnax.make(name, **dict(options))


def _space(environment: GymnaxEnvironment, which: str) -> spaces.Space:
    import numpy as np
    from gymnasium import spaces

    with jax.ensure_compile_time_eval():
        _, params = _load(environment.gymnax_name, environment.options)
        space = getattr(environment.environment, which)(params)
    kind = type(space).__name__
    if kind == "Discrete":
        return spaces.Discrete(int(space.n))
    if kind == "Box":
        shape = tuple(space.shape)
        dtype = np.dtype(space.dtype)
        dtype = dtype if dtype.kind in "iu" else np.dtype(np.float32)
        low = np.broadcast_to(np.asarray(space.low, dtype), shape)
        high = np.broadcast_to(np.asarray(space.high, dtype), shape)
        return spaces.Box(low, high, shape, dtype.type)
    raise UpslopeError(
        f"gymnax:{environment.gymnax_name} has an {which.replace('_', ' ')} of kind {kind}: only "
        "Box and Discrete can be used. Write an Environment that flattens it."
    )
