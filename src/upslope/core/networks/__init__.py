"""Networks as modules of arrays: a product, a bias and an activation at a time."""

from upslope.core.networks.activations import ACTIVATIONS, activate
from upslope.core.networks.convolutional import ConvolutionalNetwork
from upslope.core.networks.gru import GRUCell
from upslope.core.networks.linear import Linear
from upslope.core.networks.mlp import MLP

__all__ = ["ACTIVATIONS", "MLP", "ConvolutionalNetwork", "GRUCell", "Linear", "activate"]
