"""Gaussian policies, linear and by a network."""

from __future__ import annotations

from collections.abc import Sequence

from jax import Array

from upslope.policies.heads import GaussianHead
from upslope.policies.network import NetworkPolicy


class GaussianNetwork(NetworkPolicy):
    r"""A Gaussian around the mean that a dense network computes.

    .. math:: \pi(a \mid s) = N\big(a; \mu_\theta(s), \operatorname{diag} \sigma^2\big)

    The action has no bounds; where the world has, it clips.

    References:
      Sutton and Barto (2018), equation 13.19; Williams (1992), section 6.
    """

    def __init__(
        self,
        key: Array,
        in_size: int,
        shape: tuple[int, ...],
        hidden: Sequence[int] = (64, 64),
        activation: str = "tanh",
        out_gain: float = 0.01,
        log_std_init: float = 0.0,
        state_dependent_std: bool = False,
        categories: tuple[int, ...] = (),
    ):
        head = GaussianHead(shape, log_std_init, state_dependent_std)
        super().__init__(key, in_size, head, hidden, activation, out_gain, categories)


class LinearGaussian(NetworkPolicy):
    r"""A Gaussian whose mean, and if wanted log standard deviation, is linear in the observation.

    .. math:: \mu(s) = W_\mu^\top x(s) + b_\mu, \quad
              \sigma(s) = \exp\big(W_\sigma^\top x(s) + b_\sigma\big)

    Weights are zero at first.

    References:
      Sutton and Barto (2018), equation 13.20 and exercise 13.4.
    """

    def __init__(
        self,
        key: Array,
        in_size: int,
        shape: tuple[int, ...],
        log_std_init: float = 0.0,
        state_dependent_std: bool = False,
        categories: tuple[int, ...] = (),
    ):
        head = GaussianHead(shape, log_std_init, state_dependent_std)
        super().__init__(key, in_size, head, (), "identity", 0.0, categories)

    @property
    def weight(self) -> Array:
        """W [I, D], of the mean (and of the log standard deviation, [I, 2D])."""
        return self.network.layers[0].weight
