"""What a Gymnasium space means to a policy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from upslope.core.networks.convolutional import SHORTEST_SIDE, image_axes
from upslope.policies.encoding import ACTION_MASK, Categories

if TYPE_CHECKING:
    from gymnasium import spaces


# The field of an observation that is a board.
BOARD = "board"


class ObservationShape(NamedTuple):
    """An observation space as a policy sees it."""

    kind: str  # "discrete", "vector", "image", "board", "tree" or "other"
    shape: tuple[int, ...]
    size: int  # how many numbers a dense network reads
    categories: Categories  # sizes of one-hot blocks
    n_mask: int | None = None  # entries of the field "action_mask", None without it
    board_leaf: int | None = None  # the board's place among the leaves, None without one


class ActionShape(NamedTuple):
    """An action space as a policy sees it."""

    kind: str  # "discrete", "box", "bounded", "multi-discrete", "multi-binary" or "other"
    shape: tuple[int, ...]
    nvec: tuple[int, ...]  # of choices
    low: tuple[float, ...]  # of numbers, flat
    high: tuple[float, ...]


def observation_shape(space: spaces.Space) -> ObservationShape:
    """Discrete spaces become one-hot blocks, boxes vectors, boxes with three axes images.

    Dict and Tuple spaces become the vectors of their leaves one after the other, in the order of
    `encode`; a Dict of one image (beside an action mask) is that image. A Dict whose field `board`
    has three axes, [C, H, W], is a board of this shape, with all its leaves.
    """
    from gymnasium import spaces

    if isinstance(space, spaces.Dict | spaces.Tuple):
        return _tree_shape(space)
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


def _tree_shape(space: spaces.Dict | spaces.Tuple) -> ObservationShape:
    from gymnasium import spaces

    n_mask = None
    if isinstance(space, spaces.Dict) and ACTION_MASK in space.spaces:
        n_mask = math.prod(space[ACTION_MASK].shape or ())
    leaves = [observation_shape(leaf) for leaf in space_leaves(space)]
    if not leaves or any(leaf.kind == "other" for leaf in leaves):
        return ObservationShape("other", (), 0, (), n_mask)
    shape: tuple[int, ...] = ()
    if isinstance(space, spaces.Dict) and BOARD in space.spaces:
        shape = tuple(int(n) for n in space[BOARD].shape or ())
    board = len(shape) == 3
    if len(leaves) == 1 and leaves[0].kind == "image" and not board:
        return leaves[0]._replace(n_mask=n_mask)
    categories: tuple[Any, ...] = tuple(leaf.categories for leaf in leaves)
    if not any(categories):
        categories = ()
    size = sum(leaf.size for leaf in leaves)
    if not board:
        return ObservationShape("tree", (), size, categories, n_mask)
    assert isinstance(space, spaces.Dict)
    before = {name: part for name, part in space.spaces.items() if str(name) < BOARD}
    place = len(space_leaves(spaces.Dict(before)))  # pyright: ignore[reportArgumentType]
    return ObservationShape("board", shape, size, categories, n_mask, place)


def space_leaves(space: spaces.Space) -> list[spaces.Space]:
    """The spaces of the leaves of Dict and Tuple spaces in the order of `encode`, without masks."""
    from gymnasium import spaces

    def leaves(space: spaces.Space) -> list[spaces.Space]:
        if isinstance(space, spaces.Dict):
            return [leaf for name in sorted(space.spaces) for leaf in leaves(space[name])]
        if isinstance(space, spaces.Tuple):
            return [leaf for part in space.spaces for leaf in leaves(part)]
        return [space]

    if isinstance(space, spaces.Dict):
        names = (name for name in sorted(space.spaces) if name != ACTION_MASK)
        return [leaf for name in names for leaf in leaves(space[name])]
    return leaves(space)


def action_shape(space: spaces.Space) -> ActionShape:
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
