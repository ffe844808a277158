"""A network whose output is a distribution of what comes next."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Key
from upslope.core.networks.mlp import MLP

# Where the learnt bounds of the log-variance begin, in squares of normalised targets.
HIGHEST, LOWEST = 0.5, -10.0


class Prediction(NamedTuple):
    """Independent Gaussians of normalised targets, and whether the episode ends."""

    mean: Float[Array, "*batch K"]
    log_variance: Float[Array, "*batch K"]
    end_logit: Float[Array, "*batch"]  # log odds that the step terminates


class GaussianNetwork(eqx.Module):
    r"""Mean and log-variance of K targets, and the log odds of an end.

    .. math:: \ell = \ell_+ - \zeta(\ell_+ - \tilde \ell), \qquad
              \log \sigma^2 = \ell_- + \zeta(\ell - \ell_-), \qquad \zeta(x) = \log(1 + e^x)

    The bounds of the log-variance are learnt, so that it can neither fall without end where data
    are noiseless nor rise far from them.

    Attributes:
      network: from I inputs to 2 K + 1 outputs.
      highest: l_+ [K].
      lowest: l_- [K].

    References:
      Chua et al. (2018), appendix A.1.
    """

    network: MLP
    highest: Float[Array, " K"]
    lowest: Float[Array, " K"]

    @classmethod
    def fresh(
        cls, key: Key, n_inputs: int, hidden: tuple[int, ...], n_targets: int, activation: str
    ) -> GaussianNetwork:
        """With random weights; it predicts little change. The key is consumed."""
        network = MLP(key, n_inputs, hidden, 2 * n_targets + 1, activation, out_gain=0.1)
        ones = jnp.ones(n_targets)
        return cls(network, HIGHEST * ones, LOWEST * ones)

    def __call__(self, x: Float[Array, " I"]) -> Prediction:
        """The prediction from normalised inputs."""
        n_targets = self.highest.shape[-1]
        out = self.outputs(x)
        return Prediction(out[:n_targets], self.log_variance(out, n_targets), out[-1])

    def outputs(self, x: Float[Array, " I"]) -> Float[Array, " O"]:
        """The outputs from normalised inputs: K means, K raw log-variances, the log odds."""
        return self.network(x)

    def log_variance(self, outputs: Float[Array, " O"], count: int) -> Float[Array, " count"]:
        """The log-variances of the first targets, within their bounds."""
        n_targets = self.highest.shape[-1]
        highest, lowest = self.highest[:count], self.lowest[:count]
        raw = outputs[n_targets : n_targets + count]
        below = highest - jax.nn.softplus(highest - raw)
        return lowest + jax.nn.softplus(below - lowest)
