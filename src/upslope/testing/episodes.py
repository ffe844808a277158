"""Environments so small that all their episodes can be listed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

# What stands where no step was taken: whoever counts it will notice.
PADDING = 7.0


class EpisodeBatch(NamedTuple):
    """N whole episodes, padded to T steps: what a policy gradient is given.

    The policy is softmax(logits[observation]) over the actions.
    """

    observation: np.ndarray  # [N, T] int, the state
    action: np.ndarray  # [N, T] int
    reward: np.ndarray  # [N, T], r_t follows action_t
    valid: np.ndarray  # [N, T] bool, false after the end; what stands there means nothing
    behavior_log_prob: np.ndarray  # [N, T], log b(a|s) of the policy that acted
    gamma: float  # J = E sum_t gamma^t r_t


class SmallEnvironment(NamedTuple):
    """A deterministic environment of two states and an end, started in state 0."""

    successor: tuple[tuple[int, int], tuple[int, int]]  # [S][A], 2 is the end
    reward: tuple[tuple[float, float], tuple[float, float]]  # [S][A]
    horizon: int
    gamma: float

    def episodes(self) -> list[list[tuple[int, int, float]]]:
        """All episodes, as steps (state, action, reward)."""
        found: list[list[tuple[int, int, float]]] = []

        def grow(state: int, steps: list[tuple[int, int, float]]) -> None:
            if state == 2 or len(steps) == self.horizon:
                found.append(steps)
                return
            for action in (0, 1):
                step = (state, action, self.reward[state][action])
                grow(self.successor[state][action], [*steps, step])

        grow(0, [])
        return found

    def batch(self, logits: np.ndarray, chosen: list[Any]) -> EpisodeBatch:
        """Some episodes as arrays; the policy of `logits` acted."""
        shape = (len(chosen), self.horizon)
        state, action = np.ones(shape, int), np.ones(shape, int)
        reward, valid = np.full(shape, PADDING), np.zeros(shape, bool)
        for n, steps in enumerate(chosen):
            for t, step in enumerate(steps):
                state[n, t], action[n, t], reward[n, t] = step
                valid[n, t] = True
        log_prob = np.where(valid, log_softmax(logits)[state, action], PADDING)
        return EpisodeBatch(state, action, reward, valid, log_prob, self.gamma)

    def probability(self, logits: np.ndarray, steps: list[Any]) -> float:
        """Of an episode under a policy."""
        log_prob = log_softmax(logits)
        return float(np.exp(sum(log_prob[state, action] for state, action, _ in steps)))

    def objective(self, logits: np.ndarray) -> float:
        """J, by summing over all episodes."""
        return sum(
            self.probability(logits, steps)
            * sum(self.gamma**t * reward for t, (_, _, reward) in enumerate(steps))
            for steps in self.episodes()
        )

    def expectation(
        self, function: Callable[..., Any], logits: np.ndarray, behavior: np.ndarray
    ) -> np.ndarray:
        """E of `function(logits, batch)`, flat, over all batches of two episodes of `behavior`."""
        everything = self.episodes()
        chance = [self.probability(behavior, steps) for steps in everything]
        total = np.zeros(logits.size)
        for one, p in zip(everything, chance, strict=True):
            for other, q in zip(everything, chance, strict=True):
                batch = self.batch(behavior, [one, other])
                found = np.asarray(function(logits.copy(), batch), float)
                if found.shape != logits.shape:
                    return found.ravel()  # whoever asked will say that it does not fit
                total += p * q * found.ravel()
        return total


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Along the last axis."""
    shifted = logits - np.max(logits, axis=-1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


LOGITS = np.array([[0.3, -0.4], [-0.2, 0.5]])
BEHAVIOR = np.array([[-0.5, 0.2], [0.4, 0.1]])
CIRCLE = ((1, 0), (0, 1))  # never ends
EXIT = ((1, 0), (0, 2))  # the second action ends it in state 1
REWARD = ((1.0, -0.5), (2.0, 0.3))
ENVIRONMENTS = {
    "undiscounted": (SmallEnvironment(CIRCLE, REWARD, 3, 1.0), "three steps, gamma 1"),
    "discounted": (SmallEnvironment(CIRCLE, REWARD, 3, 0.6), "three steps, gamma 0.6"),
    "early end": (SmallEnvironment(EXIT, REWARD, 3, 0.9), "episodes of different lengths, padded"),
    "offset": (
        SmallEnvironment(EXIT, ((11.0, 9.5), (12.0, 10.3)), 3, 1.0),
        "large rewards of one sign, different lengths",
    ),
}
