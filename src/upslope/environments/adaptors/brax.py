"""brax's environments behind our contract."""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import EnvironmentState, Key
from upslope.core.checks import UpslopeError, missing_extra, unknown_name
from upslope.core.records import Step
from upslope.environments.adaptors.foreign_state import like, strong
from upslope.environments.environment import Environment

if TYPE_CHECKING:
    from gymnasium import spaces


class BraxEnvironment(Environment):
    """One of brax's environments, without its episode, vmap and auto-reset wrappers.

    Its `done` is then a termination, never a time limit; the time limit is ours. brax keeps no
    physics that could be leaves here: the environment has none.

    Attributes:
      brax_name: brax's name for it. Static.
      options: the arguments of its constructor, as pairs. Static.
      time_limit: steps; 1000 is what brax trains with. Static.
    """

    name: ClassVar[str] = "brax"
    brax_name: str = eqx.field(static=True)
    options: tuple[tuple[str, Any], ...] = eqx.field(static=True, default=())
    time_limit: int | None = eqx.field(static=True, default=1000)

    @classmethod
    def make(cls, name: str, time_limit: int | None = 1000, **settings: Any) -> BraxEnvironment:
        """The environment of brax's name `name`; settings are its constructor's arguments.

        Raises:
          UpslopeError: brax is not installed, has no such environment, or refuses a setting.
        """
        known = _registered(name)
        if name not in known:
            raise unknown_name("brax environment", name, known)
        options = tuple(sorted(settings.items()))
        try:
            _load(name, options)
        except (TypeError, ValueError) as error:
            raise UpslopeError(f"brax:{name} could not be built: {error}") from error
        return cls(brax_name=name, options=options, time_limit=time_limit)

    @property
    def environment(self) -> Any:
        """brax's own object."""
        return _load(self.brax_name, self.options)

    def reset(self, key: Key) -> tuple[EnvironmentState, Float[Array, " n"]]:
        with jax.numpy_rank_promotion("allow"):
            state = strong(self.environment.reset(key))
        return state, _observation(self.brax_name, state.obs)

    def step(
        self, key: Key, state: EnvironmentState, action: Float[Array, " m"]
    ) -> tuple[EnvironmentState, Step]:
        with jax.numpy_rank_promotion("allow"):
            # a copy goes in: some of brax's environments write into the state's dictionaries
            after = self.environment.step(jax.tree.map(lambda leaf: leaf, state), action)
        after = like(after, state)
        observation = _observation(self.brax_name, after.obs)
        return after, Step(observation, jnp.asarray(after.reward, float), after.done > 0.5)

    @property
    def observation_space(self) -> spaces.Box:
        import numpy as np
        from gymnasium import spaces

        size = self.environment.observation_size
        _observation(self.brax_name, size)
        return spaces.Box(-np.inf, np.inf, (int(size),), np.float32)

    @property
    def action_space(self) -> spaces.Box:
        import numpy as np
        from gymnasium import spaces

        return spaces.Box(-1.0, 1.0, (int(self.environment.action_size),), np.float32)


def _observation(name: str, observation: Array | dict[str, Array]) -> Array:
    if isinstance(observation, dict):
        raise UpslopeError(
            f"brax:{name} observes several arrays ({', '.join(observation)}): only environments "
            "with one can be used. Write an Environment that joins them."
        )
    return observation


def _registered(name: str) -> list[str]:
    try:
        envs = importlib.import_module("brax.envs")
    except ImportError as error:
        raise missing_extra(f"brax:{name}", "brax", "brax") from error
    return sorted(envs._envs)


@functools.lru_cache(maxsize=64)
def _load(name: str, options: tuple[tuple[str, Any], ...]) -> Any:
    return importlib.import_module("brax.envs").get_environment(name, **dict(options))
