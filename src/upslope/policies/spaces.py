"""What a gymnasium space means to a policy."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from upslope.core.networks.convolutional import SHORTEST_SIDE, image_axes


class ObservationShape(NamedTuple):
    """An observation space as a policy sees it."""

    kind: str  # "discrete", "vector", "image" or "other"
    shape: tuple[int, ...]
    size: int  # how many numbers a dense network reads
    categories: tuple[int, ...]  # sizes of one-hot blocks


class ActionShape(NamedTuple):
    """An action space as a policy sees it."""

    kind: str  # "discrete", "box", "bounded", "multi-discrete", "multi-binary" or "other"
    shape: tuple[int, ...]
    nvec: tuple[int, ...]  # of choices
    low: tuple[float, ...]  # of numbers, flat
    high: tuple[float, ...]


def observation_shape(space: Any) -> ObservationShape:
    """Discrete spaces become one-hot blocks, boxes vectors, boxes with three axes images."""
    from gymnasium import spaces

    if isinstance(space, spaces.Discrete):
        n = int(space.n)
        return ObservationShape("discrete", (), n, (n,))
    if isinstance(space, spaces.MultiDiscrete):
        categories = tuple(int(n) for n in space.nvec.ravel())
        return ObservationShape("vector", space.nvec.shape, sum(categories), categories)
    if isinstance(space, spaces.Box | spaces.MultiBinary):
        shape = tuple(int(n) for n in space.shape or ())
        image = isinstance(space, spaces.Box) and len(shape) == 3
        image = image and min(image_axes(shape)[:2]) >= SHORTEST_SIDE
        return ObservationShape("image" if image else "vector", shape, math.prod(shape), ())
    return ObservationShape("other", (), 0, ())


def action_shape(space: Any) -> ActionShape:
    """A box is "bounded" when every component has finite bounds, low below high."""
    from gymnasium import spaces

    if isinstance(space, spaces.Discrete):
        return ActionShape("discrete", (), (int(space.n),), (), ())
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.ndim == 1:
        nvec = tuple(int(n) for n in space.nvec)
        return ActionShape("multi-discrete", (len(nvec),), nvec, (), ())
    if isinstance(space, spaces.MultiBinary):
        return ActionShape("multi-binary", tuple(int(n) for n in space.shape), (), (), ())
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating):
        low = tuple(float(x) for x in space.low.ravel())
        high = tuple(float(x) for x in space.high.ravel())
        bounded = np.isfinite(low).all() and np.isfinite(high).all() and np.less(low, high).all()
        shape = tuple(int(n) for n in space.shape)
        return ActionShape("bounded" if bounded else "box", shape, (), low, high)
    return ActionShape("other", (), (), (), ())
