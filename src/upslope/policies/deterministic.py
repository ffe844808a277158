"""Deterministic policies, for gradient-free search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from jax import Array

from upslope.policies.heads import ModeHead, PointHead
from upslope.policies.network import NetworkPolicy


class DeterministicNetwork(NetworkPolicy):
    """One action for each observation: the best of the network's preferences, or its output.

    The head is a `ModeHead` for choices and a `PointHead` for numbers. There is no score: only
    gradient-free methods can search it.
    """

    differentiable: ClassVar[bool] = False

    def __init__(
        self,
        key: Array,
        in_size: int,
        head: ModeHead | PointHead,
        hidden: Sequence[int] = (64, 64),
        activation: str = "tanh",
        out_gain: float = 1.0,
        categories: tuple[int, ...] = (),
    ):
        super().__init__(key, in_size, head, hidden, activation, out_gain, categories)


class DeterministicLinear(NetworkPolicy):
    """One action for each observation, by a linear map; its weights are zero at first.

    References:
      Mania, Guy and Recht (2018), for how far linear policies go.
    """

    differentiable: ClassVar[bool] = False

    def __init__(
        self,
        key: Array,
        in_size: int,
        head: ModeHead | PointHead,
        categories: tuple[int, ...] = (),
    ):
        super().__init__(key, in_size, head, (), "identity", 0.0, categories)

    @property
    def weight(self) -> Array:
        """W [I, O]."""
        return self.network.layers[0].weight
