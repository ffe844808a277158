"""The contract every head keeps."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Bool, Float

from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError
from upslope.core.distributions.distribution import Distribution
from upslope.policies.twin.heads import TwinHead


class Head(eqx.Module):
    """Turns the last numbers of a network into a distribution over actions.

    Its leaves, where it has any (a free log standard deviation), are parameters of the policy.
    """

    differentiable: ClassVar[bool] = True  # whether its distributions have a score

    @property
    @abc.abstractmethod
    def n_outputs(self) -> int:
        """How many numbers it reads."""

    @abc.abstractmethod
    def __call__(
        self, output: Float[Array, " n"], mask: Bool[Array, " A"] | None = None
    ) -> Distribution:
        """The distribution of the action, from the network's output [n_outputs].

        Args:
          output: [n_outputs].
          mask: booleans, which choices are allowed, where the observation has an `action_mask`.

        Raises:
          UpslopeError: for a mask where actions are not categorical.
        """

    def noise(self, key: Key, dtype: DTypeLike) -> Any:
        """The randomness of one draw: `head(output).noise(key)`, whatever the output is.

        Args:
          key: consumed.
          dtype: of the outputs.
        """
        # Only shapes and types of the distribution matter: the noise depends on no parameter.
        return self(jnp.zeros(self.n_outputs, dtype)).noise(key)

    def numpy(self) -> TwinHead | None:
        """The same head without JAX; None where there is none."""
        return None


def refuse_mask(owner: str, mask: Bool[Array, " A"] | None) -> None:
    """Raises UpslopeError for a mask of actions that are not categorical."""
    if mask is not None:
        raise UpslopeError(
            f"{owner} got an observation with the field 'action_mask': only choices from a list "
            "(Discrete and MultiDiscrete actions) can be masked. Drop the field, or use "
            "policy='softmax' or 'multi-softmax'."
        )


def allowed(mask: Bool[Array, " A"] | None, size: int, owner: str) -> Bool[Array, " A"] | None:
    """A mask [A] of which at least one entry is True.

    Where nothing is allowed (after the end of a game, on padding) everything is: such a step takes
    no action, and its log-probability must stay finite so that its weight of 0 removes it.

    Raises:
      UpslopeError: for a mask of another length.
    """
    if mask is None:
        return None
    if mask.shape != (size,):
        raise UpslopeError(
            f"{owner} got an action_mask of shape {mask.shape} for {size} choices: give one entry "
            "for each."
        )
    return mask | ~jnp.any(mask)
