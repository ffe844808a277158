"""The Bellman backup: from a value of each state to a value of each state and action."""

from __future__ import annotations

import abc
from typing import TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from upslope.environments.tabular.finite_mdp import FiniteMDP
from upslope.environments.tabular.sparse_mdp import SparseMDP

# An MDP whose arrays are known, dense or as lists of successors.
FiniteModel: TypeAlias = FiniteMDP | SparseMDP


class PolicyRows(eqx.Module):
    """The chain of one deterministic policy: an expectation over successors for each state."""

    reward: eqx.AbstractVar[Float[Array, " S"]]

    @abc.abstractmethod
    def expected(self, values: Float[Array, " S"]) -> Float[Array, " S"]:
        """The expected value one step later, [S]."""


class Backup(eqx.Module):
    r"""One step of dynamic programming in a finite MDP, in the precision of `reward`.

    .. math:: q(s, a) = R(s, a) + \gamma \sum_{s'} P(s' \mid s, a) v(s')

    Each row of P is divided by its sum, so that probabilities that add up to one in single
    precision only add up to one here.

    Attributes:
      reward: R [S, A].
      terminal: bool [S]; absorbing without reward in the arrays.
    """

    reward: eqx.AbstractVar[Float[Array, "S A"]]
    terminal: eqx.AbstractVar[Bool[Array, " S"]]

    @property
    @abc.abstractmethod
    def n_terms(self) -> int | Int[Array, ""]:
        """The most successors of a state and an action: how many numbers a backup adds up."""

    @abc.abstractmethod
    def expected(self, values: Float[Array, " S"]) -> Float[Array, "S A"]:
        """The expected value one step later, [S, A]."""

    @abc.abstractmethod
    def state_action_values(
        self, state: Int[Array, ""], values: Float[Array, " S"], gamma: float | Array
    ) -> Float[Array, " A"]:
        """q(s, .) of one state, [A]."""

    @abc.abstractmethod
    def rows(self, policy: Int[Array, " S"]) -> PolicyRows:
        """The chain of a policy, an action for each state."""

    def action_values(
        self, values: Float[Array, " S"], gamma: float | Array
    ) -> Float[Array, "S A"]:
        """q [S, A] of values [S]."""
        return self.reward + gamma * self.expected(values)


class DenseRows(PolicyRows):
    """Of a matrix [S, S]."""

    reward: Float[Array, " S"]
    transition: Float[Array, "S S"]

    def expected(self, values: Float[Array, " S"]) -> Float[Array, " S"]:
        return jnp.matmul(self.transition, values, precision=jax.lax.Precision.HIGHEST)


class SparseRows(PolicyRows):
    """Of lists of successors [S, B]."""

    reward: Float[Array, " S"]
    successor: Int[Array, "S B"]
    probability: Float[Array, "S B"]

    def expected(self, values: Float[Array, " S"]) -> Float[Array, " S"]:
        return jnp.sum(self.probability * take(values, self.successor), axis=-1)


class DenseBackup(Backup):
    """Of P as an array [S, A, S]."""

    reward: Float[Array, "S A"]
    terminal: Bool[Array, " S"]
    transition: Float[Array, "S A S"]

    @property
    def n_terms(self) -> Int[Array, ""]:
        return jnp.max(jnp.sum(self.transition > 0, axis=-1))

    def expected(self, values: Float[Array, " S"]) -> Float[Array, "S A"]:
        return jnp.matmul(self.transition, values, precision=jax.lax.Precision.HIGHEST)

    def state_action_values(
        self, state: Int[Array, ""], values: Float[Array, " S"], gamma: float | Array
    ) -> Float[Array, " A"]:
        later = jnp.matmul(self.transition[state], values, precision=jax.lax.Precision.HIGHEST)
        return self.reward[state] + gamma * later

    def rows(self, policy: Int[Array, " S"]) -> DenseRows:
        states = jnp.arange(policy.shape[0])
        return DenseRows(self.reward[states, policy], self.transition[states, policy])


class SparseBackup(Backup):
    """Of lists of successors; their probabilities stay in the precision in which they came."""

    reward: Float[Array, "S A"]
    terminal: Bool[Array, " S"]
    successor: Int[Array, "S A B"]
    probability: Float[Array, "S A B"]
    total: Float[Array, "S A"]

    @property
    def n_terms(self) -> int:
        return self.successor.shape[-1]

    def expected(self, values: Float[Array, " S"]) -> Float[Array, "S A"]:
        # Tied to the values: a loop would convert all probabilities once, and keep them twice.
        probability, values = jax.lax.optimization_barrier((self.probability, values))
        weight = probability.astype(values.dtype)
        return jnp.sum(weight * take(values, self.successor), axis=-1) / self.total

    def state_action_values(
        self, state: Int[Array, ""], values: Float[Array, " S"], gamma: float | Array
    ) -> Float[Array, " A"]:
        weight = self.probability[state].astype(values.dtype)
        later = jnp.sum(weight * take(values, self.successor[state]), axis=-1)
        return self.reward[state] + gamma * later / self.total[state]

    def rows(self, policy: Int[Array, " S"]) -> SparseRows:
        states = jnp.arange(policy.shape[0])
        total = self.total[states, policy]
        probability = self.probability[states, policy].astype(total.dtype) / total[:, None]
        return SparseRows(self.reward[states, policy], self.successor[states, policy], probability)


def take(values: Float[Array, " S"], index: Int[Array, ...]) -> Float[Array, ...]:
    """values[index] for an index that is known to be one."""
    return values.at[index].get(mode="promise_in_bounds")


def backup_of(mdp: FiniteModel, dtype: np.dtype) -> Backup:
    """The backup of an MDP in a precision.

    Args:
      mdp: dense or sparse.
      dtype: float32, or float64 where JAX may have it (`jax.enable_x64`).
    """
    if isinstance(mdp, SparseMDP):
        reward, total = _sparse(mdp.reward, mdp.probability, dtype)
        return SparseBackup(reward, mdp.terminal, mdp.successor, mdp.probability, total)
    return DenseBackup(*_dense(mdp.reward, mdp.terminal, mdp.transition, dtype))


@jax.jit(static_argnames="dtype")
def _sparse(reward: Array, probability: Array, dtype: np.dtype) -> tuple[Array, Array]:
    return reward.astype(dtype), jnp.sum(probability.astype(dtype), axis=-1)


@jax.jit(static_argnames="dtype")
def _dense(
    reward: Array, terminal: Array, transition: Array, dtype: np.dtype
) -> tuple[Array, Array, Array]:
    moves = transition.astype(dtype)
    return reward.astype(dtype), terminal, moves / jnp.sum(moves, axis=-1, keepdims=True)
