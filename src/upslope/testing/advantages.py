"""Generalised advantage estimation at the ends of episodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from upslope.testing.contract import Bug, Case, Contract, flat

STEPS = 7


class _Stream:
    """Seven steps of a stream in which an episode ends after the third and the fifth."""

    def __init__(
        self, seed: int, terminated: tuple[int, ...], truncated: tuple[int, ...], gae_lambda: float
    ):
        rng = np.random.default_rng(seed)
        self.reward, self.value = rng.normal(size=STEPS), rng.normal(size=STEPS)
        self.terminated = np.isin(np.arange(STEPS), terminated)
        self.truncated = np.isin(np.arange(STEPS), truncated)
        # Within an episode the next step's value; at its end that of the true last observation.
        self.next_value = np.append(self.value[1:], rng.normal())
        ends = self.terminated | self.truncated
        self.next_value[ends] = rng.normal(size=int(ends.sum()))
        self.gamma, self.gae_lambda = 0.9, gae_lambda

    def put(self, function: Callable[..., Any]) -> np.ndarray:
        """The function's answer."""
        return flat(
            function(
                self.reward.copy(),
                self.value.copy(),
                self.next_value.copy(),
                self.terminated.copy(),
                self.truncated.copy(),
                self.gamma,
                self.gae_lambda,
            )
        )

    def truth(self) -> np.ndarray:
        """sum_l (gamma lambda)^l delta_{t+l} up to the end of the episode, term by term."""
        found = np.zeros(STEPS)
        for t in range(STEPS):
            for k in range(t, STEPS):
                ahead = 0.0 if self.terminated[k] else self.gamma * self.next_value[k]
                delta = self.reward[k] + ahead - self.value[k]
                found[t] += (self.gamma * self.gae_lambda) ** (k - t) * delta
                if self.terminated[k] or self.truncated[k]:
                    break
        return found


def gae(
    reward: np.ndarray,
    bootstrap: np.ndarray,
    value: np.ndarray,
    carried: np.ndarray,
    gamma: float,
    gae_lambda: float,
) -> np.ndarray:
    """The recursion: `bootstrap` [T] is what follows a step, `carried` [T] whether it goes on."""
    advantage, after = np.zeros_like(reward), 0.0
    for t in reversed(range(len(reward))):
        delta = reward[t] + gamma * bootstrap[t] - value[t]
        after = delta + gamma * gae_lambda * carried[t] * after
        advantage[t] = after
    return advantage


def right(
    reward: np.ndarray,
    value: np.ndarray,
    next_value: np.ndarray,
    terminated: np.ndarray,
    truncated: np.ndarray,
    gamma: float,
    gae_lambda: float,
) -> np.ndarray:
    """Termination stops the value, either end the recursion."""
    ended = terminated | truncated
    return gae(reward, next_value * ~terminated, value, ~ended, gamma, gae_lambda)


def _truncation_as_termination(r, v, n, terminated, truncated, gamma, lam):
    ended = terminated | truncated
    return gae(r, n * ~ended, v, ~ended, gamma, lam)


def _bootstrapped_through(r, v, n, terminated, truncated, gamma, lam):
    return gae(r, n, v, ~(terminated | truncated), gamma, lam)


def _own_value(r, v, n, terminated, truncated, gamma, lam):
    bootstrap = np.where(truncated, v, n) * ~terminated
    return gae(r, bootstrap, v, ~(terminated | truncated), gamma, lam)


def _value_after_reset(r, v, n, terminated, truncated, gamma, lam):
    bootstrap = np.append(v[1:], n[-1]) * ~terminated
    return gae(r, bootstrap, v, ~(terminated | truncated), gamma, lam)


def _leaks(r, v, n, terminated, truncated, gamma, lam):
    return gae(r, n * ~terminated, v, ~terminated, gamma, lam)


def _terminal_reward_lost(r, v, n, terminated, truncated, gamma, lam):
    kept = np.where(terminated & (lam == 0.0), 0.0, r)
    return right(kept, v, n, terminated, truncated, gamma, lam)


def _shifted(r, v, n, terminated, truncated, gamma, lam):
    return right(np.append(0.0, r[:-1]), v, n, terminated, truncated, gamma, lam)


def _no_lambda(r, v, n, terminated, truncated, gamma, lam):
    return right(r, v, n, terminated, truncated, gamma, 1.0)


def _case(name: str, asks: str, stream: _Stream) -> Case:
    return Case(name, asks, stream.put, stream.truth)


ADVANTAGES = Contract(
    "advantages",
    "advantages(reward, value, next_value, terminated, truncated [T], gamma, gae_lambda) -> [T]",
    "A_t = sum_l (gamma lambda)^l (r + gamma V(s') - V(s)) up to the end of t's episode. "
    "next_value is V of the true next observation, before any reset; V is 0 after a termination "
    "and bootstrapped at a truncation and at the end of the batch.",
    right,
    (
        _case("termination", "an episode terminates", _Stream(0, (2,), (), 0.8)),
        _case("time limit", "an episode is cut by a time limit", _Stream(1, (), (2,), 0.8)),
        _case("both", "one episode terminates, one is cut", _Stream(2, (2,), (4,), 0.95)),
        _case("lambda 0", "one-step errors, the end included", _Stream(3, (2,), (4,), 0.0)),
        _case("lambda 1", "Monte Carlo returns, bootstrapped", _Stream(4, (4,), (2,), 1.0)),
    ),
    (
        Bug(
            "truncation treated as termination",
            "The value of the state at a time limit is taken for zero.",
            "vwxyzjn/cleanrl#198, luchris429/purejaxrl#20",
            _truncation_as_termination,
        ),
        Bug(
            "termination bootstrapped through",
            "The end of an episode is given a value.",
            "a flat `done` that is never looked at",
            _bootstrapped_through,
        ),
        Bug(
            "bootstrapping with V(s) at a time limit",
            "The value of the state before the last step stands for the one after it.",
            "google/brax, ppo/train.py",
            _own_value,
        ),
        Bug(
            "value of the reset observation",
            "At a time limit the next observation in the buffer begins another episode.",
            "auto-reset (vwxyzjn/cleanrl#499, sail-sg/envpool#194)",
            _value_after_reset,
        ),
        Bug(
            "advantages leak across episodes",
            "The recursion goes on through a truncation into the next episode.",
            "masks made of `terminated` alone",
            _leaks,
        ),
        Bug(
            "lambda = 0 loses the reward at the end",
            "A special case of one-step targets forgets the terminal reward.",
            "ray-project/ray#57683",
            _terminal_reward_lost,
        ),
        Bug(
            "rewards shifted by one step",
            "r_{t-1} in place of r_t.",
            "openai/spinningup#50",
            _shifted,
        ),
        Bug(
            "lambda left out",
            "Monte Carlo advantages under another name.",
            "a parameter that is never read",
            _no_lambda,
        ),
    ),
)
