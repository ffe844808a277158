"""Bodies of finite problems: a table, and features of states and actions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Key, Memory, Observation
from upslope.policies.bodies.body import Body, refuse_extra
from upslope.policies.features import FeatureMap
from upslope.policies.twin.bodies import TwinTable
from upslope.policies.twin.encoding import arrays_of


class TableBody(Body):
    """A row of outputs per state; the observation is the state, an int scalar. Zero at first.

    Attributes:
      table: [S, O].
    """

    table: Float[Array, "S O"]

    def __call__(
        self,
        observation: Observation,
        memory: Memory = (),
        extra: Float[Array, " extra"] | None = None,
    ) -> tuple[Float[Array, " n_outputs"], Memory]:
        return self.table[observation], memory

    def like(self, key: Key, n_outputs: int, n_extra_inputs: int = 0) -> TableBody:
        refuse_extra("a table", n_extra_inputs)
        return TableBody(jnp.zeros((self.table.shape[0], n_outputs), self.table.dtype))

    def numpy(self) -> TwinTable:
        return TwinTable(arrays_of(self.table))


class FeatureBody(Body):
    r"""Outputs linear in features averaged over the actions, zero at first.

    .. math:: y(s) = b + W^\top \frac1A \sum_a \phi(s, a)

    Attributes:
      weight: W [D, O].
      bias: b [O].
      features: phi; frozen.
    """

    weight: Float[Array, "D O"]
    bias: Float[Array, " O"]
    features: FeatureMap

    def __call__(
        self,
        observation: Observation,
        memory: Memory = (),
        extra: Float[Array, " extra"] | None = None,
    ) -> tuple[Float[Array, " n_outputs"], Memory]:
        phi = jax.lax.stop_gradient(self.features)(observation)
        return self.bias + jnp.mean(phi, axis=0) @ self.weight, memory

    def like(self, key: Key, n_outputs: int, n_extra_inputs: int = 0) -> FeatureBody:
        refuse_extra("features of states and actions", n_extra_inputs)
        weight = jnp.zeros((self.weight.shape[0], n_outputs), self.weight.dtype)
        return FeatureBody(weight, jnp.zeros(n_outputs, self.weight.dtype), self.features)
