"""A finite Markov decision process given by its arrays."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike

from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError
from upslope.core.records import Step
from upslope.environments.tabular.tabular_environment import (
    TOLERANCE,
    TabularEnvironment,
    check_distributions,
)


class FiniteMDP(TabularEnvironment):
    r"""A finite MDP: P, R and the start distribution are its leaves.

    .. math:: s_0 \sim \mu, \qquad s' \sim P(\cdot \mid s, a), \qquad r = R(s, a)

    State and observation are the state's number. Stepping into a terminal state terminates.
    Guarantee: terminal states are absorbing without reward **in the arrays**, so that
    the Bellman equations hold for them as they stand and exact methods need no mask.

    Attributes:
      transition: P [S, A, S], rows sum to one.
      reward: R [S, A], the expected reward of taking a in s.
      initial: mu [S].
      terminal: bool [S]. By default the states that every action keeps forever without reward.
      time_limit: steps; None for never. Static.

    Args:
      transition: [S, A, S].
      reward: [S, A], or [S, A, S] by successor, which is reduced to its expectation (what is
        sampled is then the expectation too).
      initial: [S].
      terminal: bool [S] or None for the default. The rows of states declared terminal are
        replaced by absorbing ones without reward. An absorbing state without reward that the
        process may stay in (declared False) does not terminate.
      time_limit: see above.

    Raises:
      UpslopeError: wrong shapes; a NaN, an infinity or a negative probability (which); a row of
        `transition` or an `initial` that does not sum to one (by how much). Traced arrays are
        not checked.

    References:
      Puterman (1994), chapter 2; Sutton and Barto (2018), equations 3.3 and 3.5.
    """

    name: ClassVar[str] = "finite-mdp"
    transition: Float[Array, "S A S"]
    reward: Float[Array, "S A"]
    initial: Float[Array, " S"]
    terminal: Bool[Array, " S"]
    time_limit: int | None = eqx.field(static=True)

    def __init__(
        self,
        transition: ArrayLike,
        reward: ArrayLike,
        initial: ArrayLike,
        terminal: ArrayLike | None = None,
        time_limit: int | None = None,
    ):
        given = (transition, reward, initial, terminal)
        traced = any(isinstance(leaf, Tracer) for leaf in given)
        xp: Any = jnp if traced else np
        dtype = jnp.zeros(()).dtype
        moves = xp.asarray(transition, dtype)
        rewards = xp.asarray(reward, dtype)
        start = xp.asarray(initial, dtype)
        _check_shapes(moves, rewards, start, terminal)
        if not traced:
            _check_values(moves, rewards, start)
        if rewards.ndim == 3:
            rewards = xp.sum(moves * rewards, axis=-1)
        n_states = moves.shape[0]
        if terminal is None:
            stays = xp.diagonal(moves, axis1=0, axis2=2).T  # [S, A]
            ends = xp.all((stays >= 1.0 - TOLERANCE) & (rewards == 0.0), axis=1)
        else:
            ends = xp.asarray(terminal, bool)
        absorbing = xp.broadcast_to(xp.eye(n_states, dtype=dtype)[:, None, :], moves.shape)
        self.transition = jnp.asarray(xp.where(ends[:, None, None], absorbing, moves), dtype)
        self.reward = jnp.asarray(xp.where(ends[:, None], 0.0, rewards), dtype)
        self.initial = jnp.asarray(start, dtype)
        self.terminal = jnp.asarray(ends)
        self.time_limit = time_limit

    @property
    def n_states(self) -> int:
        """S."""
        return self.transition.shape[-3]

    @property
    def n_actions(self) -> int:
        """A."""
        return self.transition.shape[-2]

    def reset(self, key: Key) -> tuple[Int[Array, ""], Int[Array, ""]]:
        state = draw(key, self.initial)
        return state, state

    def step(
        self, key: Key, state: Int[Array, ""], action: Int[Array, ""]
    ) -> tuple[Int[Array, ""], Step]:
        reward = self.reward[state, action]
        state = draw(key, self.transition[state, action])
        return state, Step(state, reward, self.terminal[state])


def draw(key: Key, probabilities: Float[Array, " S"]) -> Int[Array, ""]:
    """An index drawn by the inverse distribution function: one random number, [S] -> int scalar.

    An outcome of probability zero is never drawn, whatever the rounding of the running sum.
    """
    summed = jnp.where(probabilities > 0, jnp.cumsum(probabilities), -1.0)
    threshold = jax.random.uniform(key, dtype=summed.dtype) * jnp.max(summed)
    return jnp.argmax(summed > threshold)


def _check_shapes(
    transition: Array | np.ndarray,
    reward: Array | np.ndarray,
    initial: Array | np.ndarray,
    terminal: ArrayLike | None,
) -> None:
    if transition.ndim != 3 or transition.shape[0] != transition.shape[2] or not transition.size:
        raise UpslopeError(
            f"FiniteMDP got transition of shape {transition.shape}: it must be [S, A, S] with at "
            "least one state and one action."
        )
    n_states, n_actions, _ = transition.shape
    if reward.shape not in {(n_states, n_actions), (n_states, n_actions, n_states)}:
        raise UpslopeError(
            f"FiniteMDP got reward of shape {reward.shape}: with {n_states} states and {n_actions} "
            f"actions it must be {(n_states, n_actions)} or {(n_states, n_actions, n_states)}."
        )
    if initial.shape != (n_states,):
        raise UpslopeError(
            f"FiniteMDP got initial of shape {initial.shape}: it must be {(n_states,)}, one "
            "probability a state."
        )
    if terminal is not None and np.shape(terminal) != (n_states,):
        raise UpslopeError(
            f"FiniteMDP got terminal of shape {np.shape(terminal)}: it must be {(n_states,)}, one "
            "boolean a state."
        )


def _check_values(transition: np.ndarray, reward: np.ndarray, initial: np.ndarray) -> None:
    for name, array in (("transition", transition), ("reward", reward), ("initial", initial)):
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            raise UpslopeError(
                f"FiniteMDP got {_entry(name, bad[0])} = {array[tuple(bad[0])]}: it must be finite."
            )
    for name, array in (("transition", transition), ("initial", initial)):
        bad = np.argwhere(array < 0)
        if len(bad):
            raise UpslopeError(
                f"FiniteMDP got {_entry(name, bad[0])} = {array[tuple(bad[0])]:g}: a probability "
                "cannot be negative."
            )
    check_distributions("FiniteMDP", transition, initial)


def _entry(name: str, index: np.ndarray) -> str:
    return f"{name}[{', '.join(str(i) for i in index)}]"
