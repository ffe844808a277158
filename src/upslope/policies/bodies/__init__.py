"""Bodies: from an observation, and a memory, to the numbers that a head reads."""

from upslope.policies.bodies.board import BoardBody
from upslope.policies.bodies.body import Body
from upslope.policies.bodies.convolutional import ConvolutionalBody
from upslope.policies.bodies.linear import LinearBody
from upslope.policies.bodies.mlp import MLPBody
from upslope.policies.bodies.recurrent import RecurrentBody, RecurrentNetwork
from upslope.policies.bodies.table import FeatureBody, TableBody

__all__ = [
    "BoardBody",
    "Body",
    "ConvolutionalBody",
    "FeatureBody",
    "LinearBody",
    "MLPBody",
    "RecurrentBody",
    "RecurrentNetwork",
    "TableBody",
]
