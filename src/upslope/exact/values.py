"""V, Q and the advantage of a policy in a finite MDP, for every way of adding rewards up."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import check_number
from upslope.exact.chain import (
    EXACT,
    Chain,
    check_one_recurrent_class,
    induced_chain,
    live_states,
    successor_value,
)
from upslope.exact.tables import PolicyOrTable, Tabular, as_finite_mdp, policy_table


class Values(NamedTuple):
    """What a policy is worth. With a horizon H every leaf has a leading axis [H]."""

    value: Array  # V [S]
    action_value: Array  # Q [S, A]
    advantage: Array  # Q - V [S, A]


class DifferentialValues(NamedTuple):
    """What a state is worth beyond the average reward."""

    average_reward: Array  # scalar
    value: Array  # [S]; the stationary mean of it is 0
    action_value: Array  # [S, A]
    advantage: Array  # [S, A]


def discounted_values(pi: PolicyOrTable, mdp: Tabular, gamma: float | Array) -> Values:
    r"""The values of a policy under a discount, by one linear solve.

    .. math:: v = (I - \gamma P^\pi)^{-1} r^\pi, \quad q(s, a) = R(s, a) + \gamma (P v)(s, a)

    Args:
      pi: a policy or a table [S, A].
      mdp: a `FiniteMDP` or an environment with `finite_mdp()`.
      gamma: in [0, 1).

    Raises:
      UpslopeError: gamma outside [0, 1).

    References:
      Puterman (1994), theorem 6.1.1.
    """
    check_discount("discounted_values", gamma)
    pi, mdp = policy_table(pi, mdp), as_finite_mdp(mdp)
    value = solve_discounted(induced_chain(pi, mdp), gamma)
    return _values(value, mdp.reward + gamma * successor_value(mdp, value))


def episodic_values(
    pi: PolicyOrTable, mdp: Tabular, horizon: int, gamma: float | Array = 1.0
) -> Values:
    r"""The values of a policy when H steps are counted, indexed by the steps already taken.

    .. math:: v_H = 0, \quad q_h = R + \gamma P v_{h+1}, \quad
              v_h(s) = \sum_a \pi(a \mid s) q_h(s, a), \quad h = 0, \ldots, H - 1

    Args:
      pi: a policy or a table [S, A].
      mdp: a `FiniteMDP` or an environment with `finite_mdp()`.
      horizon: H, at least 1.
      gamma: in [0, 1]; counted from step h.

    Returns:
      Values with leaves [H, S] and [H, S, A].

    Raises:
      UpslopeError: a horizon that is not a positive whole number, a discount outside [0, 1].

    References:
      Puterman (1994), section 4.2.
    """
    check_horizon("episodic_values", horizon)
    check_number("episodic_values", "gamma", gamma, at_least=0.0, at_most=1.0)
    pi, mdp = policy_table(pi, mdp), as_finite_mdp(mdp)
    value = backward(induced_chain(pi, mdp), int(horizon), gamma)
    later = jnp.concatenate([value[1:], jnp.zeros_like(value[:1])])
    expected = jnp.moveaxis(successor_value(mdp, later.T), -1, 0)
    return _values(value, mdp.reward[None] + gamma * expected)


def undiscounted_values(pi: PolicyOrTable, mdp: Tabular) -> Values:
    r"""The values of a policy whose episodes end with certainty, by a solve on the states before.

    .. math:: v_U = (I - P^\pi_{UU})^{-1} r^\pi_U, \quad v = 0 \text{ at the end}

    U holds the states that are not terminal. States which the process cannot reach from its start
    and which do not end with certainty have the value NaN.

    Args:
      pi: a policy or a table [S, A].
      mdp: a `FiniteMDP` or an environment with `finite_mdp()`.

    Raises:
      UpslopeError: the end is not certain from a state that can be reached (which ones).

    References:
      Puterman (1994), section 7.1 (transient chains); Sutton and Barto (2018), section 4.1.
    """
    pi, mdp = policy_table(pi, mdp), as_finite_mdp(mdp)
    live = live_states(pi, mdp)
    value = solve_undiscounted(induced_chain(pi, mdp), live)
    lost = ~live & ~mdp.terminal
    action_value = mdp.reward + successor_value(mdp, value)
    off = successor_value(mdp, lost.astype(value.dtype)) > 0
    return _values(
        jnp.where(lost, jnp.nan, value),
        jnp.where(off, jnp.nan, action_value),
    )


def differential_values(pi: PolicyOrTable, mdp: Tabular) -> DifferentialValues:
    r"""The differential values of a policy, by one linear solve.

    .. math:: \bar v = r^\pi - \bar r e + P^\pi \bar v, \quad \rho^\top \bar v = 0, \quad
              \bar q = R - \bar r + P \bar v

    Exact for every chain with one recurrent class, periodic ones and transient states included.

    Args:
      pi: a policy or a table [S, A].
      mdp: a `FiniteMDP` or an environment with `finite_mdp()`.

    Raises:
      UpslopeError: more than one recurrent class (they are named; not checked when traced).

    References:
      Puterman (1994), theorem 8.2.6; Sutton and Barto (2018), equation 13.17.
    """
    pi, mdp = policy_table(pi, mdp), as_finite_mdp(mdp)
    chain = induced_chain(pi, mdp)
    check_one_recurrent_class(chain.transition)
    raw, average = solve_average(chain)
    rho = solve_stationary(chain.transition)
    value = raw - jnp.sum(rho * raw)
    action_value = mdp.reward - average + successor_value(mdp, value)
    return DifferentialValues(average, value, action_value, action_value - value[:, None])


def solve_discounted(chain: Chain, gamma: float | Array) -> Array:
    """V [S] of a chain with rewards."""
    eye = jnp.eye(chain.reward.shape[0], dtype=chain.reward.dtype)
    return jnp.linalg.solve(eye - gamma * chain.transition, chain.reward)


def backward(chain: Chain, horizon: int, gamma: float | Array) -> Array:
    """V_h [H, S] of a chain with rewards, by backward induction."""

    def step(later: Array, _: None) -> tuple[Array, Array]:
        value = chain.reward + gamma * jnp.matmul(chain.transition, later, precision=EXACT)
        return value, value

    return jax.lax.scan(step, jnp.zeros_like(chain.reward), None, horizon, reverse=True)[1]


def solve_undiscounted(chain: Chain, live: Array) -> Array:
    """V [S] of a chain that leaves its live states with certainty; 0 elsewhere."""
    return jnp.linalg.solve(live_system(chain.transition, live), jnp.where(live, chain.reward, 0.0))


def live_system(transition: Array, live: Array) -> Array:
    """I - P on the live states, the identity elsewhere, [S, S]."""
    within = jnp.where(live[:, None] & live[None, :], transition, 0.0)
    return jnp.eye(live.shape[0], dtype=transition.dtype) - within


def anchored_system(transition: Array) -> Array:
    r"""The matrix :math:`I - P + e e^\top / S`, regular for every chain of one recurrent class.

    Its solutions are values up to a constant, those of its transpose the stationary distribution.
    """
    n_states = transition.shape[0]
    return jnp.eye(n_states, dtype=transition.dtype) - transition + 1.0 / n_states


def solve_average(chain: Chain) -> tuple[Array, Array]:
    """Differential values up to a constant, [S], and the average reward, which is their mean."""
    raw = jnp.linalg.solve(anchored_system(chain.transition), chain.reward)
    return raw, jnp.mean(raw)


def solve_stationary(transition: Array) -> Array:
    """The stationary distribution [S] of a chain of one recurrent class."""
    n_states = transition.shape[0]
    uniform = jnp.full((n_states,), 1.0 / n_states, transition.dtype)
    return jnp.linalg.solve(anchored_system(transition).T, uniform)


def check_discount(owner: str, gamma: float | Array) -> None:
    """Raises unless gamma is in [0, 1)."""
    check_number(
        owner,
        "gamma",
        gamma,
        at_least=0.0,
        below=1.0,
        why="For gamma = 1 use episodic, undiscounted or differential values.",
    )


def check_horizon(owner: str, horizon: int) -> None:
    """Raises unless the horizon is a whole number of at least one step."""
    check_number(owner, "horizon", horizon, at_least=1, integer=True)


def _values(value: Array, action_value: Array) -> Values:
    return Values(value, action_value, action_value - value[..., None])
