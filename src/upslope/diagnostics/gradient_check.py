"""Every gradient estimator against the gradient itself."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.checks import UpslopeError, check_number
from upslope.core.tree import ravel_parameters
from upslope.diagnostics.check_subjects import Subject, estimate_by, exact_critics, near, subjects
from upslope.diagnostics.gradient_report import GradientReport, Row
from upslope.diagnostics.gradient_samples import (
    EpisodeBlocks,
    TrajectoryProgram,
    population_estimates,
)
from upslope.diagnostics.verdicts import FALSE_ALARMS, RunningMoments, judge, threshold
from upslope.environments.environment import Environment
from upslope.environments.make import make
from upslope.estimators import LeaveOneOut, LikelihoodRatio
from upslope.objectives import EpisodicReturn
from upslope.objectives.objective import Objective
from upslope.policies.default import default_policy
from upslope.sampling.jax_sampler import episode_limit

# A reference that is itself sampled gets so many times the episodes of an estimator.
REFERENCE_SHARE = 10
# How far the parameters of a check lie from a fresh policy's, which is often too symmetric to tell
# right from wrong.
SPREAD = 0.5


def gradcheck(
    environment: Any,
    policy: Any = None,
    objective: Objective | None = None,
    estimators: Any = None,
    *,
    episodes: int = 100_000,
    batch: int = 8,
    seed: int = 0,
    false_alarms: float = FALSE_ALARMS,
    progress: Any = None,
) -> GradientReport:
    r"""Bias, variance and cost of gradient estimators at one policy.

    Each estimator makes B = episodes / batch independent estimates. Their mean is held to grad J:
    the exact one on finite MDPs (and environments with a `finite_mdp()`) and on linear-quadratic
    systems, elsewhere one from a large sample of its own, whose error enters every interval. An
    estimator is called biased when some coordinate of its mean is further from the reference than
    chance allows,

    .. math:: \max_k \frac{|\bar g_k - \nabla_k J|}{\operatorname{SE}_k}
              > \Phi^{-1}\Big(1 - \frac{\alpha}{2 D K}\Big)

    so that with probability 1 - alpha no unbiased one of K estimators with D coordinates is.
    "Consistent with unbiased" means that a bias, if any, is below what this many episodes can show.

    J is that of episodes cut at the time limit, for the reference as for the samples.

    Args:
      environment: a name that `make` knows, or a JAX environment.
      policy: where the gradient is taken; None for the default policy of the spaces with
        parameters drawn around a fresh one.
      objective: J; None for the episodic return.
      estimators: None for all of the library that can be fed here; names (a list, or one string
        with commas); or a mapping from names to estimators or to functions
        `(policy, episodes, objective) -> gradient`.
      episodes: for each estimator.
      batch: episodes in one estimate.
      seed: of the sampling.
      false_alarms: alpha.
      progress: called with the name of each estimator before its turn.

    Raises:
      UpslopeError: an unknown name; a simulator (its gradients have no reference here); a world
        without a time limit under an objective without a horizon; too few episodes.
    """
    began = time.perf_counter()
    check_number("gradcheck", "batch", batch, at_least=2, integer=True)
    check_number("gradcheck", "episodes", episodes, at_least=2 * batch, integer=True,
                 why=f"An estimate takes batch={batch} of them.")  # fmt: skip
    check_number("gradcheck", "false_alarms", false_alarms, above=0, below=1)
    world = make(environment)
    if not isinstance(world, Environment):
        raise UpslopeError(
            f"gradcheck got {environment!r}, a simulator: it needs millions of steps and a JAX "
            "environment. Check the estimator on a finite MDP; it does not know the difference."
        )
    objective = EpisodicReturn() if objective is None else objective
    limit = episode_limit(world, objective)
    if limit is None:
        raise UpslopeError(
            f"{type(world).__name__} has time_limit=None: whole episodes need a time limit, or an "
            "objective with a horizon."
        )
    policy_key, sample_key, other_key, reference_key = jax.random.split(jax.random.key(seed), 4)
    if policy is None:
        policy = start_policy(policy_key, world)
    behaviour = near(other_key, policy)
    batches = max(episodes // batch, 2)
    truth = exact_gradient(policy, world, objective, limit)
    critics = {} if truth is None else known_critics(policy, world, objective, limit)
    chosen = subjects(estimators, policy, objective, critics, behaviour)
    if truth is None:
        if progress is not None:
            progress("the reference")
        reference, reference_error = sampled_reference(
            reference_key, world, policy, objective, batch, REFERENCE_SHARE * batches, limit
        )
    else:
        reference, reference_error = truth, np.zeros_like(truth)
    bound = threshold(reference.size, len(chosen), false_alarms)
    rows = [
        row
        for group in grouped(chosen)
        for row in measured_rows(
            sample_key, group, world, policy, objective, batch, batches, limit,
            reference, reference_error, bound, progress,
        )
    ]  # fmt: skip
    order = [subject.name for subject in chosen]
    rows.sort(key=lambda row: order.index(row.name))
    name = environment if isinstance(environment, str) else world.name
    return GradientReport(
        name, objective.name, rows, reference, reference_error, truth is not None,
        batches * batch, false_alarms, time.perf_counter() - began,
    )  # fmt: skip


def start_policy(key: Array, world: Environment) -> Any:
    """The default policy of a world's spaces, off the symmetric point where it starts."""
    fresh_key, noise_key = jax.random.split(key)
    policy = default_policy(fresh_key, world.observation_space, world.action_space)
    return moved(noise_key, policy)


def moved(key: Array, policy: Any) -> Any:
    """A policy with random numbers added to its parameters."""
    theta, unravel = ravel_parameters(policy)
    scale = SPREAD if theta.size <= 1000 else 0.05
    return unravel(theta + scale * jax.random.normal(key, theta.shape, theta.dtype))


