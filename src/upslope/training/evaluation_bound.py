"""How much of a run its evaluations may be: decided once, before it begins."""

from __future__ import annotations

import dataclasses

from upslope.engine.evaluator import EVALUATION_LIMIT
from upslope.sampling import ENGINES, JaxSampler
from upslope.sampling.jax_sampler import episode_limit
from upslope.training.build import Built
from upslope.training.config import AUTO, RunConfig
from upslope.training.programs import evaluation_engine

# Of the search's steps, for all evaluations on simulators.
SHARE = 0.25
# A held-out episode that nothing ends takes at most this share of a seed's budget ...
LONGEST = 0.01
# ... and this many steps in any case.
SHORTEST_LIMIT = 1_000


def decided(config: RunConfig, built: Built) -> RunConfig:
    """The configuration with `evaluation_share` and `evaluation_limit` as they are to be.

    In a JAX environment the episodes of an evaluation are one compiled call, and cost little.
    Simulators are stepped one by one: there an evaluation by the usual numbers of episodes can take
    many times as long as the search, most of all with a policy that never ends an episode.

    Raises:
      UpslopeError: an environment that no engine samples.
    """
    simulated = ENGINES.get(evaluation_engine(config, built)) is not JaxSampler
    share, limit = config.evaluation_share, config.evaluation_limit
    if share == AUTO:
        share = SHARE if simulated else None
    if limit == AUTO:
        own = episode_limit(built.evaluation_environment, built.problem.objective)
        limit = longest_episode(config) if simulated and own is None else None
    return dataclasses.replace(config, evaluation_share=share, evaluation_limit=limit)


def longest_episode(config: RunConfig) -> int:
    """Steps after which a held-out episode ends that neither environment nor objective ends."""
    return min(max(int(LONGEST * config.total_timesteps), SHORTEST_LIMIT), EVALUATION_LIMIT)


def is_of(begun: RunConfig, asked: RunConfig) -> bool:
    """Whether a run was begun from a configuration, some of which was decided then.

    Args:
      begun: what the run folder has.
      asked: what the run would be begun from now.
    """
    open_ = [
        name for name in ("evaluation_share", "evaluation_limit") if getattr(asked, name) == AUTO
    ]
    return begun == dataclasses.replace(asked, **{name: getattr(begun, name) for name in open_})
