"""Bodies in NumPy: a batch of observations, and memories, to rows of outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .encoding import Memory, Observation, TwinEncoding

Layer = tuple[np.ndarray, np.ndarray | None]  # W [I, O], b [O]

ACTIVATIONS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, x.dtype.type(0)),
    "gelu": lambda x: (
        x * x.dtype.type(0.5) * (1 + np.tanh(x.dtype.type(0.7978845608) * (x + 0.044715 * x**3)))
    ).astype(x.dtype),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "silu": lambda x: x * sigmoid(x),
    "identity": lambda x: x,
}


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-x), without overflow."""
    half = x.dtype.type(0.5)
    return half * (np.tanh(half * x) + 1)


def affine(layer: Layer, x: np.ndarray) -> np.ndarray:
    """x W + b: [N, I] to [N, O]."""
    out = np.dot(x, layer[0])
    if layer[1] is not None:
        out += layer[1]
    return out


@dataclass(frozen=True, eq=False)
class TwinBody:
    """Outputs [N, O] and memories [N, ...] from observations [N, ...] and memories."""

    has_memory: ClassVar[bool] = False

    def __call__(self, observation: Observation, memory: Memory) -> tuple[np.ndarray, Memory]:
        """The outputs and the next memories (`()` without memory)."""
        raise NotImplementedError

    def initial_memory(self, n: int) -> Memory:
        """The memories [n, ...] at the start of n episodes; `()` without memory."""
        return ()


@dataclass(frozen=True, eq=False)
class TwinMLP(TwinBody):
    """Affine layers with an activation between them."""

    encoding: TwinEncoding
    layers: tuple[Layer, ...]
    activation: str

    def __call__(self, observation: Observation, memory: Memory) -> tuple[np.ndarray, Memory]:
        x = self.encoding(observation, self.layers[0][0].dtype)
        activation, last = ACTIVATIONS[self.activation], len(self.layers) - 1
        for k, layer in enumerate(self.layers):
            x = affine(layer, x)
            if k < last:
                x = activation(x)
        return x, memory


@dataclass(frozen=True, eq=False)
class TwinTable(TwinBody):
    """A row [O] per state; observations are states, ints [N]."""

    table: np.ndarray

    def __call__(self, observation: Observation, memory: Memory) -> tuple[np.ndarray, Memory]:
        return self.table[np.asarray(observation)], memory


@dataclass(frozen=True, eq=False)
class TwinRecurrent(TwinBody):
    """A dense layer, a gated recurrent unit and the output layer; memories [N, H]."""

    has_memory: ClassVar[bool] = True
    encoding: TwinEncoding
    encoder: Layer
    input_weight: np.ndarray
    memory_weight: np.ndarray
    bias: np.ndarray
    candidate_bias: np.ndarray
    output: Layer
    activation: str

    def __call__(self, observation: Observation, memory: np.ndarray) -> tuple[np.ndarray, Memory]:
        x = self.encoding(observation, self.input_weight.dtype)
        x = ACTIVATIONS[self.activation](affine(self.encoder, x))
        size = memory.shape[1]
        inputs = np.dot(x, self.input_weight) + self.bias
        kept = np.dot(memory, self.memory_weight)
        gates = sigmoid(inputs[:, : 2 * size] + kept[:, : 2 * size])
        reset, update = gates[:, :size], gates[:, size:]
        candidate = np.tanh(
            inputs[:, 2 * size :] + reset * (kept[:, 2 * size :] + self.candidate_bias)
        )
        memory = (1 - update) * candidate + update * memory
        return affine(self.output, memory), memory

    def initial_memory(self, n: int) -> np.ndarray:
        return np.zeros((n, self.candidate_bias.size), self.candidate_bias.dtype)


