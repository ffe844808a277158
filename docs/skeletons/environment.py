"""A walk on a line with a drift: the skeleton of an environment.

Copy it to `src/upslope/environments/<family>/<name>.py`, and say in the first line what yours is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.records import Step
from upslope.environments.environment import Environment

if TYPE_CHECKING:
    from gymnasium import spaces


class DriftingWalk(Environment):
    r"""A point on a line that drifts, and must be held near the origin.

    .. math:: x' = x + f (a - 1) + d + \sigma \epsilon, \qquad r = -x'^2, \qquad
              \epsilon \sim \mathcal N(0, 1)

    The state is x; it starts uniformly in [-1, 1]. The observation is [x]. Actions: 0 left, 1 stay,
    2 right. The episode ends when |x| exceeds `edge`.

    Attributes:
      force: f, length per step.
      drift: d, length per step.
      noise: sigma, length per step; 0 for none.
      edge: length.
      time_limit: steps. Static.
    """

    name: ClassVar[str] = "drifting-walk"
    positive: ClassVar[tuple[str, ...]] = ("force", "edge")
    force: float | Array = 0.2
    drift: float | Array = 0.05
    noise: float | Array = 0.01
    edge: float | Array = 2.0
    time_limit: int | None = eqx.field(static=True, default=100)

    def reset(self, key: Array) -> tuple[Array, Array]:
        x = jax.random.uniform(key, minval=-1.0, maxval=1.0)
        return x, x[None]

    def step(self, key: Array, state: Array, action: Array) -> tuple[Array, Step]:
        x = state + self.force * (action - 1) + self.drift + self.noise * jax.random.normal(key)
        return x, Step(x[None], -jnp.square(x), jnp.abs(x) > self.edge)

    @property
    def observation_space(self) -> spaces.Box:
        from gymnasium import spaces

        return spaces.Box(-float("inf"), float("inf"), (1,))

    @property
    def action_space(self) -> spaces.Discrete:
        from gymnasium import spaces

        return spaces.Discrete(3)
