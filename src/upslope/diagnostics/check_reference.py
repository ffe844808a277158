"""The gradient that estimators are held to: exact where it can be, else from a large sample."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from upslope.core.checks import UpslopeError
from upslope.core.tree import ravel_parameters
from upslope.diagnostics.check_policies import is_finite
from upslope.diagnostics.gradient_samples import EpisodeBlocks, TrajectoryProgram
from upslope.diagnostics.verdicts import RunningMoments
from upslope.environments.environment import Environment
from upslope.environments.linear_quadratic import LinearQuadratic
from upslope.estimators import GradientEstimator, GroupRelative, LeaveOneOut, LikelihoodRatio
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy


class Reference(NamedTuple):
    """grad J as well as it is known."""

    gradient: np.ndarray  # [D]
    error: np.ndarray  # [D], its standard error: zero where it is exact
    exact: bool


def exact_reference(
    policy: Policy, environment: Environment, objective: Objective, limit: int
) -> Reference | None:
    """grad J of episodes cut at the limit, in double precision; None where nothing exact is known.

    Known for memoryless policies of finite MDPs, and for linear ones of linear-quadratic systems.
    """
    from upslope import exact

    if getattr(policy, "has_memory", False):
        return None
    if isinstance(environment, LinearQuadratic):
        try:
            exact.linear_controller(policy, environment)
        except UpslopeError:  # not a linear policy
            return None
    elif not is_finite(environment):
        return None

    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: jnp.asarray(leaf, _wide(leaf)), (policy, environment))
        tree = exact.gradient(wide[0], wide[1], objective, limit)
        gradient = np.asarray(ravel_parameters(tree)[0], np.float64)
    return Reference(gradient, np.zeros_like(gradient), True)


def _wide(leaf: ArrayLike) -> DTypeLike | None:
    """Double precision for what is a float."""
    return float if jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.floating) else None


def sampled_reference(
    key: Array,
    environment: Environment,
    policy: Policy,
    objective: Objective,
    batch: int,
    batches: int,
    limit: int,
) -> Reference:
    """grad J from a large sample, by an unbiased likelihood ratio, and its standard error."""
    estimator: GradientEstimator = LikelihoodRatio(LeaveOneOut())
    if not estimator.declaration_for(objective).unbiased:  # weights left out, rewards differential
        estimator = GroupRelative()
    program = TrajectoryProgram(
        lambda estimator, *rest: estimator.estimate(*rest).gradient, estimator, policy, objective
    )
    moments = RunningMoments(np.zeros(ravel_parameters(policy)[0].size))
    for block in EpisodeBlocks(key, environment, policy, objective, batch, batches, limit):
        moments.add(program(block))
    found = moments.measured()
    return Reference(found.mean, np.sqrt(found.variance / found.count), False)
