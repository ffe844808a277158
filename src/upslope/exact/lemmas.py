"""The two lemmas on differences: between two policies, and between two models."""

from __future__ import annotations

from typing import Literal, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from upslope.core.checks import UpslopeError, check_choice
from upslope.environments.tabular.finite_mdp import FiniteMDP
from upslope.exact.chain import successor_value
from upslope.exact.occupancy import discounted_occupancy
from upslope.exact.tables import PolicyOrTable, Tabular, as_finite_mdp, known, policy_table
from upslope.exact.values import check_discount, discounted_values


class Sides(NamedTuple):
    """The two sides of an equality, computed apart."""

    left: Array  # scalar
    right: Array  # scalar


class Bounds(NamedTuple):
    """How far the value in a model may be from the true one."""

    published: Array  # scalar
    differential: Array  # scalar, never larger


def performance_difference(
    pi_new: PolicyOrTable, pi: PolicyOrTable, mdp: Tabular, gamma: float | Array
) -> Sides:
    r"""What changing the policy is worth, by the old policy's advantage where the new one goes.

    .. math:: J(\pi') - J(\pi) = \frac{1}{1 - \gamma} \sum_s d^{\pi'}_\mu(s)
              \sum_a \pi'(a \mid s) A^\pi(s, a)

    Args:
      pi_new: a policy or a table [S, A].
      pi: another.
      mdp: a `FiniteMDP` or an environment with `finite_mdp()`.
      gamma: in [0, 1).

    Raises:
      UpslopeError: gamma outside [0, 1).

    References:
      Kakade and Langford (2002), lemma 6.1.
    """
    new, old, mdp = policy_table(pi_new, mdp), policy_table(pi, mdp), as_finite_mdp(mdp)
    after, before = discounted_values(new, mdp, gamma), discounted_values(old, mdp, gamma)
    visits = discounted_occupancy(new, mdp, gamma, normalized=False)
    gain = jnp.sum(new * before.advantage, axis=1)
    return Sides(jnp.sum(mdp.initial * (after.value - before.value)), jnp.sum(visits * gain))


def simulation_gap(
    pi: PolicyOrTable,
    mdp: Tabular,
    model: Tabular,
    gamma: float | Array,
    form: Literal["true-occupancy", "model-occupancy"] = "true-occupancy",
) -> Sides:
    r"""By how much a model overrates a policy: the equality of the simulation lemma.

    .. math:: \hat J - J
              = \frac{1}{1-\gamma} E_{d, \pi}[\hat R - R + \gamma (\hat P - P) \hat V]
              = \frac{1}{1-\gamma} E_{\hat d, \pi}[\hat R - R + \gamma (\hat P - P) V]

    The first form, `"true-occupancy"`, has the occupancy d of the true MDP and the value in the
    model; the second, `"model-occupancy"`, has them the other way round. Mixing them is wrong.

    Args:
      pi: a policy or a table [S, A].
      mdp: the true MDP: P, R and mu.
      model: the model: P hat and R hat. Its start distribution is not used.
      gamma: in [0, 1).
      form: which of the two the right side is.

    Raises:
      UpslopeError: gamma outside [0, 1), an unknown form, or sizes that differ.

    References:
      Kearns and Singh (2002), lemma 4; Agarwal, Jiang, Kakade and Sun (2022), lemma 2.2.
    """
    check_choice("simulation_gap", "form", form, ("true-occupancy", "model-occupancy"))
    pi, mdp, model = _same_size(pi, mdp, model)
    true = discounted_values(pi, mdp, gamma).value
    modelled = discounted_values(pi, model, gamma).value
    by_truth = form == "true-occupancy"
    visits = discounted_occupancy(pi, mdp if by_truth else model, gamma, normalized=False)
    inside = modelled if by_truth else true
    error = successor_value(model, inside) - successor_value(mdp, inside)
    step = jnp.sum(pi * (model.reward - mdp.reward + gamma * error), axis=1)
    return Sides(jnp.sum(mdp.initial * (modelled - true)), jnp.sum(visits * step))


