"""What popular estimators of the policy gradient estimate instead of it, exactly."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from upslope.exact.chain import induced_chain
from upslope.exact.gradients import policy_table_vjp
from upslope.exact.occupancy import episodic_occupancy, expected_visits, stationary_distribution
from upslope.exact.tables import P, Tabular, as_finite_mdp, policy_table
from upslope.exact.values import check_discount, check_horizon, discounted_values, episodic_values


def biased_gradient(policy: P, mdp: Tabular, beta: float | Array) -> P:
    r"""What GPOMDP estimates: the average reward's gradient with a discounted Q. **Biased.**

    .. math:: \nabla_\beta \eta = \sum_s \rho(s) \sum_a \nabla \pi(a \mid s) q_\beta(s, a)
              = \rho^\top \nabla P^\pi J_\beta

    The second expression for rewards of the state stepped into, R(s, a) = sum P(s'|s,a) r(s'),
    with J_beta(s) = r(s) + beta (P J_beta)(s). It tends to grad of the average reward as beta -> 1,
    and in general is not the gradient of any function.

    Args:
      policy: a memoryless policy, or a table [S, A].
      mdp: a `FiniteMDP` or an environment with `finite_mdp()`.
      beta: in [0, 1).

    Raises:
      UpslopeError: beta outside [0, 1); more than one recurrent class.

    References:
      Baxter and Bartlett (2001), theorem 2.
    """
    check_discount("biased_gradient", beta)
    pi = policy_table(policy, mdp)
    rho = stationary_distribution(induced_chain(pi, mdp).transition)
    return policy_table_vjp(
        policy, mdp, rho[:, None] * discounted_values(pi, mdp, beta).action_value
    )


def undiscounted_weights_gradient(
    policy: P, mdp: Tabular, gamma: float | Array, horizon: int | None = None
) -> P:
    r"""What the discounted policy gradient becomes without the weight gamma^t. **Biased.**

    .. math:: u = \sum_h \sum_s P_h(s) \sum_a \nabla \pi(a \mid s) q_\gamma(s, a)

    The update of nearly every implementation, `DiscountedReturn(weights="undiscounted")` here. Its
    Jacobian is not symmetric: it is not the gradient of any function.

    Args:
      policy: a memoryless policy, or a table [S, A].
      mdp: a `FiniteMDP` or an environment with `finite_mdp()`.
      gamma: in [0, 1).
      horizon: H, which also cuts the returns; None for episodes that end with certainty.

    Raises:
      UpslopeError: gamma outside [0, 1); no horizon and an end that is not certain.

    References:
      Nota and Thomas (2020), theorem 4.2.
    """
    check_discount("undiscounted_weights_gradient", gamma)
    pi, finite = policy_table(policy, mdp), as_finite_mdp(mdp)
    if horizon is None:
        visits = expected_visits(pi, finite)[None]
        critic = discounted_values(pi, finite, gamma).action_value[None]
    else:
        check_horizon("undiscounted_weights_gradient", horizon)
        visits = episodic_occupancy(pi, finite, horizon)
        critic = episodic_values(pi, finite, horizon, gamma).action_value
    return policy_table_vjp(policy, mdp, jnp.sum(visits[:, :, None] * critic, axis=0))
