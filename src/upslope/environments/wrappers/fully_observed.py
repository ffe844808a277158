"""The whole state in the observation: what a planner starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from upslope.core.annotations import Action, EnvironmentState, Key, Observation, PyTree
from upslope.core.records import Step
from upslope.environments.wrappers.wrapper import Wrapper

if TYPE_CHECKING:
    from gymnasium import spaces


class FullState(NamedTuple):
    """What a fully observed environment shows."""

    observation: Observation  # as the environment shows it
    state: EnvironmentState  # the environment's own state, from which a planner can simulate


class FullyObserved(Wrapper):
    """Shows `FullState(observation, state)`; nothing else changes.

    A planner finds the root of its search in the observation, so that acting by planning needs no
    channel of its own in the samplers.
    """

    name: ClassVar[str] = "FullyObserved"

    def reset(self, key: Key) -> tuple[EnvironmentState, FullState]:
        state, observation = self.environment.reset(key)
        return state, FullState(observation, state)

    def step(
        self, key: Key, state: EnvironmentState, action: Action
    ) -> tuple[EnvironmentState, Step]:
        state, out = self.environment.step(key, state, action)
        return state, out._replace(observation=FullState(out.observation, state))

    @property
    def observation_space(self) -> spaces.Dict:
        from gymnasium import spaces

        state, _ = jax.eval_shape(self.environment.reset, jax.random.key(0))
        return spaces.Dict(
            {"observation": self.environment.observation_space, "state": space_of_tree(state)}
        )


def space_of_tree(shapes: PyTree) -> spaces.Space:
    """The widest Gymnasium space of a tree of shapes: Dict and Tuple of Boxes and MultiBinary."""
    from gymnasium import spaces

    if hasattr(shapes, "_asdict"):
        shapes = shapes._asdict()
    if isinstance(shapes, dict):
        return spaces.Dict({str(name): space_of_tree(part) for name, part in shapes.items()})
    if isinstance(shapes, tuple | list):
        return spaces.Tuple([space_of_tree(part) for part in shapes])
    if jnp.issubdtype(shapes.dtype, jnp.bool_) and shapes.shape:
        return spaces.MultiBinary(shapes.shape)
    if jnp.issubdtype(shapes.dtype, jnp.bool_):
        return spaces.Discrete(2)
    if jnp.issubdtype(shapes.dtype, jnp.integer):
        info = np.iinfo(shapes.dtype)
        return spaces.Box(info.min, info.max, shapes.shape, np.dtype(shapes.dtype).type)
    return spaces.Box(-np.inf, np.inf, shapes.shape, np.float32)
