"""The Beta policy."""

from __future__ import annotations

from collections.abc import Sequence

from jax import Array

from upslope.policies.heads import BetaHead
from upslope.policies.network import NetworkPolicy


class BetaNetwork(NetworkPolicy):
    """Beta-distributed actions on finite bounds, both concentrations from a dense network.

    Raises:
      UpslopeError: unless every component has finite bounds.

    References:
      Chou, Maturana and Scherer (2017).
    """

    def __init__(
        self,
        key: Array,
        in_size: int,
        low: Sequence[float],
        high: Sequence[float],
        shape: tuple[int, ...] | None = None,
        hidden: Sequence[int] = (64, 64),
        activation: str = "tanh",
        out_gain: float = 0.01,
        categories: tuple[int, ...] = (),
    ):
        shape = (len(low),) if shape is None else tuple(shape)
        head = BetaHead(low, high, shape)
        super().__init__(key, in_size, head, hidden, activation, out_gain, categories)
