"""Every gradient estimator against the gradient itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import jax

from upslope.core.checks import UpslopeError, check_number
from upslope.diagnostics.check_critics import true_critics
from upslope.diagnostics.check_estimators import Inputs, WantedEstimators, select_estimators
from upslope.diagnostics.check_policies import check_scores, near, start_policy
from upslope.diagnostics.check_progress import shown
from upslope.diagnostics.check_reference import exact_reference, sampled_reference
from upslope.diagnostics.check_rows import Setup, grouped, measured_rows
from upslope.diagnostics.gradient_report import GradientReport
from upslope.diagnostics.hidden_states import what_is_seen
from upslope.diagnostics.verdicts import FALSE_ALARMS
from upslope.environments.adaptors.gymnasium import GymnasiumSpec
from upslope.environments.adaptors.toy_text import finite_mdp_of, has_table
from upslope.environments.environment import Environment
from upslope.environments.factory import make
from upslope.objectives.objective import EpisodicReturn, Objective
from upslope.policies.policy import Policy
from upslope.sampling.jax_sampler import episode_limit

if TYPE_CHECKING:
    from upslope.environments.factory import EnvironmentLike

KEYS = ("policy", "sample", "behaviour", "reference", "critic")
# A reference that is itself sampled gets so many times the episodes of an estimator.
REFERENCE_SHARE = 10


def gradcheck(
    environment: EnvironmentLike,
    policy: Policy | None = None,
    objective: Objective | None = None,
    estimators: WantedEstimators = None,
    *,
    episodes: int = 100_000,
    batch: int = 8,
    seed: int = 0,
    false_alarms: float = FALSE_ALARMS,
    progress: Callable[[str], None] | bool | None = None,
) -> GradientReport:
    r"""Bias, variance and cost of gradient estimators at one policy.

    Each estimator makes B = episodes / batch independent estimates. Their mean is held to grad J:
    the exact one on finite MDPs (and environments with a `finite_mdp()`), elsewhere one from a
    large sample of its own, whose error enters every interval. An estimator is called biased when
    some coordinate of its mean is further from the reference than chance allows,

    .. math:: \max_k \frac{|\bar g_k - \nabla_k J|}{\operatorname{SE}_k}
              > t_{B-1}^{-1}\Big(1 - \frac{\alpha}{2 D K}\Big)

    so that with probability 1 - alpha no unbiased one of K estimators with D coordinates is
    (Student's t with B - 1 degrees of freedom, Bonferroni). "Consistent with unbiased" means that a
    bias, if any, is below what this many episodes can show.

    J is that of episodes cut at the time limit, for the reference as for the samples. On finite
    MDPs estimators that ask for a critic get the exact V or Q of the state (of the steps left),
    also where the policy does not see the state; elsewhere a fresh value function.

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
      progress: whether the name of each estimator is shown before its turn, on standard error;
        None: where a person watches, a terminal or a notebook. Or a function that is told it.

    Raises:
      UpslopeError: an unknown name (the nearest is offered); an estimator that was named and cannot
        be fed here; a policy that gives an action the probability zero; a simulator (its gradients
        have no reference here); an environment without a time limit under an objective without a
        horizon; too few episodes.
    """
    began = time.perf_counter()
    if progress is None or isinstance(progress, bool):
        with shown(progress) as tell:
            return gradcheck(
                environment,
                policy,
                objective,
                estimators,
                episodes=episodes,
                batch=batch,
                seed=seed,
                false_alarms=false_alarms,
                progress=tell,
            )
    check_number("gradcheck", "batch", batch, at_least=2, integer=True)
    why = f"An estimate takes batch={batch} of them."
    check_number("gradcheck", "episodes", episodes, at_least=2 * batch, integer=True, why=why)
    check_number("gradcheck", "false_alarms", false_alarms, above=0, below=1)
    made = make(environment)
    if isinstance(made, GymnasiumSpec) and has_table(made):
        made = finite_mdp_of(made)  # FrozenLake, Taxi, CliffWalking: played from their tables
    if not isinstance(made, Environment):
        raise UpslopeError(
            f"gradcheck got {environment!r}, a simulator: it needs millions of steps and a JAX "
            "environment. Check the estimator on a finite MDP; it does not know the difference."
        )
    objective = EpisodicReturn() if objective is None else objective
    limit = episode_limit(made, objective)
    if limit is None:
        raise UpslopeError(
            f"{type(made).__name__} has time_limit=None: whole episodes need a time limit, or an "
            "objective with a horizon."
        )
    keys = dict(zip(KEYS, jax.random.split(jax.random.key(seed), len(KEYS)), strict=True))
    if policy is None:
        policy = start_policy(keys["policy"], made, objective, limit)
    check_scores(policy, made)
    batches = max(episodes // batch, 2)
    inputs = Inputs(
        policy,
        objective,
        true_critics(keys["critic"], policy, made, objective, limit),
        near(keys["behaviour"], policy, made, limit),
        None if policy.has_memory else what_is_seen(made),
        batches * batch,
    )
    chosen = select_estimators(estimators, inputs)
    reference = exact_reference(policy, made, objective, limit)
    if reference is None:
        progress("the reference")
        reference = sampled_reference(
            keys["reference"], made, policy, objective, batch, REFERENCE_SHARE * batches, limit
        )
    setup = Setup(
        key=keys["sample"],
        environment=made,
        inputs=inputs,
        batch=batch,
        batches=batches,
        limit=limit,
        reference=reference,
        false_alarms=false_alarms / len(chosen.estimators),
        progress=progress,
        nonfinite={} if estimators is None else None,
    )
    rows = [row for group in grouped(chosen.estimators) for row in measured_rows(setup, group)]
    order = [subject.name for subject in chosen.estimators]
    rows.sort(key=lambda row: order.index(row.name))
    return GradientReport(
        environment if isinstance(environment, str) else made.name,
        objective.name,
        rows,
        reference.gradient,
        reference.error,
        reference.exact,
        batches * batch,
        false_alarms,
        time.perf_counter() - began,
        {**chosen.left_out, **(setup.nonfinite or {})},
    )
