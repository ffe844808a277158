"""`upslope.solve`: the optimal policy and values of a finite problem, exactly."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
from numpy.typing import ArrayLike

from upslope.core.checks import UpslopeError, check_settings
from upslope.planning.dynamic_programming import SOLVERS
from upslope.planning.dynamic_programming.backward_induction import BackwardInduction
from upslope.planning.dynamic_programming.problem import FiniteProblem, as_mdp
from upslope.planning.dynamic_programming.relative_value_iteration import RelativeValueIteration
from upslope.planning.dynamic_programming.solution import Solution

if TYPE_CHECKING:
    from upslope.planning.dynamic_programming.problem import ProblemLike
    from upslope.planning.dynamic_programming.solver import Solver

GAMMA = 0.99
# Up to so many states policies are evaluated by a linear solve where no method is named.
MOST_SOLVED = 1000


def solve(
    problem: ProblemLike,
    method: str | None = None,
    gamma: float | None = None,
    *,
    initial: ArrayLike | None = None,
    terminal: ArrayLike | None = None,
    transitions: str | None = None,
    rewards: str | None = None,
    environment_settings: Mapping[str, Any] | None = None,
    **settings: object,
) -> Solution:
    """The optimal policy and values of a finite problem, with a bound on their error.

        solution = upslope.solve("FrozenLake-v1", "policy-iteration", gamma=0.95)
        solution.policy, solution.values, solution.bound

    Args:
      problem: a name that `make` knows ("dyna-maze", "FrozenLake-v1"); a `FiniteMDP`, a `SparseMDP`
        or an environment with `finite_mdp()`; a Gymnasium environment with a table `P`, or the
        table; or arrays (P, R), P as [S, A, S], [A, S, S] or a list of sparse matrices, R as [S],
        [S, A], [S, A, S] or [A, S, S].
      method: `policy-iteration`, `value-iteration`, `modified-policy-iteration`,
        `backward-induction` (with `horizon=`) or `relative-value-iteration` (average reward). None:
        policy iteration up to 1,000 states, modified policy iteration beyond.
      gamma: discount in [0, 1], 0.99 where none is given (over a horizon 1).
      initial: start distribution [S], of arrays.
      terminal: bool [S], of arrays: where episodes end.
      transitions: "sas" or "ass", what the axes of P are; needed where S = A.
      rewards: "s", "sa", "sas" or "ass", what the axes of R are; needed where S = A.
      environment_settings: of an environment given by its name.
      **settings: of the method, by name: `tolerance`, `max_iterations`, `dtype`, `sweeps`,
        `n_sweeps`, `horizon`, `aperiodicity`.

    Returns:
      A `Solution`. An iteration that ended before its bound was within the tolerance says so in
      `reason`, and `converged` is False.

    Raises:
      UpslopeError: an unknown method or setting (the nearest is offered), numbers that are no MDP,
        an environment without a table, or gamma = 1 where the end can be avoided.
    """
    with jax.enable_x64(True):  # arrays and tables keep their double precision
        found = as_mdp(
            problem,
            environment_settings,
            initial=initial,
            terminal=terminal,
            transitions=transitions,
            rewards=rewards,
        )
    return solve_problem(found, method, gamma, **settings)


def solve_problem(
    problem: FiniteProblem,
    method: str | None = None,
    gamma: float | None = None,
    **settings: object,
) -> Solution:
    """`solve` of a problem that has been read.

    Args:
      problem: from `as_mdp`.
      method: see `solve`.
      gamma: see `solve`.
      **settings: of the method.
    """
    solver = solver_named(method or default_method(problem.mdp.n_states), settings)
    if gamma is None:
        endless = isinstance(solver, BackwardInduction | RelativeValueIteration)
        gamma = 1.0 if endless else GAMMA
    solution = solver.solve(problem.mdp, gamma)
    notes = problem.notes
    if solution.horizon is not None and solution.horizon == problem.mdp.time_limit:
        notes = tuple(note for note in notes if "truncates episodes" not in note)
    return dataclasses.replace(solution, notes=notes)


def default_method(n_states: int) -> str:
    """The method where none is named."""
    return "policy-iteration" if n_states <= MOST_SOLVED else "modified-policy-iteration"


def solver_named(method: str, settings: Mapping[str, object]) -> Solver | BackwardInduction:
    """A solver by its name, with settings.

    Raises:
      UpslopeError: an unknown name or setting; the nearest one is offered.
    """
    target = SOLVERS.get(method)
    fields = [field.name for field in dataclasses.fields(target)]  # type: ignore[arg-type]
    check_settings(f"The solver {method!r}", settings, fields)
    if target is BackwardInduction and "horizon" not in settings:
        raise UpslopeError(
            "backward-induction needs a horizon, the number of steps: horizon=100 "
            "(--horizon 100 on the command line)."
        )
    return target(**settings)
