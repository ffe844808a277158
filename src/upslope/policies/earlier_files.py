"""Policies as files of earlier versions describe them, turned into those of today.

Each function takes the fields that a class had then, by name, and gives today's object. Arrays may
have a leading axis of seeds.
"""

from __future__ import annotations

from typing import Any

from jax import Array
from jaxtyping import Float

from upslope.core.networks import MLP, ConvolutionalNetwork
from upslope.policies.bodies import (
    ConvolutionalBody,
    FeatureBody,
    LinearBody,
    MLPBody,
    RecurrentBody,
    RecurrentNetwork,
    TableBody,
)
from upslope.policies.critics import StateValue
from upslope.policies.features import FeatureMap
from upslope.policies.heads import Head
from upslope.policies.network import NetworkPolicy
from upslope.policies.rules.open_loop import SineGait, SplineMotion
from upslope.storage.serialization import assembled

Sizes = tuple[int, ...]


def dense_policy(network: MLP, head: Head, categories: Sizes) -> NetworkPolicy:
    """`SoftmaxNetwork`, `GaussianNetwork` and the others on a dense network."""
    return NetworkPolicy(MLPBody(network, categories), head)


def linear_policy(network: MLP, head: Head, categories: Sizes) -> NetworkPolicy:
    """`LinearGaussian` and `DeterministicLinear` had a network of one layer."""
    (layer,) = network.layers
    return NetworkPolicy(LinearBody(layer, categories), head)


def convolutional_policy(network: ConvolutionalNetwork, head: Head) -> NetworkPolicy:
    """`ConvolutionalPolicy` and its two children."""
    return NetworkPolicy(ConvolutionalBody(network), head)


def recurrent_policy(network: RecurrentNetwork, head: Head, categories: Sizes) -> NetworkPolicy:
    """`RecurrentPolicy` and its two children."""
    return NetworkPolicy(RecurrentBody(network, categories), head)


def sine_gait(in_size: int, categories: Sizes, **fields: Any) -> SineGait:
    """It kept the size of observations that it did not look at."""
    return assembled(SineGait, fields)


def spline_motion(in_size: int, categories: Sizes, **fields: Any) -> SplineMotion:
    """Likewise."""
    return assembled(SplineMotion, fields)


def dense_value(network: MLP, categories: Sizes) -> StateValue:
    """`NetworkValue`."""
    return StateValue(MLPBody(network, categories))


def recurrent_value(network: RecurrentNetwork, categories: Sizes) -> StateValue:
    """`RecurrentValue`."""
    return StateValue(RecurrentBody(network, categories))


def convolutional_value(network: ConvolutionalNetwork) -> StateValue:
    """`ConvolutionalValue`."""
    return StateValue(ConvolutionalBody(network))


def tabular_value(values: Float[Array, "*seeds S"]) -> StateValue:
    """`TabularValue` had a vector [S]."""
    return StateValue(TableBody(values[..., None]))


def linear_value(
    weight: Float[Array, "*seeds D"], bias: Float[Array, "*seeds"], features: FeatureMap
) -> StateValue:
    """`LinearValue` had a vector [D] and a scalar."""
    return StateValue(FeatureBody(weight[..., None], bias[..., None], features))
