"""What happens in a run that the user has not asked for: said before, or at the end."""

from __future__ import annotations

import math

import numpy as np

from upslope.engine.progress import Evaluation
from upslope.sampling.experience import Replay, Steps
from upslope.sampling.jax_sampler import episode_limit
from upslope.training.advice import cut_episodes
from upslope.training.build import Built
from upslope.training.config import RunConfig
from upslope.training.presets import tuned_methods

# More steps than this share of what was asked for are worth a word.
ROUNDING = 1.1


def said_before(config: RunConfig, built: Built) -> list[str]:
    """Lines about a budget that is rounded up, and about settings that nobody has tuned."""
    notes = []
    size = steps_of_iteration(built.problem.method.experience)
    if size is not None:
        steps = math.ceil(config.total_timesteps / size) * size
        if steps >= ROUNDING * config.total_timesteps:
            notes.append(
                f"total_timesteps={config.total_timesteps:,} is rounded up to {steps:,} steps per "
                f"seed: an iteration of {config.method} takes {size:,}."
            )
    tuned = tuned_methods(config.environment)
    if config.method not in tuned:
        others = f" Tuned for it: {', '.join(tuned)}." if tuned else ""
        notes.append(
            f"No tuned settings of {config.method} for {config.environment_title}: what you do not "
            f"set is the method's default.{others}"
        )
    return notes


def said_after(config: RunConfig, built: Built, steps: np.ndarray, final: Evaluation) -> list[str]:
    """Lines about more steps than were asked for, and about time limits that ended all episodes.

    Args:
      config: of the run.
      built: what it names.
      steps: [S], taken by each seed.
      final: the last evaluation.
    """
    notes = []
    if steps.min() >= ROUNDING * config.total_timesteps:
        notes.append(
            f"Each seed took {steps.min():,} steps for total_timesteps="
            f"{config.total_timesteps:,}: iterations of {config.method} are whole."
        )
    limit = episode_limit(built.evaluation_environment, built.problem.objective)
    notes += cut_episodes(final, limit)
    if limit is not None and (final.lengths >= limit).all():
        notes.append(
            f"Every held-out episode lasted until the time limit of {limit:,} steps; none ended "
            "before."
        )
    return notes


def steps_of_iteration(experience: object) -> int | None:
    """Environment steps of one iteration; None where that depends on how long episodes are."""
    steps = experience.fresh if isinstance(experience, Replay) else experience
    return steps.n_envs * steps.n_steps if isinstance(steps, Steps) else None
