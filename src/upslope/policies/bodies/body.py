"""The contract every body keeps."""

from __future__ import annotations

import abc
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Key, Memory, Observation
from upslope.core.checks import UpslopeError
from upslope.core.networks.linear import Linear
from upslope.policies.encoding import Categories, encode, encoded_size
from upslope.policies.twin.bodies import TwinBody


class Body(eqx.Module):
    """An architecture: an observation, and a memory, to [O] numbers. Its leaves are parameters.

    Policies put a head on it, critics read it as it is. Unbatched: `jax.vmap` it.
    """

    has_memory: ClassVar[bool] = False
    # Whether the features cost so much that a critic had better share them.
    shares_features: ClassVar[bool] = False

    @abc.abstractmethod
    def __call__(
        self,
        observation: Observation,
        memory: Memory = (),
        extra: Float[Array, " extra"] | None = None,
    ) -> tuple[Float[Array, " n_outputs"], Memory]:
        """The outputs [O] and the memory after this observation (`()` without memory).

        Args:
          observation: an array or a tree of arrays; its `action_mask` is not read.
          memory: from `initial_memory` or the last call.
          extra: [n_extra_inputs] numbers beside the observation, such as an action; None for none.
        """

    @abc.abstractmethod
    def like(self, key: Key, n_outputs: int, n_extra_inputs: int = 0) -> Body:
        """A fresh body of the same architecture but for its outputs and extra inputs.

        Args:
          key: consumed.
          n_outputs: O.
          n_extra_inputs: how many numbers are read beside the observation.

        Raises:
          UpslopeError: where the architecture cannot read extra inputs.
        """

    def extract_features(self, observation: Observation) -> Float[Array, " features"]:
        """What the outputs are linear in, [F]; of bodies with `shares_features`."""
        raise NotImplementedError

    def read_out(self, features: Float[Array, " features"]) -> Float[Array, " n_outputs"]:
        """The outputs [O] of features [F]: `body(o)` is `read_out(extract_features(o))`."""
        raise NotImplementedError

    def read_out_like(self, key: Key, n_outputs: int) -> Linear:
        """A fresh last layer that reads the same features. The key is consumed."""
        raise NotImplementedError

    def initial_memory(self) -> Memory:
        """The memory at the start of an episode; `()` when there is none."""
        return ()

    def numpy(self) -> TwinBody | None:
        """The same body without JAX; None where there is none."""
        return None


def read(
    observation: Observation, categories: Categories, extra: Float[Array, " extra"] | None
) -> Float[Array, " n"]:
    """The observation as a vector with the extra inputs behind it, [I + n_extra_inputs]."""
    x = encode(observation, categories)
    return x if extra is None else jnp.concatenate([x, jnp.ravel(extra).astype(x.dtype)])


def check_categories(owner: str, in_size: int, categories: Categories) -> None:
    """Raises UpslopeError unless one-hot blocks of these sizes make a vector of `in_size`."""
    tree = any(isinstance(part, tuple) for part in categories)  # other leaves are numbers
    if categories and not tree and encoded_size(categories) != in_size:
        raise UpslopeError(
            f"{owner} got in_size={in_size} and categories={categories}: the one-hot blocks "
            f"make a vector of {encoded_size(categories)}."
        )


def refuse_extra(owner: str, n_extra_inputs: int) -> None:
    """Raises UpslopeError for extra inputs of an architecture that has no place for them."""
    if n_extra_inputs:
        raise UpslopeError(
            f"network_like of {owner} got n_extra_inputs={n_extra_inputs}: it reads the "
            "observation alone. Use a dense network (policy='softmax' or 'gaussian')."
        )
