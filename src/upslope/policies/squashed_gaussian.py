"""The squashed Gaussian policy."""

from __future__ import annotations

from collections.abc import Sequence

from jax import Array

from upslope.policies.heads import GaussianHead, SquashedGaussianHead
from upslope.policies.network import NetworkPolicy


class SquashedGaussianNetwork(NetworkPolicy):
    r"""A Gaussian squashed into finite bounds by tanh, mean and scale from a dense network.

    .. math:: a = low + (high - low) \frac{1 + \tanh u}{2}, \quad u \sim N(\mu(s), \sigma(s)^2)

    Raises:
      UpslopeError: unless every component has finite bounds.

    References:
      Haarnoja et al. (2018), appendix C.
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
        log_std_init: float = 0.0,
        state_dependent_std: bool = True,
        categories: tuple[int, ...] = (),
    ):
        shape = (len(low),) if shape is None else shape
        gaussian = GaussianHead(shape, log_std_init, state_dependent_std)
        head = SquashedGaussianHead(gaussian, low, high)
        super().__init__(key, in_size, head, hidden, activation, out_gain, categories)
