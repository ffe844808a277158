"""The gated recurrent unit."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import check_number
from upslope.core.initializers import lecun_normal, orthogonal_layers


class GRUCell(eqx.Module):
    r"""One step of a gated recurrent unit.

    .. math:: r = \sigma(W_r x + U_r h + b_r), \quad z = \sigma(W_z x + U_z h + b_z), \\
              n = \tanh(W_n x + b_n + r \odot (U_n h + c)), \quad h' = (1 - z) \odot n + z \odot h

    Attributes:
      input_weight: (W_r, W_z, W_n) side by side, [I, 3H].
      memory_weight: (U_r, U_z, U_n) side by side, [H, 3H]; each orthogonal at first.
      bias: (b_r, b_z, b_n), [3H].
      candidate_bias: c [H].

    References:
      Cho et al. (2014), with the reset gate applied after the product (as in cuDNN).
    """

    input_weight: Array
    memory_weight: Array
    bias: Array
    candidate_bias: Array

    def __init__(self, key: Array, in_size: int, memory_size: int):
        check_number("GRUCell", "in_size", in_size, at_least=1, integer=True)
        check_number("GRUCell", "memory_size", memory_size, at_least=1, integer=True)
        input_key, memory_key = jax.random.split(key)
        square = (memory_size, memory_size)
        blocks = orthogonal_layers(memory_key, (square,) * 3, (1.0,) * 3)
        self.input_weight = lecun_normal(input_key, (in_size, 3 * memory_size))
        self.memory_weight = jnp.concatenate(blocks, axis=1)
        self.bias = jnp.zeros(3 * memory_size)
        self.candidate_bias = jnp.zeros(memory_size)

    def __call__(self, x: Array, memory: Array) -> Array:
        """The next memory [H] from the input [I] and the memory [H]."""
        size = memory.shape[0]
        seen = x @ self.input_weight + self.bias
        kept = memory @ self.memory_weight
        gates = jax.nn.sigmoid(seen[: 2 * size] + kept[: 2 * size])
        reset, update = gates[:size], gates[size:]
        candidate = jnp.tanh(seen[2 * size :] + reset * (kept[2 * size :] + self.candidate_bias))
        return (1.0 - update) * candidate + update * memory
