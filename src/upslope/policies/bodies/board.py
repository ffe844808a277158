"""The body that looks at a board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Key, Memory, Observation
from upslope.core.checks import UpslopeError, check_number
from upslope.core.networks import MLP, activate
from upslope.core.networks.convolutional import Convolution
from upslope.policies.bodies.body import Body
from upslope.policies.encoding import Categories, encode, without_mask

BOARD = "board"


class BoardBody(Body):
    r"""One convolution over a board, and dense layers on what it finds everywhere.

    .. math:: f(s) = \mathrm{MLP}\big(\sigma(W * \text{board} + b), \; \text{the rest}\big)

    The kernels see every window of the board alike, so that a pattern is learnt once for all the
    places where it may stand; the dense layers know the places. A kernel of 4 holds every four in a
    row. On a CPU both are products of matrices, which is what makes it as fast as a dense network
    of the same size.

    Attributes:
      convolution: [H, W, C] to [H - K + 1, W - K + 1, F].
      network: what was found, and the rest of the observation, to the outputs.
      categories: sizes of one-hot blocks, of the leaves beside the board. Static.

    References:
      Silver et al. (2017), "Mastering the Game of Go without Human Knowledge", for convolutions of
      boards; theirs are many and narrow.
    """

    convolution: Convolution
    network: MLP
    categories: Categories = eqx.field(static=True, default=())

    @classmethod
    def fresh(
        cls,
        key: Key,
        board_shape: tuple[int, ...],
        n_outputs: int,
        n_rest: int = 0,
        channels: int = 64,
        kernel: int = 4,
        hidden: Sequence[int] = (128, 128),
        activation: str = "relu",
        out_gain: float = 0.01,
        categories: Categories = (),
    ) -> BoardBody:
        """Orthogonal weights. The key is consumed.

        Args:
          board_shape: [C, H, W].
          n_outputs: O.
          n_rest: how many numbers are read beside the board.
          channels: F.
          kernel: K, or the board's shorter side where that is less.
          hidden: sizes of the dense layers.
          activation: of all layers.
          out_gain: scale of the last layer.
          categories: see `encode`, of the leaves beside the board.

        Raises:
          UpslopeError: a size below 1, or what is no board.
        """
        if len(board_shape) != 3:
            raise UpslopeError(
                f"BoardBody got a board of shape {tuple(board_shape)}: it must be [C, H, W], one "
                "plane for each kind of piece."
            )
        for name, size in (("channels", channels), ("kernel", kernel)):
            check_number("BoardBody", name, size, at_least=1, integer=True)
        planes, height, width = board_shape
        kernel = min(kernel, height, width)
        board_key, dense_key = jax.random.split(key)
        convolution = Convolution(board_key, planes, channels, kernel, 1)
        found = (height - kernel + 1) * (width - kernel + 1) * channels
        network = MLP(dense_key, found + n_rest, hidden, n_outputs, activation, out_gain)
        return cls(convolution, network, categories)

    def __call__(
        self,
        observation: Observation,
        memory: Memory = (),
        extra: Float[Array, " extra"] | None = None,
    ) -> tuple[Float[Array, " n_outputs"], Memory]:
        board, rest = parted(observation)
        found = activate(self.network.activation, self.convolution(jnp.moveaxis(board, 0, -1)))
        parts = [found.ravel()]
        if rest:
            parts.append(encode(rest, self.categories))
        if extra is not None:
            parts.append(jnp.ravel(extra))
        return self.network(jnp.concatenate(parts)), memory

    def like(self, key: Key, n_outputs: int, n_extra_inputs: int = 0) -> BoardBody:
        board_key, dense_key = jax.random.split(key)
        kernel, _, planes, channels = self.convolution.weight.shape
        convolution = Convolution(board_key, planes, channels, kernel, 1)
        network = self.network.alike(dense_key, n_outputs, 1.0, n_extra_inputs)
        return BoardBody(convolution, network, self.categories)


def parted(observation: Observation) -> tuple[Float[Array, "C H W"], dict[str, Observation]]:
    """The board, and the other fields of an observation without its mask.

    Raises:
      UpslopeError: there is no board.
    """
    if not isinstance(observation, Mapping) or BOARD not in observation:
        raise UpslopeError(
            "The policy 'board' reads the field 'board' [C, H, W] of the observation, which has "
            "none: use policy='softmax'."
        )
    rest = {name: part for name, part in without_mask(observation).items() if name != BOARD}  # pyright: ignore[reportAttributeAccessIssue]
    return observation[BOARD].astype(float), rest
