"""Heads in NumPy: rows of outputs to actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .bodies import sigmoid

LOG_STD_RANGE = (-20.0, 2.0)  # as in `policies.heads.continuous`
Parameters = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class TwinHead:
    """Actions [N, ...] from outputs [N, O] and masks [N, A] of what is allowed (None: all)."""

    def parameters(self, output: np.ndarray, mask: np.ndarray | None) -> Parameters:
        """The parameters of the distributions by the names that the JAX distribution has."""
        raise NotImplementedError

    def mode(self, output: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        """The actions of a deterministic evaluation."""
        raise NotImplementedError

    def sample(
        self, output: np.ndarray, mask: np.ndarray | None, generator: np.random.Generator
    ) -> np.ndarray:
        """Draws."""
        raise NotImplementedError


def masked(logits: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """-inf where a choice is not allowed; rows that allow nothing stay as they are."""
    if mask is None:
        return logits
    return np.where(mask | ~mask.any(axis=-1, keepdims=True), logits, -np.inf)


def gumbel_max(
    logits: np.ndarray, mask: np.ndarray | None, generator: np.random.Generator
) -> np.ndarray:
    """One draw per row of the softmax of the logits [N, A]."""
    noise = generator.standard_exponential(logits.shape)
    return masked(logits - np.log(noise), mask).argmax(axis=-1)


@dataclass(frozen=True, eq=False)
class TwinSoftmax(TwinHead):
    """One of A actions; ints [N]."""

    n_actions: int

    def parameters(self, output: np.ndarray, mask: np.ndarray | None) -> Parameters:
        return {"logits": masked(output, mask)}

    def mode(self, output: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        return masked(output, mask).argmax(axis=-1)

    def sample(
        self, output: np.ndarray, mask: np.ndarray | None, generator: np.random.Generator
    ) -> np.ndarray:
        return gumbel_max(output, mask, generator)


@dataclass(frozen=True, eq=False)
class TwinPolicyValue(TwinHead):
    """One of A actions by preferences beside a value, [N, A + 1]; ints [N]."""

    n_actions: int

    def parameters(self, output: np.ndarray, mask: np.ndarray | None) -> Parameters:
        return {"logits": masked(output[:, : self.n_actions], mask)}

    def mode(self, output: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        return masked(output[:, : self.n_actions], mask).argmax(axis=-1)

    def sample(
        self, output: np.ndarray, mask: np.ndarray | None, generator: np.random.Generator
    ) -> np.ndarray:
        return gumbel_max(output[:, : self.n_actions], mask, generator)


@dataclass(frozen=True, eq=False)
class TwinDueling(TwinHead):
    """One of A actions by a state value and advantages, [N, 1 + A]; ints [N]."""

    n_actions: int

    def _values(self, output: np.ndarray) -> np.ndarray:
        advantages = output[:, 1:]
        return output[:, :1] + advantages - advantages.mean(axis=-1, keepdims=True)

    def parameters(self, output: np.ndarray, mask: np.ndarray | None) -> Parameters:
        return {"logits": masked(self._values(output), mask)}

    def mode(self, output: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        return masked(self._values(output), mask).argmax(axis=-1)

    def sample(
        self, output: np.ndarray, mask: np.ndarray | None, generator: np.random.Generator
    ) -> np.ndarray:
        return gumbel_max(self._values(output), mask, generator)


@dataclass(frozen=True, eq=False)
class TwinMultiSoftmax(TwinHead):
    """K choices; ints [N, K]. Masks have the entries of all choices, [N, sum(nvec)]."""

    nvec: tuple[int, ...]

    def _split(self, rows: np.ndarray) -> list[np.ndarray]:
        return np.split(rows, np.cumsum(self.nvec)[:-1], axis=-1)

    def _parts(
        self, output: np.ndarray, mask: np.ndarray | None
    ) -> list[tuple[np.ndarray, np.ndarray | None]]:
        masks = [None] * len(self.nvec) if mask is None else self._split(mask)
        return list(zip(self._split(output), masks, strict=True))

    def parameters(self, output: np.ndarray, mask: np.ndarray | None) -> Parameters:
        return {"logits": tuple(masked(h, m) for h, m in self._parts(output, mask))}

    def mode(self, output: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        each = [masked(h, m).argmax(axis=-1) for h, m in self._parts(output, mask)]
        return np.stack(each, axis=-1)

    def sample(
        self, output: np.ndarray, mask: np.ndarray | None, generator: np.random.Generator
    ) -> np.ndarray:
        each = [gumbel_max(h, m, generator) for h, m in self._parts(output, mask)]
        return np.stack(each, axis=-1)


@dataclass(frozen=True, eq=False)
class TwinBernoulli(TwinHead):
    """Switches; int8 [N, *shape]."""

    shape: tuple[int, ...]

    def parameters(self, output: np.ndarray, mask: np.ndarray | None) -> Parameters:
        return {"logits": output.reshape(-1, *self.shape)}

    def mode(self, output: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        return (output > 0).astype(np.int8).reshape(-1, *self.shape)

    def sample(
        self, output: np.ndarray, mask: np.ndarray | None, generator: np.random.Generator
    ) -> np.ndarray:
        on = generator.random(output.shape) < sigmoid(output)
        return on.astype(np.int8).reshape(-1, *self.shape)


@dataclass(frozen=True, eq=False)
class TwinGaussian(TwinHead):
    """Normal components [N, *shape]; log_std is None where the outputs' second half gives it."""

    shape: tuple[int, ...]
    log_std: np.ndarray | None
    log_std_init: float

    def moments(self, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means and log standard deviations [N, *shape]."""
        if self.log_std is not None:
            mean = output.reshape(-1, *self.shape)
            return mean, np.broadcast_to(self.log_std, mean.shape)
        size = output.shape[1] // 2
        log_std = np.clip(output[:, size:] + output.dtype.type(self.log_std_init), *LOG_STD_RANGE)
        return output[:, :size].reshape(-1, *self.shape), log_std.reshape(-1, *self.shape)

    def parameters(self, output: np.ndarray, mask: np.ndarray | None) -> Parameters:
        mean, log_std = self.moments(output)
        return {"mean": mean, "log_std": log_std}

    def mode(self, output: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        return self.moments(output)[0]

    def sample(
        self, output: np.ndarray, mask: np.ndarray | None, generator: np.random.Generator
    ) -> np.ndarray:
        mean, log_std = self.moments(output)
        noise = generator.standard_normal(mean.shape, dtype=np.float32)
        return mean + np.exp(log_std) * noise


@dataclass(frozen=True, eq=False)
class TwinSquashedGaussian(TwinHead):
    """A Gaussian squashed into the bounds by tanh."""

    gaussian: TwinGaussian
    low: tuple[float, ...]
    high: tuple[float, ...]

    def parameters(self, output: np.ndarray, mask: np.ndarray | None) -> Parameters:
        low, high = bounds(self.low, self.high, self.gaussian.shape, output.dtype)
        return {**self.gaussian.parameters(output, mask), "low": low, "high": high}

    def mode(self, output: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        return self._squash(self.gaussian.mode(output, mask))

    def sample(
        self, output: np.ndarray, mask: np.ndarray | None, generator: np.random.Generator
    ) -> np.ndarray:
        return self._squash(self.gaussian.sample(output, mask, generator))

    def _squash(self, u: np.ndarray) -> np.ndarray:
        low, high = bounds(self.low, self.high, self.gaussian.shape, u.dtype)
        x = low + u.dtype.type(0.5) * (high - low) * (1 + np.tanh(u))
        return np.minimum(np.maximum(x, low), high)


@dataclass(frozen=True, eq=False)
class TwinBeta(TwinHead):
    """Beta variables on the bounds, concentrations 1 + softplus(output)."""

    shape: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def parameters(self, output: np.ndarray, mask: np.ndarray | None) -> Parameters:
        concentration = 1 + np.logaddexp(output.dtype.type(0), output)
        both = concentration.reshape(-1, 2, *self.shape)
        low, high = bounds(self.low, self.high, self.shape, output.dtype)
        return {
            "concentration1": both[:, 0],
            "concentration0": both[:, 1],
            "low": low,
            "high": high,
        }

    def mode(self, output: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        p = self.parameters(output, mask)
        a, b = p["concentration1"], p["concentration0"]  # at least 1 each
        peaked = (a > 1) & (b > 1)
        peak = (a - 1) / np.where(peaked, a + b - 2, 1)
        edge = np.where(a > b, 1.0, np.where(a < b, 0.0, 0.5)).astype(output.dtype)
        return self._stretch(np.where(peaked, peak, edge), p)

    def sample(
        self, output: np.ndarray, mask: np.ndarray | None, generator: np.random.Generator
    ) -> np.ndarray:
        p = self.parameters(output, mask)
        unit = generator.beta(p["concentration1"], p["concentration0"]).astype(output.dtype)
        return self._stretch(unit, p)

    @staticmethod
    def _stretch(unit: np.ndarray, p: Parameters) -> np.ndarray:
        low, high = p["low"], p["high"]
        return np.minimum(np.maximum(low + (high - low) * unit, low), high)


@dataclass(frozen=True, eq=False)
class TwinMode(TwinHead):
    """The mode of another head, always."""

    head: TwinHead

    def parameters(self, output: np.ndarray, mask: np.ndarray | None) -> Parameters:
        return {"value": self.mode(output, mask)}

    def mode(self, output: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        return self.head.mode(output, mask)

    def sample(
        self, output: np.ndarray, mask: np.ndarray | None, generator: np.random.Generator
    ) -> np.ndarray:
        return self.head.mode(output, mask)


@dataclass(frozen=True, eq=False)
class TwinEpsilonGreedy(TwinHead):
    """The mode of another head, and with probability epsilon any of the A actions allowed."""

    head: TwinHead
    epsilon: np.ndarray  # scalar
    n_actions: int

    def parameters(self, output: np.ndarray, mask: np.ndarray | None) -> Parameters:
        return {**self.head.parameters(output, mask), "epsilon": self.epsilon}

    def mode(self, output: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        return self.head.mode(output, mask)

    def sample(
        self, output: np.ndarray, mask: np.ndarray | None, generator: np.random.Generator
    ) -> np.ndarray:
        explore = generator.random(len(output)) < self.epsilon
        anything = np.zeros((len(output), self.n_actions), np.float32)
        return np.where(
            explore, gumbel_max(anything, mask, generator), self.head.mode(output, mask)
        )


@dataclass(frozen=True, eq=False)
class TwinTieBreaker(TwinHead):
    """Any of the best of another head's preferences; with probability epsilon, any action."""

    head: TwinHead
    epsilon: np.ndarray  # scalar

    def parameters(self, output: np.ndarray, mask: np.ndarray | None) -> Parameters:
        return {**self.head.parameters(output, mask), "epsilon": self.epsilon}

    def mode(self, output: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        return self.head.mode(output, mask)

    def sample(
        self, output: np.ndarray, mask: np.ndarray | None, generator: np.random.Generator
    ) -> np.ndarray:
        explore = generator.random((len(output), 1)) < self.epsilon
        eligible = explore | (output >= output.max(axis=-1, keepdims=True))
        ranks = generator.random(output.shape, dtype=np.float32)
        return np.argmax(np.where(eligible, ranks, np.float32(-1.0)), axis=-1)


@dataclass(frozen=True, eq=False)
class TwinPoint(TwinHead):
    """The outputs, brought into the bounds by tanh where there are any."""

    shape: tuple[int, ...]
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None

    def parameters(self, output: np.ndarray, mask: np.ndarray | None) -> Parameters:
        return {"value": self.mode(output, mask)}

    def mode(self, output: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        action = output.reshape(-1, *self.shape)
        if self.low is None or self.high is None:
            return action
        low, high = bounds(self.low, self.high, self.shape, output.dtype)
        return low + output.dtype.type(0.5) * (high - low) * (1 + np.tanh(action))

    def sample(
        self, output: np.ndarray, mask: np.ndarray | None, generator: np.random.Generator
    ) -> np.ndarray:
        return self.mode(output, mask)


@dataclass(frozen=True, eq=False)
class TwinAsIs(TwinHead):
    """The outputs are the actions."""

    def parameters(self, output: np.ndarray, mask: np.ndarray | None) -> Parameters:
        return {"value": output}

    def mode(self, output: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        return output

    def sample(
        self, output: np.ndarray, mask: np.ndarray | None, generator: np.random.Generator
    ) -> np.ndarray:
        return output


def bounds(
    low: tuple[float, ...], high: tuple[float, ...], shape: tuple[int, ...], dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """Flat numbers as arrays of the action's shape."""
    return np.asarray(low, dtype).reshape(shape), np.asarray(high, dtype).reshape(shape)
