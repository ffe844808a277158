"""The contract every distribution keeps."""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
from jax import Array
from jaxtyping import Float, Shaped

from upslope.core.annotations import Key, Noise


class Distribution(eqx.Module):
    """One (unbatched) distribution over actions. Its leaves are its parameters.

    The generic estimators ask for `sample` and `log_prob` alone, so distributions of NumPyro,
    distrax and others work in them too. `log_prob` is the sum over the components of one event:
    a scalar, never a mean.
    """

    @abc.abstractmethod
    def sample(self, key: Key) -> Shaped[Array, "*shape"]:
        """One draw. The key is consumed."""

    def noise(self, key: Key) -> Noise:
        """Randomness for one draw that does not depend on the parameters; the key is consumed.

        A sampler draws the noise of many steps at once, before the loop over time. A distribution
        whose draws cannot be split so keeps this default: the noise is the key.
        """
        return key

    def from_noise(self, noise: Noise) -> Shaped[Array, "*shape"]:
        """The draw that `noise` leads to: `sample(key)` is `from_noise(noise(key))`."""
        return self.sample(noise)

    @abc.abstractmethod
    def log_prob(self, value: Shaped[Array, "*shape"]) -> Float[Array, ""]:
        """log p(value), a scalar, in nats."""

    @abc.abstractmethod
    def entropy(self) -> Float[Array, ""]:
        """-E[log p], a scalar, in nats."""

    @abc.abstractmethod
    def mode(self) -> Shaped[Array, "*shape"]:
        """The most probable value (what a deterministic evaluation does)."""

    @abc.abstractmethod
    def kl(self, other: Any) -> Float[Array, ""]:
        """KL(self || other), a scalar, in nats; `other` is of the same class."""
