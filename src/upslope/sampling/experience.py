"""What a search method wants back from the world."""

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
class Dynamics:
    """The world itself: a `FiniteMDP` or a linear-quadratic system.

    It takes no step; a look at it counts as one step of a budget.
    """


ExperienceSpec = EpisodeReturns | Episodes | Steps | Dynamics
