"""The sampler of JAX environments: everything happens inside the compiled program."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError
from upslope.core.records import EpisodeStatistics, Replayed
from upslope.environments.adaptors.gymnasium import GymnasiumSpec
from upslope.environments.environment import Environment
from upslope.objectives.objective import Objective
from upslope.policies.actor import Actor
from upslope.sampling.episode_returns import sample_returns
from upslope.sampling.episodes import sample_episodes
from upslope.sampling.experience import (
    Dynamics,
    EpisodeReturns,
    Episodes,
    ExperienceSpec,
    Replay,
    Steps,
)
from upslope.sampling.replay import (
    ReplayBuffer,
    add_steps,
    draw_batches,
    empty_buffer,
    set_priorities,
)
from upslope.sampling.streams import Streams, sample_steps, start_streams


class JaxSampler(eqx.Module):
    """Tries policies in a JAX environment. A pytree: jit it, vmap it over seeds, scan it.

    Attributes:
      environment: what is acted in.
      objective: under which returns are counted.
      experience: what the search method wants back. Static.
      streams: the environments' states where they go on from call to call (`Steps`, `Replay`).
      replay: the steps that are kept (`Replay`), else None.
      statistics: of the last call, for training curves.
      axis: of the mesh whose devices share a population; None for one device. Static.
    """

    environment: Environment
    objective: Objective
    experience: ExperienceSpec = eqx.field(static=True)
    streams: Streams | None
    replay: ReplayBuffer | None
    statistics: EpisodeStatistics
    axis: str | None = eqx.field(static=True, default=None)

    @classmethod
    def create(
        cls,
        key: Key,
        environment: Environment,
        experience: ExperienceSpec,
        objective: Objective,
        actor: Actor,
    ) -> JaxSampler:
        """A sampler at the start of its streams. The key is consumed.

        Args:
          actor: any that the method asks for; only the shapes of what it remembers and notes are
            used.

        Raises:
          UpslopeError: episodes have to end and may not (see `refuse_endless`).
        """
        refuse_endless(environment, experience, objective)
        streams = replay = None
        fresh = experience.fresh if isinstance(experience, Replay) else experience
        if isinstance(fresh, Steps):
            streams = start_streams(key, environment, fresh.n_envs, actor)
        if isinstance(experience, Replay):
            limit = episode_limit(environment, objective)
            shapes = jax.eval_shape(
                lambda streams: sample_steps(
                    key, environment, actor, streams, fresh.n_steps, limit
                )[0],
                streams,
            )
            replay = empty_buffer(experience, shapes)
        nothing = EpisodeStatistics.nothing()
        return cls(environment, objective, experience, streams, replay, nothing)

    @property
    def state(self) -> tuple[Streams | None, ReplayBuffer | None]:
        """What of it goes on from call to call."""
        return self.streams, self.replay

    def sample(self, key: Key, candidates: Actor) -> tuple[Any, JaxSampler]:
        """Tries the candidates and returns what the collection asks for.

        Args:
          key: consumed.
          candidates: one actor, or a population with a leading axis [P] for `EpisodeReturns`.

        Returns:
          `Returns`, `Trajectories` or the dynamics, and the sampler with its streams moved on.
        """
        limit = episode_limit(self.environment, self.objective)
        streams, replay = self.state
        if isinstance(self.experience, Steps):
            assert streams is not None
            result, streams, statistics = sample_steps(
                key, self.environment, candidates, streams, self.experience.n_steps, limit
            )
        elif isinstance(self.experience, Replay):
            assert streams is not None
            assert replay is not None
            steps_key, draw_key = jax.random.split(key)
            n_steps = self.experience.fresh.n_steps
            fresh, streams, statistics = sample_steps(
                steps_key, self.environment, candidates, streams, n_steps, limit
            )
            replay = add_steps(self.experience, replay, fresh)
            result = draw_batches(draw_key, self.experience, replay, fresh)
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
        return result, self._after(streams, replay, statistics)

    def set_priorities(self, drawn: Replayed, priorities: Float[Array, "B M"]) -> JaxSampler:
        """The sampler with new priorities [B, M] of the windows that it has drawn."""
        assert isinstance(self.experience, Replay)
        assert self.replay is not None
        replay = set_priorities(self.experience, self.replay, drawn, priorities)
        return self._after(self.streams, replay, self.statistics)

    def _after(
        self,
        streams: Streams | None,
        replay: ReplayBuffer | None,
        statistics: EpisodeStatistics,
    ) -> JaxSampler:
        return JaxSampler(
            environment=self.environment,
            objective=self.objective,
            experience=self.experience,
            streams=streams,
            replay=replay,
            statistics=statistics,
            axis=self.axis,
        )


def episode_limit(environment: Environment | GymnasiumSpec, objective: Objective) -> int | None:
    """Steps after which an episode is truncated: the time limit or the objective's horizon."""
    limits = [environment.time_limit, getattr(objective, "horizon", None)]
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def refuse_endless(environment: Environment, spec: ExperienceSpec, objective: Objective) -> None:
    """Refuses an environment without any time limit where episodes have to end.

    Whole episodes have to, and so do sums that nothing discounts, however they are sampled:
    without an end they have no finite value. A method that reads the dynamics takes no step, and
    checks its sums by itself.

    Raises:
      UpslopeError: names the environment and what would end its episodes.
    """
    if isinstance(spec, Dynamics) or episode_limit(environment, objective) is not None:
        return
    name = type(environment).__name__
    if not isinstance(spec, Steps | Replay):
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
