"""What a gradient check is given: the estimators, and what they need to be fed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.checks import UpslopeError, unknown_name
from upslope.core.tree import ravel_parameters
from upslope.estimators import (
    TRAJECTORY_ESTIMATORS,
    Declaration,
    FiniteDifferences,
    GradientEstimator,
    PopulationEstimator,
    SmoothedScore,
    TimeTableCritic,
)
from upslope.objectives.objective import Objective

STEP = 0.1
# Estimators from the returns of perturbed policies, by name: the number of coordinates in, the
# estimator out.
POPULATION_ESTIMATORS: dict[str, Callable[[int], PopulationEstimator]] = {
    "forward-differences": lambda size: FiniteDifferences(STEP, "forward", size),
    "central-differences": lambda size: FiniteDifferences(STEP, "central", size),
    "random-directions": lambda size: FiniteDifferences(STEP, "random", None, 8),
    "spsa": lambda size: FiniteDifferences(STEP, "spsa", None, 8),
    "regression": lambda size: FiniteDifferences(STEP, "regression", None, 2 * size + 4),
    "evolution-strategy": lambda size: SmoothedScore(16, STEP),
}


class Subject(NamedTuple):
    """One estimator, ready to estimate."""

    name: str
    estimate: Callable[..., Any] | None  # (numbers, policy, episodes, objective) -> gradient
    numbers: Any  # of the estimator: its critics, its behaviour
    population: PopulationEstimator | None
    declaration: Declaration | None
    behaviour: Any  # the policy whose episodes it wants; None for the one whose gradient it is


def estimator_names() -> list[str]:
    """All estimators that a check knows by name."""
    return [*TRAJECTORY_ESTIMATORS.names(), *POPULATION_ESTIMATORS]


def subjects(
    wanted: Any, policy: Any, objective: Objective, critics: dict[str, Any], behaviour: Any
) -> list[Subject]:
    """The estimators of a check.

    Args:
      wanted: None for all of the library; names; or a mapping from a name to an estimator or to a
        function `(policy, episodes, objective) -> gradient`.
      policy: whose gradient is estimated.
      objective: J.
      critics: "critic" (V) and "action_critic" (Q), exact where that is possible; without the
        second, estimators that need it are left out when all are wanted.
      behaviour: the other policy, for estimators that correct for one.

    Raises:
      UpslopeError: an unknown name; something that is no estimator.
    """
    if isinstance(wanted, Mapping):
        return [_given(str(name), thing, objective, critics, behaviour)
                for name, thing in wanted.items()]  # fmt: skip
    known = estimator_names()
    if isinstance(wanted, str):
        wanted = [name.strip() for name in wanted.split(",") if name.strip()]
    if wanted is None:
        names: Sequence[str] = [name for name in known if _possible(name, objective, critics)]
    else:
        names = list(wanted)
        for name in names:
            if name not in known:
                raise unknown_name("estimator", name, known)
        if not names:
            raise UpslopeError(f"gradcheck got no estimators: name some of {', '.join(known)}.")
    size = ravel_parameters(policy)[0].size
    found = []
    for name in names:
        if name in POPULATION_ESTIMATORS:
            thing: Any = POPULATION_ESTIMATORS[name](size)
        else:
            thing = TRAJECTORY_ESTIMATORS.get(name)()
        found.append(_given(name, thing, objective, critics, behaviour))
    return found


def _possible(name: str, objective: Objective, critics: dict[str, Any]) -> bool:
    """Whether an estimator can be fed here."""
    if name in POPULATION_ESTIMATORS:
        return True
    thing: Any = TRAJECTORY_ESTIMATORS.get(name)()
    if name == "gpomdp" and not objective.centred:
        return False  # an estimator of the average reward's gradient
    return all(field == "behaviour" or field in critics for field in thing.requires)


def _given(
    name: str, thing: Any, objective: Objective, critics: dict[str, Any], behaviour: Any
) -> Subject:
    if isinstance(thing, PopulationEstimator):
        return Subject(name, None, (), thing, thing.declaration, None)
    if isinstance(thing, GradientEstimator):
        missing = [field for field in thing.requires if getattr(thing, field, None) is None]
        for field in missing:
            if field != "behaviour" and field not in critics:
                raise UpslopeError(
                    f"The estimator {name!r} needs a {field}, which is known here for finite MDPs "
                    f"alone: give one, as in dataclasses.replace(estimator, {field}=...)."
                )
        feed = {field: behaviour if field == "behaviour" else critics[field] for field in missing}
        thing = dataclasses.replace(thing, **feed)
        other = getattr(thing, "behaviour", None)
        declared = thing.declaration_for(objective)
        if all(isinstance(leaf, jax.Array | np.ndarray | int | float) for leaf in
               jax.tree.leaves(thing)):  # fmt: skip
            return Subject(name, estimate_by, thing, None, declared, other)
        kept = thing  # something in it is no number: a critic that is a plain function
        return Subject(name, lambda _, *rest: estimate_by(kept, *rest), (), None, declared, other)
    if callable(thing):
        declared = getattr(thing, "declaration", None)

        def by_function(numbers: Any, policy: Any, episodes: Any, objective: Any) -> Any:
            return thing(policy, episodes, objective)

        return Subject(name, by_function, (), None, declared, None)
    raise UpslopeError(
        f"gradcheck got {thing!r} for {name!r}: it must be a GradientEstimator, a "
        "PopulationEstimator, or a function (policy, episodes, objective) -> gradient."
    )


def estimate_by(estimator: Any, policy: Any, episodes: Any, objective: Any) -> Any:
    """The gradient that an estimator gives."""
    return estimator.estimate(policy, episodes, objective).gradient


def exact_critics(policy: Any, environment: Any, objective: Objective, horizon: int) -> dict:
    """V and Q of a finite MDP as the policy's observations tell them, time by time.

    Where observations do not tell states apart they are means over the states behind them, which
    are good baselines and, for bootstrapping, wrong: they do not claim to be exact then.
    """
    from upslope import exact

    mdp = exact.as_finite_mdp(environment)
    seen = exact.observations(environment)
    values = exact.episodic_values(policy, environment, horizon, objective.discount)
    states = mdp.n_states
    aliased = seen.ndim > 0 and len(set(seen.tolist())) < states
    if not aliased:
        return {
            "critic": TimeTableCritic(values.value, exact=True),
            "action_critic": TimeTableCritic(values.action_value, exact=True),
        }
    visits = exact.episodic_occupancy(policy, environment, horizon)
    visits = jnp.where(mdp.terminal[None, :], 0.0, visits)
    groups = jax.nn.one_hot(seen, int(seen.max()) + 1)  # [S, O]
    mass = visits @ groups  # [H, O]
    share = jnp.where(mass > 0, mass, 1.0)
    mean = (visits * values.value) @ groups / share
    mean_q = jnp.einsum("hs,hsa,so->hoa", visits, values.action_value, groups) / share[..., None]
    return {"critic": TimeTableCritic(mean), "action_critic": TimeTableCritic(mean_q)}


def near(key: Array, policy: Any, distance: float = 0.2) -> Any:
    """A policy close to another: the behaviour that off-policy estimators are tried on."""
    theta, unravel = ravel_parameters(policy)
    return unravel(theta + distance * jax.random.normal(key, theta.shape, theta.dtype))