def simulation_bound(
    pi: PolicyOrTable,
    mdp: Tabular,
    model: Tabular,
    gamma: float | Array,
    reward_range: tuple[float, float] = (0.0, 1.0),
) -> Bounds:
    r"""How far the value in a model of the transitions can be off, by its error in L1.

    .. math:: |\hat J - J| \le \frac{\gamma (r_+ - r_-)}{2 (1-\gamma)^2} \, E_{d, \pi}
              \lVert \hat P(\cdot \mid s, a) - P(\cdot \mid s, a) \rVert_1
              \le \frac{\max |r|}{(1-\gamma)^2} \, E_{d, \pi}
              \lVert \hat P(\cdot \mid s, a) - P(\cdot \mid s, a) \rVert_1

    The second bound is the published one (with rewards in [0, 1]); the first centres the value,
    which costs nothing because both rows sum to one, and keeps the factor gamma.

    Args:
      pi: a policy or a table [S, A].
      mdp: the true MDP.
      model: the model. Its rewards must be the true ones, its start distribution is not used.
      gamma: in [0, 1).
      reward_range: r_- and r_+, between which all rewards are.

    Raises:
      UpslopeError: gamma outside [0, 1); sizes or rewards that differ; a reward out of range.

    References:
      Kearns and Singh (2002), lemma 4; Agarwal, Jiang, Kakade and Sun (2022), section 2.2.
    """
    check_discount("simulation_bound", gamma)
    pi, mdp, model = _same_size(pi, mdp, model)
    low, high = reward_range
    if known(mdp, model):
        _check_rewards(np.asarray(mdp.reward), np.asarray(model.reward), low, high)
    occupancy = discounted_occupancy(pi, mdp, gamma)
    distance = jnp.sum(jnp.abs(model.transition - mdp.transition), axis=2)
    error = jnp.sum(occupancy * jnp.sum(pi * distance, axis=1)) / (1.0 - gamma) ** 2
    return Bounds(max(abs(low), abs(high)) * error, 0.5 * gamma * (high - low) * error)


def simulation_error_bound(
    pi: PolicyOrTable, mdp: Tabular, model: Tabular, gamma: float | Array
) -> Float[Array, ""]:
    r"""How far the value in any fitted model can be off, by its errors of single steps.

    .. math:: |\hat J - J| \le \frac{1}{1-\gamma} E_{d, \pi}\Big[|\hat R - R| + \frac{\gamma}{2}
              \, \mathrm{sp}(\hat V) \, \lVert \hat P(\cdot \mid s, a) - P(\cdot \mid s, a)
              \rVert_1\Big]

    with the span sp of the value in the model, its largest minus its smallest. Unlike
    `simulation_bound` it lets rewards be learnt too, and needs no range of theirs.

    Args:
      pi: a policy or a table [S, A].
      mdp: the true MDP: P, R and mu.
      model: the model: P hat and R hat. Its start distribution is not used.
      gamma: in [0, 1).

    Raises:
      UpslopeError: gamma outside [0, 1), or sizes that differ.

    References:
      Kearns and Singh (2002), lemma 4; the centred value as in `simulation_bound`.
    """
    check_discount("simulation_error_bound", gamma)
    pi, mdp, model = _same_size(pi, mdp, model)
    value = discounted_values(pi, model, gamma).value
    span = jnp.max(value) - jnp.min(value)
    distance = jnp.sum(jnp.abs(model.transition - mdp.transition), axis=2)
    error = jnp.abs(model.reward - mdp.reward) + 0.5 * gamma * span * distance
    visits = discounted_occupancy(pi, mdp, gamma, normalized=False)
    return jnp.sum(visits * jnp.sum(pi * error, axis=1))


def _same_size(
    pi: PolicyOrTable, mdp: Tabular, model: Tabular
) -> tuple[Array, FiniteMDP, FiniteMDP]:
    finite, model = as_finite_mdp(mdp), as_finite_mdp(model)
    if finite.transition.shape != model.transition.shape:
        raise UpslopeError(
            f"The model has transitions of shape {model.transition.shape} and the MDP of shape "
            f"{finite.transition.shape}: they must have the same states and actions."
        )
    started = eqx.tree_at(lambda m: m.initial, model, finite.initial)
    return policy_table(pi, mdp), finite, started


def _check_rewards(true: np.ndarray, modelled: np.ndarray, low: float, high: float) -> None:
    if not np.allclose(true, modelled, rtol=1e-6, atol=1e-6):
        raise UpslopeError(
            f"simulation_bound got a model whose rewards differ by up to "
            f"{np.abs(true - modelled).max():.3g}: the bound is on errors of the transitions."
        )
    if true.min() < low or true.max() > high:
        raise UpslopeError(
            f"simulation_bound got rewards in [{true.min():.4g}, {true.max():.4g}], outside "
            f"reward_range=({low:g}, {high:g}): widen it."
        )
