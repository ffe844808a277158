"""How an ensemble learns: likelihood, bootstrap, and one pass of gradient steps."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jaxtyping import Bool, Float

from upslope.models.gaussian_network import GaussianNetwork

# The price of a wide range of log-variances.
BOUNDS_COST = 0.01
# The distribution function of a Poisson variable with mean 1 at 0, 1, ..., 6.
POISSON = np.cumsum(np.exp(-1.0) / np.array([1, 1, 2, 6, 24, 120, 720.0]))
GOLDEN = np.uint32(0x9E3779B1)


class Batch(NamedTuple):
    """Steps as networks see them."""

    inputs: Float[Array, "B I"]  # normalised
    targets: Float[Array, "B K"]  # normalised
    ended: Float[Array, " B"]  # 1 where the step terminated
    weight: Float[Array, "B E"]  # of each member; 0 where a row says nothing


class Learner(NamedTuple):
    """Networks and what their optimizer remembers; leaves have a leading axis [E]."""

    networks: GaussianNetwork
    optimizer: optax.OptState


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4))
def fresh_learner(
    keys: Array, n_inputs: int, hidden: tuple[int, ...], n_targets: int, activation: str
) -> Learner:
    """A learner before its first step, a member for each of the keys [E]."""

    def fresh(key: Array) -> GaussianNetwork:
        return GaussianNetwork.fresh(key, n_inputs, hidden, n_targets, activation)

    networks = jax.vmap(fresh)(keys)
    return Learner(networks, optax.scale_by_adam().init(cast(Any, networks)))


class Rates(NamedTuple):
    """The numbers of a gradient step."""

    learning_rate: float | Float[Array, ""]
    weight_decay: float | Float[Array, ""]
    beta: float | Float[Array, ""]
    learns_ends: float | Float[Array, ""]  # 1, or 0 where a function says what terminates


def bootstrap_weights(rows: Float[Array, "B R"], n_members: int) -> Float[Array, "B E"]:
    """How often each step is in the bootstrap sample of each member: Poisson with mean 1.

    The weight is a function of the step's own numbers, so that a member meets the same sample
    whenever a step is drawn again.

    Args:
      rows: all numbers of each step.
      n_members: E. A single member takes every step once.

    References:
      Efron (1979); Oza and Russell (2001), "Online Bagging and Boosting", for Poisson weights.
    """
    if n_members == 1:
        return jnp.ones((rows.shape[0], 1), rows.dtype)
    bits = jax.lax.bitcast_convert_type(rows.astype(jnp.float32), jnp.uint32)
    place = jnp.arange(rows.shape[1], dtype=jnp.uint32) * GOLDEN
    words = jnp.sum(_mixed(bits + place[None]), axis=1, dtype=jnp.uint32)
    members = jnp.arange(1, n_members + 1, dtype=jnp.uint32) * GOLDEN
    drawn = _mixed(words[:, None] ^ _mixed(members)[None])
    unit = drawn.astype(rows.dtype) / 2.0**32
    thresholds = jnp.asarray(POISSON, rows.dtype)
    return jnp.sum(unit[..., None] > thresholds[None, None], axis=-1).astype(rows.dtype)


def _mixed(words: Array) -> Array:
    """Words whose bits all depend on all bits (the finaliser of MurmurHash3)."""
    words = (words ^ (words >> 16)) * np.uint32(0x85EBCA6B)
    words = (words ^ (words >> 13)) * np.uint32(0xC2B2AE35)
    return words ^ (words >> 16)


def losses(networks: GaussianNetwork, batch: Batch, rates: Rates) -> Float[Array, " E"]:
    r"""The loss of each member.

    .. math:: L = \frac{1}{B} \sum_i w_i \Big[ \frac{1}{2 K} \sum_k \sigma_{ik}^{2 \beta}
              \Big( \frac{(y_{ik} - \mu_{ik})^2}{\sigma_{ik}^2} + \log \sigma_{ik}^2 \Big)
              + H(d_i, p_i) \Big] + 0.01 \, \frac{1}{K} \sum_k (\ell_{+k} - \ell_{-k})

    with no gradient through the factor :math:`\sigma^{2 \beta}`, and H the cross-entropy of the
    end. With beta = 0 it is the negative log-likelihood up to a constant.

    References:
      Chua et al. (2018), equation 2 and appendix A.1; Seitzer et al. (2022), "On the Pitfalls of
      Heteroscedastic Uncertainty Estimation with Probabilistic Neural Networks", for beta.
    """

    def one(network: GaussianNetwork, weight: Array) -> Array:
        found = jax.vmap(network)(batch.inputs)
        variance = jnp.exp(found.log_variance)
        squares = jnp.square(batch.targets - found.mean) / variance + found.log_variance
        factor = jax.lax.stop_gradient(variance) ** rates.beta
        end = optax.sigmoid_binary_cross_entropy(found.end_logit, batch.ended)
        each = 0.5 * jnp.mean(factor * squares, axis=1) + rates.learns_ends * end
        width = jnp.mean(network.highest - network.lowest)
        return jnp.mean(weight * each) + BOUNDS_COST * width

    return jax.vmap(one, (0, 1))(networks, batch.weight)


def descend(learner: Learner, batch: Batch, rates: Rates) -> tuple[Learner, Float[Array, ""]]:
    """One step of AdamW on every member, and their mean loss before it.

    A batch without any weight changes nothing, and its loss is NaN.
    """

    def total(networks: GaussianNetwork) -> tuple[Array, Array]:
        each = losses(networks, batch, rates)
        return jnp.sum(each), jnp.mean(each)

    gradient, loss = jax.grad(total, has_aux=True)(learner.networks)
    step, optimizer = optax.scale_by_adam().update(gradient, learner.optimizer)
    some = jnp.any(batch.weight > 0)

    def move(leaf: Array, direction: Array) -> Array:
        return leaf - rates.learning_rate * (direction + rates.weight_decay * leaf)

    moved = Learner(jax.tree.map(move, learner.networks, step), optimizer)
    kept = jax.tree.map(lambda new, old: jnp.where(some, new, old), moved, learner)
    return kept, jnp.where(some, loss, jnp.nan)


@eqx.filter_jit
def one_pass(
    learner: Learner, data: Batch, order: Array, held_out: Batch, rates: Rates
) -> tuple[Learner, Float[Array, ""], Float[Array, " E"]]:
    """Gradient steps on all rows, and the losses on those that are held out.

    Args:
      learner: before.
      data: all rows.
      order: their indices as batches [n, B].
      held_out: rows that are not among them; of each member all have weight 1.
      rates: see there.
    """

    def step(learner: Learner, rows: Array) -> tuple[Learner, Array]:
        return descend(learner, jax.tree.map(lambda leaf: leaf[rows], data), rates)

    learner, found = jax.lax.scan(step, learner, order)
    plain = rates._replace(beta=0.0)
    return learner, jnp.nanmean(found), losses(learner.networks, held_out, plain)


def better_members(
    best: GaussianNetwork, found: GaussianNetwork, improved: Bool[Array, " E"]
) -> GaussianNetwork:
    """The members of `found` that improved, and those of `best` for the others."""

    def choose(old: Array, new: Array) -> Array:
        return jnp.where(improved.reshape(-1, *(1,) * (new.ndim - 1)), new, old)

    return jax.tree.map(choose, best, found)
