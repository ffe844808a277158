"""J of a policy in a finite MDP, exactly, for every objective."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from upslope.core.checks import UpslopeError
from upslope.environments.tabular.finite_mdp import FiniteMDP
from upslope.environments.tabular.sparse_mdp import SparseMDP
from upslope.exact.chain import Chain, check_one_recurrent_class, induced_chain, live_states
from upslope.exact.linear_loop import is_linear_quadratic
from upslope.exact.linear_quadratic import linear_quadratic_value
from upslope.exact.sparse import sparse_value
from upslope.exact.tables import PolicyOrTable, Tabular, as_finite_mdp, known, policy_table
from upslope.exact.values import (
    backward,
    check_horizon,
    solve_average,
    solve_discounted,
    solve_stationary,
    solve_undiscounted,
)
from upslope.objectives import (
    AverageReward,
    AverageValue,
    DiscountedReturn,
    EpisodicReturn,
    Objective,
)


class Query(NamedTuple):
    """What J is asked of, with everything that must be looked at before tracing."""

    mdp: FiniteMDP
    live: Array | None  # bool [S]; None where the end of episodes does not matter
    horizon: int | None  # steps counted; None for all of them


def value(
    policy: PolicyOrTable, mdp: Tabular, objective: Objective, horizon: int | None = None
) -> Float[Array, ""]:
    r"""J of a policy, a scalar, differentiable in the policy and in the MDP.

    .. math:: J = E \sum_{h<H} r_h, \quad
              J = \mu^\top (I - \gamma P^\pi)^{-1} r^\pi, \quad
              J = \rho^\top r^\pi, \quad
              J = \rho^\top v_\gamma

    for `EpisodicReturn`, `DiscountedReturn`, `AverageReward` and `AverageValue`.

    Args:
      policy: a memoryless policy, or a table [S, A].
      mdp: a `FiniteMDP`, an environment with `finite_mdp()`, a `SparseMDP` (by iteration, under
        `DiscountedReturn` alone: `sparse_values`), or a `LinearQuadratic` system
        (`linear_quadratic_value`).
      objective: which J.
      horizon: cut after that many steps, as a sampler with that time limit does: discounted
        rewards are summed and averages taken up to it. None for no cut.

    Raises:
      UpslopeError: the policy does not fit the MDP; a horizon that is not a positive whole
        number; undiscounted episodes that do not end with certainty (from which states); an
        average over several recurrent classes (which) or over episodes that end. What is
        traced is not looked at: under `jit` or `grad` such a J is NaN.

    References:
      Sutton and Barto (2018), equation 13.4 and sections 10.3, 10.4; Puterman (1994).
    """
    if is_linear_quadratic(mdp):
        return linear_quadratic_value(policy, mdp, objective, horizon)
    if isinstance(mdp, SparseMDP):
        return sparse_value(policy, mdp, objective, horizon)
    pi = policy_table(policy, mdp)
    return _jitted(pi, *resolve(pi, mdp, objective, horizon), objective)


def resolve(pi: Array, environment: Tabular, objective: Objective, horizon: int | None) -> Query:
    """Checks the question and finds the live states. Arguments as for `value`, pi a table.

    Raises:
      UpslopeError: as `value`.
    """
    if horizon is not None:
        check_horizon("The exact value", horizon)
        horizon = int(horizon)
    mdp = as_finite_mdp(environment)
    if isinstance(objective, EpisodicReturn):
        limits = [int(h) for h in (objective.horizon, horizon) if h is not None]
        if limits:
            return Query(mdp, None, min(limits))
        return Query(mdp, live_states(pi, mdp), None)
    if isinstance(objective, AverageReward | AverageValue):
        if known(mdp):
            _check_endless(mdp, objective)
        if horizon is None and known(mdp, pi):
            check_one_recurrent_class(induced_chain(pi, mdp).transition)
    elif not isinstance(objective, DiscountedReturn):
        raise UpslopeError(
            f"{type(objective).__name__} has no exact value here: it is known for EpisodicReturn, "
            "DiscountedReturn, AverageReward and AverageValue."
        )
    return Query(mdp, None, horizon)


def value_of_table(
    pi: Array, mdp: FiniteMDP, live: Array | None, horizon: int | None, objective: Objective
) -> Array:
    """J of a table [S, A] to a question that was posed."""
    return value_of_chain(induced_chain(pi, mdp), mdp.initial, live, horizon, objective)


def value_of_chain(
    chain: Chain, initial: Array, live: Array | None, horizon: int | None, objective: Objective
) -> Array:
    """J of a chain with rewards started from `initial` [S]."""
    if isinstance(objective, EpisodicReturn):
        if horizon is not None:
            return jnp.sum(initial * backward(chain, horizon, 1.0)[0])
        assert live is not None
        return jnp.sum(initial * solve_undiscounted(chain, live))
    if isinstance(objective, DiscountedReturn):
        if horizon is not None:
            return jnp.sum(initial * backward(chain, horizon, objective.gamma)[0])
        return jnp.sum(initial * solve_discounted(chain, objective.gamma))
    if horizon is not None:
        mean = jnp.sum(initial * backward(chain, horizon, 1.0)[0]) / horizon
        return mean / (1.0 - objective.gamma) if isinstance(objective, AverageValue) else mean
    if isinstance(objective, AverageValue):
        rho = solve_stationary(chain.transition)
        return jnp.sum(rho * solve_discounted(chain, objective.gamma))
    return solve_average(chain)[1]


_jitted = partial(jax.jit, static_argnums=3)(value_of_table)


def _check_endless(mdp: FiniteMDP, objective: Objective) -> None:
    ends = np.flatnonzero(np.asarray(mdp.terminal))
    if len(ends):
        raise UpslopeError(
            f"{type(objective).__name__} got an MDP whose process ends (terminal states "
            f"{ends[:10].tolist()}): in the long run every policy would have the reward of the "
            "end, 0. Use EpisodicReturn or DiscountedReturn."
        )
