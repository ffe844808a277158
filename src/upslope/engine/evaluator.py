"""The contract of held-out evaluations, which are apart from what a search samples."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Protocol

from upslope.core.actor import Actor
from upslope.core.records import Returns

# Steps an evaluation episode may take in an environment that has no time limit of its own.
EVALUATION_LIMIT = 10_000


class Evaluator(Protocol):
    """Plays episodes of every seed's policy that no search has seen, and counts their returns.

    The environment may be another than the one that is trained on. The numbers depend on the run's
    seed, the evaluation's index and the policies alone: a run is evaluated in the same episodes
    wherever and whenever it is done.

    Attributes:
      block: episodes that run at a time.
    """

    block: int

    @property
    def compile_seconds(self) -> float:
        """Spent on compiling so far."""
        ...

    def prepare(self, policies: Actor, deterministic: bool, pool: Executor) -> None:
        """Begins to get ready for policies of these shapes, leaves [S, ...], in the background."""

    def evaluate(
        self, policies: Actor, episodes: int, evaluation_index: int, deterministic: bool = True
    ) -> Returns:
        """Held-out undiscounted returns [S, E] of the policies, leaves [S, ...].

        Args:
          policies: of all seeds.
          episodes: E, of each.
          evaluation_index: numbers the evaluation; each has episodes of its own, the same however
            many seeds share it.
          deterministic: act by the mode of the policies instead of draws.
        """
        ...

    def close(self) -> None:
        """Ends what it has started."""
