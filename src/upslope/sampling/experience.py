"""What a search method may want back from the environment."""

from __future__ import annotations

from dataclasses import dataclass

from upslope.core.checks import check_number


@dataclass(frozen=True)
class EpisodeReturns:
    """Returns alone, of a population: gradient-free search, finite differences, evolution.

    With `common_random_numbers`, episode e of every candidate meets the same randomness: what all
    candidates share cancels from their differences.
    """

    population_size: int
    episodes_per_candidate: int
    common_random_numbers: bool = False

    def __post_init__(self) -> None:
        for name in ("population_size", "episodes_per_candidate"):
            check_number("EpisodeReturns", name, getattr(self, name), at_least=1, integer=True)


@dataclass(frozen=True)
class Episodes:
    """Whole episodes from reset of one policy; sampling stops when every one has ended."""

    n_episodes: int

    def __post_init__(self) -> None:
        check_number("Episodes", "n_episodes", self.n_episodes, at_least=1, integer=True)


@dataclass(frozen=True)
class Steps:
    """A fixed number of steps of streams that continue where the last batch stopped."""

    n_envs: int
    n_steps: int

    def __post_init__(self) -> None:
        for name in ("n_envs", "n_steps"):
            check_number("Steps", name, getattr(self, name), at_least=1, integer=True)


@dataclass(frozen=True)
class Replay:
    """Fresh steps, and batches drawn from the last `capacity` rows: off-policy methods.

    The buffer belongs to the sampler, as the streams do: `tell` sees `Replayed` and stays a pure
    function of batches. A batch holds windows of `sequence_length` consecutive steps of one stream;
    a window that runs over an episode's end is masked there (`valid`).

    Attributes:
      fresh: what each iteration samples.
      capacity: how many rows are kept, per seed, rounded up to whole ones of `fresh.n_envs`
        streams. A row is a step, or what was observed after the last step of an episode.
      n_batches: batches drawn per iteration.
      batch_size: windows per batch.
      sequence_length: steps per window: 1 for transitions, n for n-step returns, longer for
        recurrent models.
      prioritized: draw windows in proportion to p_i^alpha instead of uniformly; the method says
        p_i by `priorities`.
      priority_exponent: alpha.
      importance_exponent: beta of the weights (N p)^-beta / max.
      observed_steps: how many steps of a window, from its first one, come with their observations,
        the same number of `next_observation`; None: all of them. Long windows of which rewards and
        notes are read cost little then.
    """

    fresh: Steps
    capacity: int
    n_batches: int
    batch_size: int
    sequence_length: int = 1
    prioritized: bool = False
    priority_exponent: float = 0.6
    importance_exponent: float = 0.4
    observed_steps: int | None = None

    def __post_init__(self) -> None:
        for name in ("capacity", "n_batches", "batch_size", "sequence_length"):
            check_number(
                "Replay", name, getattr(self, name), at_least=1, at_most=2**30, integer=True
            )
        if self.observed_steps is not None:
            longest = self.sequence_length
            check_number(
                "Replay",
                "observed_steps",
                self.observed_steps,
                at_least=1,
                at_most=longest,
                integer=True,
            )
        for name in ("priority_exponent", "importance_exponent"):
            check_number("Replay", name, getattr(self, name), at_least=0)


@dataclass(frozen=True)
class Dynamics:
    """The environment itself: a `FiniteMDP` or a linear-quadratic system.

    It takes no step; a model query counts as one step of a budget.
    """


ExperienceSpec = EpisodeReturns | Episodes | Steps | Replay | Dynamics
