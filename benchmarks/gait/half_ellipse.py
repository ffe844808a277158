"""The half-ellipse gait: twelve numbers, as on Kohl and Stone's Aibo."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.policies import POLICIES
from upslope.policies.heads import PointHead
from upslope.policies.rules.open_loop import OpenLoopPolicy
from upslope.storage.serializable import serializable

PERIOD = 20.0  # commands, of the first gait
FRONT = jnp.array([1.0, 1.0, 0.0, 0.0])  # the legs: front left, front right, rear left, rear right
LEFT = jnp.array([1.0, 0.0, 1.0, 0.0])


@serializable("HalfEllipseGait")
class HalfEllipseGait(OpenLoopPolicy):
    """Each foot goes back along the ground and forward through the air, on half an ellipse.

    Attributes:
      front: middle, half length, height and lift of the front feet's ellipse, in units of the
        joints' ranges, [4].
      rear: the same of the rear feet, [4].
      log_period: logarithm of the period over the first one, scalar.
      ground: share of the period on the ground, as a logit, scalar.
      lag: of the rear feet behind the front ones, in turns beyond a trot, scalar.
      steer: by how much the left feet's ellipses are longer than the right ones', scalar.
    """

    front: Array
    rear: Array
    log_period: Array
    ground: Array
    lag: Array
    steer: Array
    head: PointHead
    in_size: int = eqx.field(static=True)
    categories: tuple[int, ...] = eqx.field(static=True)

    def motion(self, step: Array) -> Array:
        turn = step / (PERIOD * jnp.exp(self.log_period))
        start = jnp.array([0.0, 0.5, 0.5, 0.0]) - self.lag * (1 - FRONT)
        share = jnp.clip(1 / (1 + jnp.exp(-self.ground)), 0.1, 0.9)
        phase = (turn + start) % 1.0
        down = phase < share
        back, through = phase / share, (phase - share) / (1 - share)
        middle, length, height, lift = jnp.where(FRONT[:, None], self.front, self.rear).T
        length = length * (1 + self.steer * (2 * LEFT - 1))
        along = jnp.where(down, 1 - 2 * back, -jnp.cos(jnp.pi * through))
        up = jnp.where(down, 0.0, jnp.sin(jnp.pi * through))
        return jnp.stack([middle + length * along, height + lift * up], axis=1).ravel()


def build(key: Array, observation_space: Any, action_space: Any) -> HalfEllipseGait:
    """The gait a person would start with: a slow trot of short steps."""
    foot, zero = jnp.array([0.0, 0.5, 0.0, 0.5]), jnp.zeros(())
    return HalfEllipseGait(
        front=foot,
        rear=foot,
        log_period=zero,
        ground=zero,
        lag=zero,
        steer=zero,
        head=PointHead(action_space.shape),
        in_size=observation_space.shape[0],
        categories=(),
    )


POLICIES.register("half-ellipse", build, "twelve numbers for four legs: Kohl and Stone's gait")
NUMBERS = ("front", "rear", "log_period", "ground", "lag", "steer")


def of_numbers(gait: HalfEllipseGait, numbers: dict[str, Any]) -> HalfEllipseGait:
    """The gait with other numbers, as `experiment.py` stores them."""
    new = [jnp.asarray(numbers[name]) for name in NUMBERS]
    return eqx.tree_at(lambda g: [getattr(g, name) for name in NUMBERS], gait, new)


def walk(env: Any, gait: HalfEllipseGait, seed: int, frames: list[Any] | None = None) -> float:
    """The speed of one walk; its pictures, every fourth, are appended to `frames`."""
    env.reset(seed=seed)
    motion = jax.jit(lambda step: gait.motion(step))
    speed, over, step = 0.0, False, 0
    while not over:
        _, reward, terminated, truncated, _ = env.step(motion(step))
        speed, over, step = speed + reward, terminated or truncated, step + 1
        if frames is not None and step % 4 == 0:
            frames.append(env.render())
    return speed
