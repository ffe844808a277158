"""The sampler of JAX worlds: everything happens inside the compiled program."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import UpslopeError
from upslope.core.records import EpisodeStatistics
from upslope.environments.environment import Environment
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy
from upslope.sampling.episode_returns import sample_returns
from upslope.sampling.episodes import sample_episodes
from upslope.sampling.experience import Dynamics, EpisodeReturns, Episodes, ExperienceSpec, Steps
from upslope.sampling.streams import Streams, sample_steps, start_streams


class JaxSampler(eqx.Module):
    """Tries policies in a JAX environment. A pytree: jit it, vmap it over seeds, scan it.

    Attributes:
      environment: the world.
      objective: under which returns are counted.
      experience: what the search method wants back. Static.
      streams: the environments' states where a collection continues them (`Steps`), else None.
      statistics: of the last call, for training curves.
      axis: of the mesh whose devices share a population; None for one device. Static.
    """

    environment: Environment
    objective: Objective
    experience: ExperienceSpec = eqx.field(static=True)
    streams: Streams | None
    statistics: EpisodeStatistics
    axis: str | None = eqx.field(static=True, default=None)

    @classmethod
    def create(
        cls,
        key: Array,
        environment: Environment,
        experience: ExperienceSpec,
        objective: Objective,
        policy: Policy,
    ) -> JaxSampler:
        """A sampler at the start of its streams. The key is consumed.

        Args:
          policy: any policy of the search; only its memory's shape is used.

        Raises:
          UpslopeError: episodes have to end and may not (see `refuse_endless`).
        """
        refuse_endless(environment, experience, objective)
        streams = None
        if isinstance(experience, Steps):
            streams = start_streams(key, environment, experience.n_envs, policy)
        return cls(environment, objective, experience, streams, EpisodeStatistics.nothing())

    def sample(self, key: Array, candidates: Policy) -> tuple[Any, JaxSampler]:
        """Tries the candidates and returns what the collection asks for.

        Args:
          key: consumed.
          candidates: one policy, or a population with a leading axis [P] for `EpisodeReturns`.

        Returns:
          `Returns`, `Trajectories` or the dynamics, and the sampler with its streams moved on.
        """
        limit = episode_limit(self.environment, self.objective)
        streams = self.streams
        if isinstance(self.experience, Steps):
            assert streams is not None
            result, streams, statistics = sample_steps(
                key, self.environment, candidates, streams, self.experience.n_steps, limit
            )
        elif isinstance(self.experience, Episodes):
            assert limit is not None
            result, statistics = sample_episodes(
                key, self.environment, candidates, self.experience.n_episodes, limit
            )
        elif isinstance(self.experience, EpisodeReturns):
            assert limit is not None
            result, statistics = sample_returns(
                key,
                self.environment,
                candidates,
                self.objective,
                self.experience.episodes_per_candidate,
                limit,
                common_random_numbers=self.experience.common_random_numbers,
                axis=self.axis,
            )
        else:
            assert isinstance(self.experience, Dynamics)
            # No step is taken; a budget still has to end: one look counts as one.
            result = self.environment
            statistics = EpisodeStatistics.nothing()._replace(steps=jnp.ones((), int))
        return result, JaxSampler(
            self.environment, self.objective, self.experience, streams, statistics, self.axis
        )


def episode_limit(environment: Environment, objective: Objective) -> int | None:
    """After how many steps an episode is cut: the world's time limit or the objective's horizon."""
    limits = [environment.time_limit, getattr(objective, "horizon", None)]
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def refuse_endless(environment: Environment, spec: ExperienceSpec, objective: Objective) -> None:
    """Refuses a world without any time limit where episodes have to end.

    Whole episodes have to, and so do sums that nothing discounts, however they are sampled:
    without an end they have no finite value. A method that reads the dynamics takes no step, and
    checks its sums by itself.

    Raises:
      UpslopeError: names the world and what would end its episodes.
    """
    if isinstance(spec, Dynamics) or episode_limit(environment, objective) is not None:
        return
    name = type(environment).__name__
    if not isinstance(spec, Steps):
        raise UpslopeError(
            f"{name} has time_limit=None and may never end: whole episodes need a time limit "
            "(time_limit=...) or an objective with a horizon."
        )
    discount = objective.discount
    if isinstance(discount, int | float) and discount >= 1 and not objective.differential:
        raise UpslopeError(
            f"{name} has time_limit=None and may never end: a return without a discount "
            "(gamma = 1) needs a time limit (time_limit=...), an objective with a horizon, or a "
            "gamma below 1."
        )
