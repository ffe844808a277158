"""The Fisher matrix of a policy in a finite MDP, and what follows: the natural gradient."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.checks import check_number
from upslope.core.tree import ravel_parameters
from upslope.exact.chain import EXACT
from upslope.exact.gradients import gradient
from upslope.exact.tables import (
    P,
    PolicyOrTable,
    Tabular,
    as_finite_mdp,
    log_policy_table,
    policy_table,
)
from upslope.exact.visited_values import visited_values
from upslope.objectives import Objective


class Decisions(NamedTuple):
    """Every decision that the process may ask for, weighed by how often it does."""

    weight: Array  # [S A], sums to 1: visits times pi, terminal states left out
    score: Array  # [S A, D], 0 where the action is impossible
    advantage: Array  # [S A], the mean over the steps
    visits: Array  # scalar: how many decisions an episode counts (1 / (1 - gamma), 1, H, ...)


def decisions(
    policy: PolicyOrTable, mdp: Tabular, objective: Objective, horizon: int | None = None
) -> Decisions:
    """The scores, advantages and weights of all pairs of states and actions.

    The weight of a state is what the policy gradient theorem gives it: the discounted occupancy,
    the expected visits or the stationary distribution, normalised. Arguments and errors as for
    `value`.
    """
    pi, finite = policy_table(policy, mdp), as_finite_mdp(mdp)
    visits, critic = visited_values(pi, finite, objective, horizon=horizon)
    visits = jnp.where(finite.terminal[None], 0.0, visits)
    here = jnp.sum(visits, axis=0)
    advantage = critic - jnp.sum(pi[None] * critic, axis=2, keepdims=True)
    summed = jnp.sum(visits[:, :, None] * advantage, axis=0)
    mean = jnp.where(here[:, None] > 0, summed / jnp.where(here > 0, here, 1.0)[:, None], 0.0)
    theta, unravel = ravel_parameters(policy)

    def logs(theta: Array) -> Array:
        table = log_policy_table(unravel(theta), mdp)
        return jnp.where(jnp.isfinite(table), table, 0.0).reshape(-1)

    score = jax.jacobian(logs)(theta)
    total = jnp.sum(here)
    weight = (here / total)[:, None] * pi
    return Decisions(weight.reshape(-1), score, mean.reshape(-1), total)


def fisher_matrix(
    policy: PolicyOrTable, mdp: Tabular, objective: Objective, horizon: int | None = None
) -> Float[Array, "D D"]:
    r"""The Fisher information of a decision about theta, [D, D].

    .. math:: F = \sum_s w(s) \sum_a \pi(a \mid s) \nabla \log \pi(a \mid s)
              \nabla \log \pi(a \mid s)^\top, \qquad \sum_s w(s) = 1

    with w as in `decisions`. Rows and columns are in the order of `ravel_parameters`. Singular
    where directions do not change the policy, as the common part of a softmax table's logits.

    Args, errors: as for `value`.

    References:
      Kakade (2002), equation 2.
    """
    found = decisions(policy, mdp, objective, horizon)
    weighed = found.weight[:, None] * found.score
    return jnp.matmul(found.score.T, weighed, precision=EXACT)


def natural_gradient(
    policy: P,
    mdp: Tabular,
    objective: Objective,
    damping: float | Array = 0.0,
    horizon: int | None = None,
) -> P:
    r"""The natural gradient, a tree of the policy.

    .. math:: \tilde\nabla J = (F + \lambda I)^{-1} \nabla J

    Without damping the shortest of the solutions, which all change the policy the same way. It is
    `compatible_weights` times the number of decisions that an episode counts, and computed so:
    the least squares lose half the digits that the inverse of F would.

    Args:
      policy: a memoryless policy, or a table [S, A].
      mdp: a `FiniteMDP` or an environment with `finite_mdp()`.
      objective: which J.
      damping: lambda, at least 0.
      horizon: as for `value`.

    Raises:
      UpslopeError: as `value`; a negative damping.

    References:
      Kakade (2002), section 2; Agarwal et al. (2021), equation 14.
    """
    check_number("natural_gradient", "damping", damping, at_least=0.0)
    _, unravel = ravel_parameters(policy)
    if isinstance(damping, int | float) and damping == 0:
        found = decisions(policy, mdp, objective, horizon)
        return unravel(found.visits * _fitted(found))
    fisher = fisher_matrix(policy, mdp, objective, horizon)
    slope, _ = ravel_parameters(gradient(policy, mdp, objective, horizon))
    return unravel(jnp.linalg.solve(fisher + damping * jnp.eye(len(slope)), slope))


def compatible_weights(
    policy: PolicyOrTable, mdp: Tabular, objective: Objective, horizon: int | None = None
) -> Float[Array, " D"]:
    r"""The weights of the compatible approximation of the advantage, [D], by least squares.

    .. math:: w = \arg\min_w \sum_s w(s) \sum_a \pi(a \mid s)
              (A(s, a) - w^\top \nabla \log \pi(a \mid s))^2

    The shortest of the solutions. Guarantee: the policy gradient theorem stays exact with the
    approximation in the place of A.

    Args, errors: as for `value`.

    References:
      Sutton et al. (2000), theorem 2; Kakade (2002), theorem 1.
    """
    return _fitted(decisions(policy, mdp, objective, horizon))


def _fitted(found: Decisions) -> Array:
    root = jnp.sqrt(found.weight)
    return jnp.linalg.lstsq(root[:, None] * found.score, root * found.advantage)[0]
