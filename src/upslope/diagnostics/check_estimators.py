"""What a gradient check is given: the estimators, and what they need to be fed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.annotations import PyTree
from upslope.core.checks import UpslopeError, unknown_name
from upslope.core.records import Trajectories
from upslope.core.tree import ravel_parameters
from upslope.diagnostics.check_critics import Critics, wrong_critics
from upslope.diagnostics.hidden_states import MaskedObservation, Seen
from upslope.estimators import (
    TRAJECTORY_ESTIMATORS,
    BiasStatement,
    FiniteDifferences,
    GradientEstimator,
    PopulationEstimator,
    SmoothedScore,
    TimeBaseline,
)
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy

# What a check can hold to the gradient, a tree of the policy's structure.
EstimatorFunction: TypeAlias = Callable[[Policy, Trajectories, Objective], Policy]
Estimator: TypeAlias = GradientEstimator | PopulationEstimator | EstimatorFunction
# Names, in one string or several; estimators by a name for each; None for all of the library.
WantedEstimators: TypeAlias = str | Iterable[str] | Mapping[str, Estimator] | None

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
# Estimators that are tried with a wrong critic besides: two that are biased by it and two that
# are not.
WITH_WRONG_CRITIC = ("value-baseline", "action-dependent-baseline", "td-error", "all-action")
# As many estimates at least, to speak of their mean and spread.
MIN_ESTIMATES = 10


class EstimatorUnderTest(NamedTuple):
    """One estimator, ready to estimate."""

    name: str
    estimate: Callable[..., Any] | None  # (numbers, policy, episodes, objective) -> gradient
    numbers: PyTree  # of the estimator: its critics, its behaviour
    population: PopulationEstimator | None
    declaration: BiasStatement | None
    behaviour: (
        Policy | None
    )  # the policy whose episodes it wants; None for the one whose gradient it is
    of_state: bool = False  # whether its critic reads states that the policy does not see


class Selection(NamedTuple):
    """The estimators of a check."""

    estimators: list[EstimatorUnderTest]
    left_out: dict[str, str]  # name to reason


class Inputs(NamedTuple):
    """What the estimators of a check are given."""

    policy: Policy  # whose gradient is estimated
    objective: Objective
    critics: Critics
    behaviour: Policy  # the other policy, for estimators that correct for one
    seen: Array | None  # [S, ...] what the policy sees in each state, where that is not the state
    episodes: int  # for each estimator


def estimator_names() -> list[str]:
    """All estimators that a check knows by name."""
    return [*TRAJECTORY_ESTIMATORS.names(), *POPULATION_ESTIMATORS]


def select_estimators(wanted: WantedEstimators, inputs: Inputs) -> Selection:
    """The estimators of a check.

    Args:
      wanted: None for all of the library; names; or a mapping from a name to an estimator or to a
        function `(policy, episodes, objective) -> gradient`.
      inputs: what they are given.

    Raises:
      UpslopeError: an unknown name; something that is no estimator; one that was named and cannot
        be fed.
    """
    if isinstance(wanted, Mapping):
        if not wanted:
            raise UpslopeError("gradcheck got no estimators: the mapping is empty.")
        found = [_given(str(name), thing, inputs, inputs.critics) for name, thing in wanted.items()]
        return Selection(found, {})
    known = estimator_names()
    nameless = wanted is not None and (
        callable(wanted) or not isinstance(wanted, Iterable) or any(map(callable, wanted))
    )
    if nameless:
        raise UpslopeError(
            "gradcheck got estimators without a name: give a mapping from names to them, such as "
            'estimators={"mine": mine}.'
        )
    if isinstance(wanted, str):
        wanted = [name.strip() for name in wanted.split(",") if name.strip()]
    given: Any = known if wanted is None else wanted
    names: Sequence[str] = list(dict.fromkeys(given))
    for name in names:
        if name not in known:
            raise unknown_name("estimator", str(name), known)
    if not names:
        raise UpslopeError(f"gradcheck got no estimators: name some of {', '.join(known)}.")
    found, left_out = [], {}
    for name in names:
        thing = _made(name, inputs)
        reason = _lack(thing, inputs)
        if reason and wanted is not None:
            raise UpslopeError(f"The estimator {name!r} cannot be tried here: {reason}.")
        if reason:
            left_out[name] = reason
        else:
            found.append(_given(name, thing, inputs, inputs.critics))
    if wanted is None and inputs.critics.of_state:
        wrong = wrong_critics(inputs.critics)
        for name in WITH_WRONG_CRITIC:
            thing = _made(name, inputs)
            letter = "V" if "critic" in thing.requires else "Q"
            found.append(_given(f"{name} (wrong {letter})", thing, inputs, wrong))
    return Selection(found, left_out)


def _made(name: str, inputs: Inputs) -> Any:
    """The estimator of that name, its numbers chosen for the problem where they matter."""
    if name in POPULATION_ESTIMATORS:
        return POPULATION_ESTIMATORS[name](ravel_parameters(inputs.policy)[0].size)
    thing: Any = TRAJECTORY_ESTIMATORS.get(name)()
    if name == "time-baseline" and inputs.critics.of_state:
        # Some values of the problem's own size, chosen before any episode: their mean over states.
        return dataclasses.replace(
            thing, baseline=TimeBaseline(jnp.mean(inputs.critics.critic.values, axis=1))
        )
    return thing


def _lack(thing: GradientEstimator | PopulationEstimator, inputs: Inputs) -> str:
    """Why an estimator cannot be fed here, or ""."""
    if isinstance(thing, PopulationEstimator):
        size = thing.population_size
        if size * MIN_ESTIMATES > inputs.episodes:
            return (
                f"it evaluates {size:,} policies for one estimate, which leaves fewer than "
                f"{MIN_ESTIMATES} estimates in {inputs.episodes:,} episodes"
            )
        return ""
    for field in thing.requires:
        if field != "behaviour" and inputs.critics.get(field) is None:
            return f"it needs an {field}, which is known for finite MDPs alone"
    by_step = hasattr(thing, "cross_fitted") and getattr(thing, "credit", "") == "reward-to-go"
    if inputs.policy.has_memory and by_step:
        return "it needs the score of every step by itself, which a policy with memory has not"
    return ""


def _given(name: str, thing: Estimator, inputs: Inputs, critics: Critics) -> EstimatorUnderTest:
    """An estimator with all it needs."""
    if isinstance(thing, PopulationEstimator):
        if isinstance(thing, FiniteDifferences):
            thing = thing.for_policy(inputs.policy)
        return EstimatorUnderTest(name, None, (), thing, thing.declaration, None)
    if isinstance(thing, GradientEstimator):
        missing = [field for field in thing.requires if getattr(thing, field, None) is None]
        for field in missing:
            if field != "behaviour" and critics.get(field) is None:
                raise UpslopeError(
                    f"The estimator {name!r} needs an {field}, which is known here for finite MDPs "
                    f"alone: give one, as in dataclasses.replace(estimator, {field}=...)."
                )
        fed = {field: critics.get(field) for field in missing if field != "behaviour"}
        of_state = bool(fed) and critics.of_state and inputs.seen is not None
        thing = dataclasses.replace(thing, **fed)
        if "behaviour" in missing:
            thing = dataclasses.replace(thing, behaviour=inputs.behaviour)
        actor = getattr(thing, "behaviour", None)
        if of_state and actor is not None and inputs.seen is not None:
            thing = dataclasses.replace(
                thing, behaviour=MaskedObservation(actor, Seen.of(inputs.seen))
            )
        declared = thing.declaration_for(inputs.objective)
        numbers = jax.Array | np.ndarray | int | float
        if all(isinstance(leaf, numbers) for leaf in jax.tree.leaves(thing)):
            return EstimatorUnderTest(name, estimate_by, thing, None, declared, actor, of_state)
        kept = thing  # something in it is no number: a critic that is a plain function
        return EstimatorUnderTest(
            name, lambda _, *rest: estimate_by(kept, *rest), (), None, declared, actor, of_state
        )
    if callable(thing):
        declared = getattr(thing, "declaration", None)

        def by_function(
            numbers: PyTree, policy: Policy, episodes: Trajectories, objective: Objective
        ) -> Policy:
            return thing(policy, episodes, objective)

        return EstimatorUnderTest(name, by_function, (), None, declared, None)
    raise UpslopeError(
        f"gradcheck got {thing!r} for {name!r}: it must be a GradientEstimator, a "
        "PopulationEstimator, or a function (policy, episodes, objective) -> gradient."
    )


def estimate_by(
    estimator: GradientEstimator, policy: Policy, episodes: Trajectories, objective: Objective
) -> Policy:
    """The gradient that an estimator gives."""
    return estimator.estimate(policy, episodes, objective).gradient
