"""J and grad J of small finite MDPs, dense and in double precision: what estimates must match."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array


def expected_return(
    logits: Array, transition: Array, reward: Array, initial: Array, horizon: int, gamma: float
) -> Array:
    r"""Backward induction over `horizon` steps, differentiable in the logits [S, A].

    .. math:: V_H = 0, \quad V_t(s) = \sum_a \pi(a|s) (R(s, a) + \gamma \sum_{s'} P V_{t+1}(s')),
              \quad J = \sum_s \mu(s) V_0(s)

    Terminal states must be absorbing and without reward in the arrays.
    """
    pi = jax.nn.softmax(logits, axis=1)
    value = jnp.zeros(reward.shape[0])
    for _ in range(horizon):
        value = jnp.sum(pi * (reward + gamma * jnp.einsum("ijk,k->ij", transition, value)), axis=1)
    return jnp.sum(initial * value)


def discounted_value(
    logits: Array, transition: Array, reward: Array, initial: Array, gamma: float
) -> Array:
    r"""J without a horizon: :math:`\mu^T (I - \gamma P^\pi)^{-1} r^\pi`."""
    pi = jax.nn.softmax(logits, axis=1)
    chain = jnp.einsum("ij,ijk->ik", pi, transition)
    value = jnp.linalg.solve(jnp.eye(chain.shape[0]) - gamma * chain, jnp.sum(pi * reward, axis=1))
    return jnp.sum(initial * value)


def exact_gradient(logits, mdp, horizon: int, gamma: float) -> tuple[float, np.ndarray]:
    """J and grad J of a softmax table in a `FiniteMDP`, computed in float64."""
    with jax.enable_x64(True):
        arrays = [np.asarray(x, np.float64) for x in (mdp.transition, mdp.reward, mdp.initial)]
        logits = jnp.asarray(np.asarray(logits, np.float64))
        value, gradient = jax.value_and_grad(expected_return)(logits, *arrays, horizon, gamma)
        return float(value), np.asarray(gradient)


def z_scores(samples: np.ndarray, exact: np.ndarray) -> tuple[np.ndarray, float]:
    """z of the mean of samples [B, ...] in each coordinate, and the largest SE over |exact|.

    A coordinate without any spread has z = 0 when it is exact and infinity when it is not.
    """
    samples = np.asarray(samples, np.float64).reshape(samples.shape[0], -1)
    exact = np.asarray(exact, np.float64).ravel()
    error = samples.mean(axis=0) - exact
    deviation = samples.std(axis=0, ddof=1) / np.sqrt(samples.shape[0])
    still = deviation < 1e-12 * max(1.0, float(np.linalg.norm(exact)))
    z = np.where(
        still, np.where(np.abs(error) < 1e-9, 0.0, np.inf), error / np.where(still, 1.0, deviation)
    )
    return z, float(deviation.max() / np.linalg.norm(exact))
