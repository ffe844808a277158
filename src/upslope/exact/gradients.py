"""grad J of a policy in a finite MDP, by differentiation and by the policy gradient theorem."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.checks import UpslopeError
from upslope.environments.tabular.finite_mdp import FiniteMDP
from upslope.environments.tabular.sparse_mdp import SparseMDP
from upslope.exact.linear_loop import is_linear_quadratic
from upslope.exact.linear_quadratic import linear_quadratic_gradient, linear_quadratic_theorem
from upslope.exact.objective_value import resolve, value_of_table
from upslope.exact.sparse import sparse_value_and_gradient
from upslope.exact.tables import (
    P,
    Tabular,
    as_differentiable,
    checked_table,
    observations,
    policy_table,
)
from upslope.exact.visited_values import Form, visited_values
from upslope.objectives import Objective


def gradient(policy: P, mdp: Tabular, objective: Objective, horizon: int | None = None) -> P:
    """grad J with respect to the policy, a tree of its structure, by differentiating `value`.

    The linear solve is factorised once: its transpose, which the derivative needs, reuses the
    factors. Arguments, errors and references as for `value`.
    """
    return value_and_gradient(policy, mdp, objective, horizon)[1]


def value_and_gradient(
    policy: P, mdp: Tabular, objective: Objective, horizon: int | None = None
) -> tuple[Float[Array, ""], P]:
    """J and grad J together, for little more than the price of J. See `value` and `gradient`."""
    if is_linear_quadratic(mdp):
        return linear_quadratic_gradient(policy, mdp, objective, horizon)
    if isinstance(mdp, SparseMDP):
        return sparse_value_and_gradient(policy, mdp, objective, horizon)
    policy = as_differentiable(policy)
    question = resolve(policy_table(policy, mdp), mdp, objective, horizon)
    return _value_and_gradient(policy, observations(mdp), *question, objective)


@partial(jax.jit, static_argnums=4)
def _value_and_gradient(
    policy: P,
    seen: Array,
    mdp: FiniteMDP,
    live: Array | None,
    horizon: int | None,
    objective: Objective,
) -> tuple[Array, P]:
    def value(policy: P) -> Array:
        return value_of_table(checked_table(policy, mdp, seen), mdp, live, horizon, objective)

    return jax.value_and_grad(value)(policy)


def policy_gradient_theorem(
    policy: P,
    mdp: Tabular,
    objective: Objective,
    form: Form | None = None,
    horizon: int | None = None,
) -> P:
    r"""grad J with respect to the policy by the policy gradient theorem, in one of its forms.

    .. math:: \nabla J = \sum_h \sum_s w_h(s) \sum_a \nabla \pi(a \mid s) \, q_h(s, a)

    ====================== =================================== ===========================
    form                   w                                   q
    ====================== =================================== ===========================
    `one-step`             mu                                  R
    `episodic`             P_h for h < H, or the visits eta    Q_h, or Q (no horizon)
    `discounted-sum`       gamma^h P_h, summed over h          Q (Q_h with a horizon)
    `discounted-occupancy` d_mu / (1 - gamma)                  Q
    `average-reward`       rho                                 the differential Q
    ====================== =================================== ===========================

    Equal to `gradient` (the objective decides which forms apply). The state weight and the Q of
    different rows must not be mixed: rho with a discounted Q is `biased_gradient`.

    Args:
      policy: a memoryless policy, or a table [S, A].
      mdp: a `FiniteMDP`, an environment with `finite_mdp()`, or a `LinearQuadratic` system (whose
        theorem is `gain_gradient`).
      objective: which J.
      form: of the table above; None for the one of the objective.
      horizon: as for `value`.

    Raises:
      UpslopeError: as `value`; a form that does not hold for this objective.

    References:
      Sutton et al. (2000), theorem 1; Sutton and Barto (2018), equation 13.5 and section 13.6.
    """
    if is_linear_quadratic(mdp):
        if form is not None:
            raise UpslopeError(
                f"The policy gradient theorem got form={form!r} for a linear-quadratic system, "
                "which has the objective's own form only: leave form out."
            )
        return linear_quadratic_theorem(policy, mdp, objective, horizon)
    pi = policy_table(policy, mdp)
    visits, critic = visited_values(pi, mdp, objective, form, horizon)
    return policy_table_vjp(policy, mdp, jnp.sum(visits[:, :, None] * critic, axis=0))


def policy_table_vjp(policy: P, mdp: Tabular, credit: Float[Array, "S A"]) -> P:
    r""":math:`\sum_{s,a} c(s, a) \nabla \pi(a \mid s)`, a tree of the policy; credit c [S, A]."""
    policy = as_differentiable(policy)
    return jax.vjp(lambda p: policy_table(p, mdp), policy)[1](credit)[0]
