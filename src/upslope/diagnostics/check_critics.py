"""The critics that a gradient check hands out."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from upslope.diagnostics.check_policies import is_finite
from upslope.environments.environment import Environment
from upslope.estimators import TableCritic, TimeTableCritic
from upslope.objectives.objective import Objective
from upslope.policies.critics import state_value
from upslope.policies.policy import Policy


class Critics(NamedTuple):
    """What estimators are given that ask for a critic."""

    critic: Any = None  # V
    action_critic: Any = None  # Q
    of_state: bool = False  # whether they read the state where the policy sees less

    def get(self, field: str) -> Any:
        """The critic of that field of an estimator, None where there is none."""
        return getattr(self, field)


def true_critics(
    key: Array, policy: Policy, environment: Environment, objective: Objective, limit: int
) -> Critics:
    """V and Q of the policy, of the steps left; a fresh V where nothing exact is known.

    They are those of the state: where the policy does not see it, they do. The key is consumed.
    """
    if not is_finite(environment) or getattr(policy, "has_memory", False):
        return Critics(state_value(key, policy))
    from upslope import exact

    values = exact.episodic_values(policy, environment, limit, objective.discount)
    value, action_value = values.value, values.action_value
    if objective.differential:  # rewards are measured against their average in the steps left
        left = limit - jnp.arange(limit, dtype=value.dtype)
        start = jnp.asarray(exact.as_finite_mdp(environment).initial)
        average = jnp.sum(start * value[0]) / limit
        value = value - (average * left)[:, None]
        action_value = action_value - (average * left)[:, None, None]
    return Critics(
        TimeTableCritic(value, exact=True), TimeTableCritic(action_value, exact=True), True
    )


def wrong_critics(critics: Critics) -> Critics:
    """The values at the start at half their size, at every step: wrong in size and in time."""

    def spoilt(critic: TimeTableCritic) -> TableCritic:
        return TableCritic(jax.tree.map(lambda leaf: 0.5 * leaf, critic.values[0]))

    return Critics(spoilt(critics.critic), spoilt(critics.action_critic), critics.of_state)
