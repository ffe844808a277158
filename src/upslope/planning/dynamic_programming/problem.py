"""From whatever a user has of a finite problem to its MDP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from upslope.core.checks import UpslopeError
from upslope.core.shell_command import shell_command
from upslope.environments import make
from upslope.environments.adaptors.gymnasium import GymnasiumSpec
from upslope.environments.adaptors.toy_text import table_of
from upslope.environments.environment import Environment
from upslope.environments.tabular.finite_mdp import FiniteMDP
from upslope.environments.tabular.sparse_mdp import SparseMDP
from upslope.exact.tables import tabular
from upslope.planning.dynamic_programming.arrays import earning_forever, mdp_from_arrays
from upslope.planning.dynamic_programming.backup import FiniteModel
from upslope.planning.dynamic_programming.proper import named

if TYPE_CHECKING:
    from upslope.environments.adaptors.toy_text import TransitionTable
    from upslope.environments.factory import EnvironmentLike
    from upslope.planning.dynamic_programming.arrays import Numbers

    # What `solve` understands.
    ProblemLike: TypeAlias = EnvironmentLike | tuple[Numbers, Numbers] | TransitionTable


class FiniteProblem(NamedTuple):
    """A finite problem: its numbers, what it is called, and what a user should know of it."""

    mdp: FiniteModel
    name: str
    environment: Environment | GymnasiumSpec | None  # None for arrays
    notes: tuple[str, ...] = ()


def as_mdp(
    problem: ProblemLike,
    environment_settings: Mapping[str, Any] | None = None,
    *,
    initial: ArrayLike | None = None,
    terminal: ArrayLike | None = None,
    transitions: str | None = None,
    rewards: str | None = None,
) -> FiniteProblem:
    """The MDP of a name, an environment, a table or arrays.

    Args:
      problem: a `FiniteMDP`, a `SparseMDP` or an environment with `finite_mdp()`; a name that
        `make` knows; a Gymnasium environment with a table `P`, or such a table itself; or a pair
        (P, R) of arrays, see `mdp_from_arrays`.
      environment_settings: of a name.
      initial: of arrays, see `mdp_from_arrays`; so are the others.

    Raises:
      UpslopeError: it has no numbers that can be known, or they are wrong.
    """
    settings = dict(environment_settings or {})
    of_arrays = {
        "initial": initial,
        "terminal": terminal,
        "transitions": transitions,
        "rewards": rewards,
    }
    given = [name for name, value in of_arrays.items() if value is not None]
    if isinstance(problem, tuple | list):
        if len(problem) != 2 or settings:
            raise UpslopeError(
                f"solve got a {type(problem).__name__} of {len(problem)}: arrays are a pair (P, R)."
            )
        mdp = mdp_from_arrays(
            *problem, transitions=transitions, rewards=rewards, initial=initial, terminal=terminal
        )
        return FiniteProblem(mdp, "arrays", None, _earning_notes(mdp))
    if given:
        raise UpslopeError(
            f"solve got {', '.join(given)} for {problem!r:.60}: they belong to arrays (P, R)."
        )
    if isinstance(problem, Mapping):
        table = table_of(problem)
        return FiniteProblem(table.mdp, "table", None, (*table.notes, *_earning_notes(table.mdp)))
    environment: Any = make(problem, **settings)
    name = problem if isinstance(problem, str) else environment.name
    if isinstance(environment, GymnasiumSpec):
        table = table_of(environment)
        notes = (*table.notes, *_limit_notes(name, table.mdp))
        return FiniteProblem(table.mdp, name, environment, (*notes, *_earning_notes(table.mdp)))
    if not isinstance(environment, FiniteMDP | SparseMDP) and not hasattr(
        environment, "finite_mdp"
    ):
        raise UpslopeError(
            f"solve got {name}, an environment without a finite table of transitions: it solves "
            "finite MDPs (dyna-maze, garnet, FrozenLake-v1, Taxi-v4, CliffWalking-v1, arrays of "
            f"your own). Search for a policy instead: {shell_command('train', name)}."
        )
    mdp = tabular(environment)
    notes: tuple[str, ...] = ()
    if _hides_its_state(environment, mdp):
        notes = (
            f"{name} hides its state from policies; these are the policy and the values of an "
            "agent that sees it",
        )
    return FiniteProblem(
        mdp, name, environment, (*notes, *_limit_notes(name, mdp), *_earning_notes(mdp))
    )


def _hides_its_state(environment: Environment, mdp: FiniteModel) -> bool:
    """Whether states look the same to a policy."""
    return getattr(environment.observation_space, "n", mdp.n_states) != mdp.n_states


def _limit_notes(name: str, mdp: FiniteModel) -> tuple[str, ...]:
    if mdp.time_limit is None:
        return ()
    return (
        f"{name} truncates episodes after {mdp.time_limit:,} steps; values count what comes "
        "after them, too (exactly that many steps: backward-induction with "
        f"horizon={mdp.time_limit})",
    )


def _earning_notes(mdp: FiniteModel) -> tuple[str, ...]:
    states = earning_forever(mdp)
    if not len(states):
        return ()
    first = int(states[0])
    reward = float(np.max(np.asarray(mdp.reward)[first]))
    return (
        f"{named(states)} cannot be left and earns for ever (state {first}: {reward:g} per step): "
        "if episodes end there, say so with terminal=",
    )