def exact_gradient(
    policy: Any, world: Environment, objective: Objective, limit: int
) -> np.ndarray | None:
    """grad J [D] where it can be computed, else None."""
    from upslope import exact

    solvable = hasattr(world, "finite_mdp") or world.name in ("finite-mdp", "linear-quadratic")
    if not solvable or getattr(policy, "has_memory", False):
        return None
    try:
        with jax.enable_x64(True):
            wide = jax.tree.map(lambda leaf: jnp.asarray(leaf, _wide(leaf)), (policy, world))
            tree = exact.gradient(wide[0], wide[1], objective, limit)
            return np.asarray(ravel_parameters(tree)[0], np.float64)
    except (TypeError, AttributeError):
        return None


def _wide(leaf: Any) -> Any:
    """Double precision for what is a float."""
    return float if jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.floating) else None


def known_critics(policy: Any, world: Environment, objective: Objective, limit: int) -> dict:
    """Exact critics, on finite MDPs."""
    if hasattr(world, "finite_mdp") or world.name == "finite-mdp":
        return exact_critics(policy, world, objective, limit)
    return {}


def sampled_reference(
    key: Array, world: Environment, policy: Any, objective: Objective, batch: int, batches: int,
    limit: int,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """grad J from a large sample, by the unbiased likelihood ratio, and its standard error."""
    estimator = LikelihoodRatio(LeaveOneOut())
    if not estimator.declaration_for(objective).unbiased:
        raise UpslopeError(
            f"The objective {objective.name!r} with these settings has no unbiased estimator to "
            "sample a reference with: use a finite MDP, whose gradient is exact."
        )
    program = TrajectoryProgram(estimate_by, estimator, policy, objective)
    moments = RunningMoments(np.zeros(ravel_parameters(policy)[0].size))
    for block in EpisodeBlocks(key, world, policy, batch, batches, limit):
        moments.add(program(block))
    found = moments.measured()
    return found.mean, np.sqrt(found.variance / found.count)


def grouped(chosen: list[Subject]) -> list[list[Subject]]:
    """Those that can share their episodes together."""
    own = [s for s in chosen if s.population is None and s.behaviour is None]
    other = [s for s in chosen if s.population is None and s.behaviour is not None]
    alone = [[s] for s in chosen if s.population is not None]
    return [group for group in (own, other, *alone) if group]


def measured_rows(
    key: Array, group: list[Subject], world: Environment, policy: Any, objective: Objective,
    batch: int, batches: int, limit: int, reference: np.ndarray, reference_error: np.ndarray,
    bound: float, progress: Any,
) -> list[Row]:  # fmt: skip
    """The rows of estimators that share their episodes."""
    first = group[0]
    if first.population is not None:
        return [
            population_row(
                key, first, world, policy, objective, batch * batches, limit,
                reference, reference_error, bound, progress,
            )
        ]  # fmt: skip
    actor = policy if first.behaviour is None else first.behaviour
    blocks = EpisodeBlocks(key, world, actor, batch, batches, limit)
    programs = [TrajectoryProgram(s.estimate, s.numbers, policy, objective) for s in group]  # pyright: ignore[reportArgumentType]
    moments = [RunningMoments(reference) for _ in group]
    for number, block in enumerate(blocks):
        with ThreadPoolExecutor() as pool:  # programs are compiled side by side
            list(pool.map(lambda program: program.ready(block), programs))  # noqa: B023
        for subject, program, sums in zip(group, programs, moments, strict=True):
            if progress is not None and number == 0:
                progress(subject.name)
            rows = program(block)
            check_rows(subject, rows, reference.size)
            sums.add(rows)
    return [
        Row(
            subject.name,
            judge(sums.measured(), reference, reference_error, bound),
            subject.declaration,
            batch,
            blocks.steps / blocks.count,
            program.seconds / blocks.count,
            blocks.seconds / blocks.count,
            sums.mean,
            sums.measured().variance,
        )
        for subject, program, sums in zip(group, programs, moments, strict=True)
    ]


def population_row(
    key: Array, subject: Subject, world: Environment, policy: Any, objective: Objective,
    episodes: int, limit: int, reference: np.ndarray, reference_error: np.ndarray, bound: float,
    progress: Any,
) -> Row:  # fmt: skip
    """The row of an estimator from perturbed policies."""
    assert subject.population is not None
    if progress is not None:
        progress(subject.name)
    size = subject.population.population_size
    sums, taken, seconds = RunningMoments(reference), 0, 0.0
    for rows, steps, spent in population_estimates(
        key, subject.population, world, policy, objective, max(episodes // size, 2), limit
    ):
        check_rows(subject, rows, reference.size)
        sums.add(rows)
        taken, seconds = taken + steps, seconds + spent
    found = sums.measured()
    return Row(
        subject.name, judge(found, reference, reference_error, bound), subject.declaration, size,
        taken / found.count, 0.0, seconds / found.count, found.mean, found.variance,
    )  # fmt: skip


def check_rows(subject: Subject, rows: np.ndarray, size: int) -> None:
    """Raises where an estimator gave something else than finite gradients [D]."""
    if rows.shape[1] != size:
        raise UpslopeError(
            f"The estimator {subject.name!r} gives gradients of {rows.shape[1]} numbers, and the "
            f"policy has {size}: return a tree of the policy's structure."
        )
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if bad.size:
        raise UpslopeError(
            f"The estimator {subject.name!r} gave NaN or infinity in {bad.size} of {len(rows)} "
            "estimates: a policy that gives an action taken no probability has no score, and "
            "importance weights may overflow."
        )
