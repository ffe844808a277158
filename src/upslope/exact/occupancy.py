"""How often a policy is where: occupancies and stationary distributions of finite MDPs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from upslope.core.checks import UpslopeError
from upslope.exact.chain import EXACT, check_one_recurrent_class, induced_chain, live_states
from upslope.exact.tables import (
    PolicyOrTable,
    Tabular,
    as_finite_mdp,
    known,
    no_distributions,
    policy_table,
)
from upslope.exact.values import check_discount, check_horizon, live_system, solve_stationary


def discounted_occupancy(
    pi: PolicyOrTable, mdp: Tabular, gamma: float | Array, normalized: bool = True
) -> Float[Array, " S"]:
    r"""How much of the discounted future is spent in each state, [S].

    .. math:: d_\mu = (1 - \gamma) \sum_h \gamma^h \Pr(s_h = s)
                    = (1 - \gamma) (I - \gamma P^{\pi\top})^{-1} \mu

    Args:
      pi: a policy or a table [S, A].
      mdp: a `FiniteMDP` or an environment with `finite_mdp()`.
      gamma: in [0, 1).
      normalized: whether it sums to 1; else the factor 1 - gamma is left out.

    Raises:
      UpslopeError: gamma outside [0, 1).

    References:
      Sutton et al. (2000), section 1, start-state formulation (not normalised).
    """
    check_discount("discounted_occupancy", gamma)
    pi, mdp = policy_table(pi, mdp), as_finite_mdp(mdp)
    transition = induced_chain(pi, mdp).transition
    system = jnp.eye(mdp.n_states, dtype=transition.dtype) - gamma * transition
    visits = jnp.linalg.solve(system.T, mdp.initial)
    return (1.0 - gamma) * visits if normalized else visits


def episodic_occupancy(pi: PolicyOrTable, mdp: Tabular, horizon: int) -> Float[Array, "H S"]:
    r"""The distribution of the state after h steps, for h = 0, ..., H - 1: [H, S].

    .. math:: P_0 = \mu, \quad P_{h+1} = P^{\pi\top} P_h

    Args:
      pi: a policy or a table [S, A].
      mdp: a `FiniteMDP` or an environment with `finite_mdp()`.
      horizon: H, at least 1.

    Raises:
      UpslopeError: a horizon that is not a positive whole number.
    """
    check_horizon("episodic_occupancy", horizon)
    pi, mdp = policy_table(pi, mdp), as_finite_mdp(mdp)
    transition = induced_chain(pi, mdp).transition

    def step(here: Array, _: None) -> tuple[Array, Array]:
        return jnp.matmul(here, transition, precision=EXACT), here

    return jax.lax.scan(step, mdp.initial, None, int(horizon))[1]


def expected_visits(pi: PolicyOrTable, mdp: Tabular) -> Float[Array, " S"]:
    r"""How often each state is visited before the end, [S]; 0 for the end itself.

    .. math:: \eta = (I - P^{\pi\top}_{UU})^{-1} \mu_U

    The sum is the mean length of an episode.

    Args:
      pi: a policy or a table [S, A].
      mdp: a `FiniteMDP` or an environment with `finite_mdp()`.

    Raises:
      UpslopeError: the end is not certain from a state that can be reached (which ones).

    References:
      Sutton and Barto (2018), section 9.2, equation 9.2.
    """
    pi, mdp = policy_table(pi, mdp), as_finite_mdp(mdp)
    live = live_states(pi, mdp)
    system = live_system(induced_chain(pi, mdp).transition, live)
    return jnp.linalg.solve(system.T, jnp.where(live, mdp.initial, 0.0))


def stationary_distribution(transition: Float[Array, "S S"]) -> Float[Array, " S"]:
    r"""The distribution that a chain keeps, [S], by a linear solve.

    .. math:: \rho^\top P = \rho^\top, \quad \sum_s \rho(s) = 1

    Exact for every chain of one recurrent class: periodic ones, on which power iteration does not
    converge, and transient states (which get 0) included.

    Args:
      transition: [S, S].

    Raises:
      UpslopeError: not a square matrix; a row that is no distribution, or more than one recurrent
        class (they are named); neither is checked when traced.

    References:
      Puterman (1994), theorem A.2.
    """
    transition = jnp.asarray(transition)
    if transition.ndim != 2 or transition.shape[0] != transition.shape[1]:
        raise UpslopeError(
            f"stationary_distribution got a matrix of shape {transition.shape}: it must be [S, S]."
        )
    if known(transition):
        rows = np.asarray(transition, np.float64)
        wrong = no_distributions(rows)
        if wrong.any():
            state = int(np.argmax(wrong))
            raise UpslopeError(
                f"stationary_distribution: row {state} of the transition matrix sums to "
                f"{rows[state].sum():.6g} or holds what is no probability: each must be a "
                "distribution over the next states."
            )
    check_one_recurrent_class(transition)
    return solve_stationary(transition)