@dataclass(frozen=True, eq=False)
class TwinDecisionTree(TwinBody):
    """Right at a node where w x > b; the outputs are those of the leaf."""

    encoding: TwinEncoding
    weight: np.ndarray  # [nodes, I]
    threshold: np.ndarray  # [nodes]
    leaf: np.ndarray  # [nodes + 1, O]
    depth: int

    def __call__(self, observation: Observation, memory: Memory) -> tuple[np.ndarray, Memory]:
        x = self.encoding(observation, self.weight.dtype)
        node = np.zeros(len(x), int)
        for _ in range(self.depth):
            right = np.sum(self.weight[node] * x, axis=1) > self.threshold[node]
            node = 2 * node + 1 + right
        return self.leaf[node - (2**self.depth - 1)], memory


@dataclass(frozen=True, eq=False)
class TwinFiniteStateController(TwinBody):
    """Moves between nodes by what it observes; memories, the nodes, are int32 [N]."""

    has_memory: ClassVar[bool] = True
    encoding: TwinEncoding
    move: np.ndarray  # [M, M, I]
    bias: np.ndarray  # [M, M]
    action: np.ndarray  # [M, O]

    def __call__(self, observation: Observation, memory: np.ndarray) -> tuple[np.ndarray, Memory]:
        x = self.encoding(observation, self.move.dtype)
        preference = np.matmul(self.move[memory], x[:, :, None])[:, :, 0] + self.bias[memory]
        node = np.argmax(preference, axis=1).astype(np.int32)
        return self.action[node], node

    def initial_memory(self, n: int) -> np.ndarray:
        return np.zeros(n, np.int32)


@dataclass(frozen=True, eq=False)
class TwinSineGait(TwinBody):
    """Joints that swing; the step of the episode is the memory, int32 [N]."""

    has_memory: ClassVar[bool] = True
    offset: np.ndarray  # [D]
    amplitude: np.ndarray  # [D]
    phase: np.ndarray  # [D]
    log_period: np.ndarray  # scalar

    def __call__(self, observation: Observation, memory: np.ndarray) -> tuple[np.ndarray, Memory]:
        dtype = self.offset.dtype
        turn = memory[:, None].astype(dtype) / np.exp(self.log_period) + self.phase
        return self.offset + self.amplitude * np.sin(dtype.type(2 * np.pi) * turn), memory + 1

    def initial_memory(self, n: int) -> np.ndarray:
        return np.zeros(n, np.int32)


@dataclass(frozen=True, eq=False)
class TwinSplineMotion(TwinBody):
    """A closed Catmull-Rom curve; the step of the episode is the memory, int32 [N]."""

    has_memory: ClassVar[bool] = True
    knots: np.ndarray  # [K, D]
    period: int

    def __call__(self, observation: Observation, memory: np.ndarray) -> tuple[np.ndarray, Memory]:
        count, dtype = len(self.knots), self.knots.dtype
        place = (memory % self.period).astype(dtype) * dtype.type(count / self.period)
        before = np.floor(place).astype(int)
        u = (place - before.astype(dtype))[:, None]
        a, b, c, d = (self.knots[(before + shift) % count] for shift in (-1, 0, 1, 2))
        linear, square = c - a, 2 * a - 5 * b + 4 * c - d
        half = dtype.type(0.5)
        return b + half * u * (linear + u * (square + u * (3 * (b - c) + d - a))), memory + 1

    def initial_memory(self, n: int) -> np.ndarray:
        return np.zeros(n, np.int32)


@dataclass(frozen=True, eq=False)
class TwinThresholdRule(TwinBody):
    """Bang-bang control: the outputs are the actions themselves."""

    encoding: TwinEncoding
    weight: np.ndarray  # [I], or [D, I] for D numbers
    threshold: np.ndarray  # [n - 1], sorted; or [D]
    shape: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __call__(self, observation: Observation, memory: Memory) -> tuple[np.ndarray, Memory]:
        x = self.encoding(observation, self.weight.dtype)
        if not self.low:
            score = np.sum(self.weight * x, axis=1)
            return np.sum(score[:, None] > self.threshold, axis=1), memory
        up = np.dot(x, self.weight.T) > self.threshold
        low, high = (np.asarray(side, self.weight.dtype) for side in (self.low, self.high))
        return np.where(up, high, low).reshape(-1, *self.shape), memory
