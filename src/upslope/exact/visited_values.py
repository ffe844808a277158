"""Which states count how much for grad J, and what actions are worth there."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.checks import UpslopeError, check_choice
from upslope.environments.tabular.finite_mdp import FiniteMDP
from upslope.exact.chain import induced_chain
from upslope.exact.objective_value import resolve
from upslope.exact.occupancy import (
    discounted_occupancy,
    episodic_occupancy,
    expected_visits,
    stationary_distribution,
)
from upslope.exact.tables import PolicyOrTable, Tabular, as_finite_mdp, known, policy_table
from upslope.exact.values import (
    differential_values,
    discounted_values,
    episodic_values,
    undiscounted_values,
)
from upslope.objectives.objective import AverageValue, DiscountedReturn, EpisodicReturn, Objective

Form = Literal["one-step", "episodic", "discounted-sum", "discounted-occupancy", "average-reward"]


class VisitedValues(NamedTuple):
    """The two factors of the policy gradient theorem, K = H where they depend on the step, else 1.

    Where no state is visited the action value is 0, whether or not it is defined there.
    """

    visits: Array  # w [K, S]
    action_value: Array  # q [K, S, A]


def visited_values(
    pi: PolicyOrTable,
    mdp: Tabular,
    objective: Objective,
    form: Form | None = None,
    horizon: int | None = None,
) -> VisitedValues:
    """The state weights and action values of one form of the policy gradient theorem.

    Args, errors and references as for `policy_gradient_theorem`.
    """
    if form is not None:
        check_choice("The policy gradient theorem", "form", form, get_args(Form))
    pi, mdp = policy_table(pi, mdp), as_finite_mdp(mdp)
    horizon = resolve(pi, mdp, objective, horizon).horizon
    form = form or _default(objective, horizon)
    if form == "one-step":
        _check_one_step(mdp, objective, horizon)
        scale = _scale(objective, horizon)
        return VisitedValues(scale * mdp.initial[None], mdp.reward[None])
    allowed = _allowed(objective, horizon)
    if form not in allowed:
        raise UpslopeError(
            f"The form {form!r} of the policy gradient theorem does not hold for "
            f"{type(objective).__name__}"
            + (" without a horizon" if horizon is None else f" with the horizon {horizon}")
            + f": use {' or '.join(allowed)}."
        )
    if isinstance(objective, DiscountedReturn):
        return _discounted(pi, mdp, objective.gamma, form, horizon)
    if horizon is not None:
        visits = episodic_occupancy(pi, mdp, horizon) * _scale(objective, horizon)
        return VisitedValues(visits, episodic_values(pi, mdp, horizon).action_value)
    if isinstance(objective, EpisodicReturn):
        visits = expected_visits(pi, mdp)
        critic = undiscounted_values(pi, mdp).action_value
        defined = (visits > 0)[:, None] & jnp.isfinite(critic)
        return VisitedValues(visits[None], jnp.where(defined, critic, 0.0)[None])
    rho = stationary_distribution(induced_chain(pi, mdp).transition) * _scale(objective, horizon)
    return VisitedValues(rho[None], differential_values(pi, mdp).action_value[None])


def _discounted(
    pi: Array, mdp: FiniteMDP, gamma: float | Array, form: Form, horizon: int | None
) -> VisitedValues:
    if horizon is not None:
        weights = gamma ** jnp.arange(horizon, dtype=pi.dtype)
        visits = weights[:, None] * episodic_occupancy(pi, mdp, horizon)
        return VisitedValues(visits, episodic_values(pi, mdp, horizon, gamma).action_value)
    if form == "discounted-occupancy":
        visits = discounted_occupancy(pi, mdp, gamma, normalized=False)
    else:
        steps = _enough_steps(gamma, float(jnp.finfo(pi.dtype).eps))
        weights = gamma ** jnp.arange(steps, dtype=pi.dtype)
        visits = jnp.sum(weights[:, None] * episodic_occupancy(pi, mdp, steps), axis=0)
    return VisitedValues(visits[None], discounted_values(pi, mdp, gamma).action_value[None])


def _enough_steps(gamma: float | Array, tolerance: float) -> int:
    """After how many steps less than the rounding error of the discounted sum is left."""
    if not known(gamma):
        raise UpslopeError(
            "The form 'discounted-sum' got a traced gamma: how many steps it needs depends on its "
            "value. Use 'discounted-occupancy', or give gamma as a number."
        )
    gamma = float(gamma)
    return 1 if gamma < tolerance else math.ceil(math.log(tolerance / 4) / math.log(gamma)) + 1


def _default(objective: Objective, horizon: int | None) -> Form:
    return _allowed(objective, horizon)[0]


def _allowed(objective: Objective, horizon: int | None) -> tuple[Form, ...]:
    if isinstance(objective, DiscountedReturn):
        whole: tuple[Form, ...] = ("discounted-occupancy", "discounted-sum")
        return whole if horizon is None else ("discounted-sum",)
    if isinstance(objective, EpisodicReturn) or horizon is not None:
        return ("episodic",)
    return ("average-reward",)


def _scale(objective: Objective, horizon: int | None) -> float | Array:
    """What the sum over steps is multiplied with to be J."""
    scale: float | Array = 1.0
    if not isinstance(objective, EpisodicReturn | DiscountedReturn):
        scale = 1.0 if horizon is None else 1.0 / horizon
    if isinstance(objective, AverageValue):
        scale = scale / (1.0 - objective.gamma)
    return scale


def _check_one_step(mdp: FiniteMDP, objective: Objective, horizon: int | None) -> None:
    """Raises unless only the first reward counts, as far as that is known."""
    if horizon == 1 or not known(mdp, objective):
        return
    if isinstance(objective, DiscountedReturn) and float(objective.gamma) == 0.0:
        return
    terminal, initial = np.asarray(mdp.terminal), np.asarray(mdp.initial)
    goes_on = np.asarray(mdp.transition)[:, :, ~terminal].sum(axis=(1, 2)) > 0
    lasting = np.flatnonzero(goes_on & (initial > 0))
    if len(lasting):
        raise UpslopeError(
            "The form 'one-step' of the policy gradient theorem holds where only the first reward "
            f"counts, but from state {lasting[0]} the process goes on: give horizon=1, or use "
            f"{' or '.join(_allowed(objective, horizon))}."
        )
