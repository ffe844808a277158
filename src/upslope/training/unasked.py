"""What happens in a run that the user has not asked for: said before, or at the end."""

from __future__ import annotations

import math

import numpy as np

from upslope.engine.progress import Evaluation
from upslope.sampling.experience import Replay, Steps
from upslope.sampling.jax_sampler import episode_limit
from upslope.training.advice import cut_episodes
from upslope.training.build import Built
from upslope.training.config import AUTO, RunConfig
from upslope.training.presets import tuned_methods
from upslope.training.programs import evaluation_limit

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
    notes += bounded_evaluations(config, final)
    notes += cut_episodes(final, limit, evaluation_limit(config, built))
    if limit is not None and (final.lengths >= limit).all():
        notes.append(
            f"Every held-out episode lasted until the time limit of {limit:,} steps; none ended "
            "before."
        )
    return notes


def bounded_evaluations(config: RunConfig, final: Evaluation) -> list[str]:
    """A line where the last evaluation was smaller than usual, so as not to take too long."""
    episodes, share = final.returns.shape[1], config.evaluation_share
    if share in (None, AUTO) or episodes >= config.final_episodes:
        return []
    return [
        f"The last evaluation was of {episodes} {'episode' if episodes == 1 else 'episodes'} per "
        f"seed instead of {config.final_episodes:,}: evaluations take at most "
        f"{float(share):g} of the search's steps (evaluation_share). More of this policy: upslope "
        f"evaluate. In a run: --final_episodes {config.final_episodes}."
    ]


def steps_of_iteration(experience: object) -> int | None:
    """Environment steps of one iteration; None where that depends on how long episodes are."""
    steps = experience.fresh if isinstance(experience, Replay) else experience
    return steps.n_envs * steps.n_steps if isinstance(steps, Steps) else None
