"""`upslope solve ENV [METHOD]`: the optimal policy and values of a finite problem."""

from __future__ import annotations

import io
import json
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upslope.cli.file_to_write import file_to_write
from upslope.cli.importing import importing
from upslope.cli.solve_linear import LINEAR, solve_linear
from upslope.core.checks import UpslopeError
from upslope.core.shell_command import shell_command

if TYPE_CHECKING:
    from upslope.environments.tabular.grid_layout import GridLayout
    from upslope.planning.dynamic_programming.problem import FiniteProblem
    from upslope.planning.dynamic_programming.solution import Solution

ABOUT = (
    "Solve a finite problem whose dynamics are known: mazes, random MDPs, and Gymnasium's "
    "FrozenLake, Taxi and CliffWalking. The optimal policy and values, with a bound on their "
    "error. Methods: {methods}. Of linear-quadratic systems, the regulator by the Riccati equation."
)


def solve(words: Sequence[str]) -> int:
    """`upslope solve ENV [METHOD] [--gamma G] [settings of the method]`.

    Returns:
      The exit code: 1 where the bound that was asked for was not reached.
    """
    with importing():
        from upslope.cli.argv import Argv
        from upslope.cli.flags import Group, parse
        from upslope.cli.setting import Setting, settings_from
        from upslope.cli.train_command import environment_settings, free_settings
        from upslope.planning.dynamic_programming import SOLVERS

    argv = Argv.read(words)
    environment, method = argv.take_name(), argv.take("--method") or argv.take_name()
    if environment is not None and environment in SOLVERS:
        raise UpslopeError(
            f"{environment} is a method: upslope solve needs the environment before it, such as "
            f"{shell_command('solve', 'FrozenLake-v1', environment)}."
        )
    of_environment = environment_settings(environment)
    free = {} if of_environment else free_settings(argv, "env")
    target = None if method is None else SOLVERS.get(method)
    usual = "0.99; 1 over a horizon"
    flags = [
        Setting("gamma", float, usual, "Discount factor, from 0 to 1."),
        Setting("plot", str, "none", "Draw a grid world's policy and values (PNG, SVG, PDF)."),
        Setting("json", str, "none", "Write everything to this file."),
        Setting("out", str, "none", "A folder for the solution (npz) and the policy."),
    ]
    parsed: dict[str, Any] = parse(
        "upslope solve",
        ABOUT.format(methods=", ".join(SOLVERS.names())),
        [
            Group("solution", flags),
            *([] if target is None else [Group(f"method {method}", settings_from(target))]),
            Group("environment", of_environment, "env"),
        ],
        argv,
        "ENV [METHOD]",
        shell_command("solve", environment or "ENV", method or "policy-iteration", "--help"),
    )
    if environment is None:
        raise UpslopeError(
            "upslope solve needs an environment: upslope solve FrozenLake-v1. Known ones with "
            "finitely many states: dyna-maze, garnet, short-corridor, FrozenLake-v1, Taxi-v4, "
            "CliffWalking-v1."
        )
    asked = parsed["solution"]
    targets = {name: file_to_write(asked.get(name)) for name in ("plot", "json", "out")}
    settings = {**free, **parsed.get("environment", {})}
    if method is None and environment in LINEAR:
        return solve_linear(environment, asked.get("gamma"), settings, targets)
    return _solved(
        environment, method, asked, settings, parsed.get(f"method {method}", {}), targets
    )


def _solved(
    environment: str,
    method: str | None,
    asked: dict[str, Any],
    of_environment: dict[str, Any],
    of_method: dict[str, Any],
    targets: dict[str, Path | None],
) -> int:
    with importing():
        import jax

        from upslope.environments.tabular.grid_layout import grid_of
        from upslope.planning.dynamic_programming.problem import as_mdp
        from upslope.planning.dynamic_programming.solving import solve_problem
        from upslope.training.configure import configure

    configure(1)
    with jax.enable_x64(True):
        problem = as_mdp(environment, of_environment)
    layout = grid_of(problem.environment)
    if targets["plot"] is not None:
        _check_drawable(environment, layout, targets["plot"])
    began = time.perf_counter()
    solution = solve_problem(problem, method, asked.get("gamma"), **of_method)
    seconds = time.perf_counter() - began
    for name, text in [("environment", environment), *solution.rows()]:
        print(f"{name:<20}{text}")
    print(f"{'time':<20}{seconds:.2f} s, compilation included")
    for note in solution.notes:
        print(f"{'note':<20}{note}")
    for line in _picture(solution, layout):
        print(line)
    _write(environment, problem, solution, layout, targets)
    if not solution.converged:
        print(f"warning: {solution.reason}.", file=sys.stderr)
    return 0 if solution.converged else 1


def _picture(solution: Solution, layout: GridLayout | None) -> list[str]:
    """The policy and values of a grid world as text."""
    if layout is None or solution.horizon is not None:
        return []
    from upslope.drawing.grid_text import cells_text

    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    n_cells = layout.n_states
    lines = cells_text(
        layout,
        solution.values[:n_cells],
        solution.optimal_actions[:n_cells],
        solution.terminal[:n_cells],
        width=shutil.get_terminal_size().columns,
        ascii_only=not encoding.startswith("utf"),
    )
    cut = [] if any("values" in line for line in lines) else ["values    --plot FILE"]
    return ["", *lines, *cut]


def _write(
    environment: str,
    problem: FiniteProblem,
    solution: Solution,
    layout: GridLayout | None,
    targets: dict[str, Path | None],
) -> None:
    from upslope.storage.atomic import write_bytes

    if targets["plot"] is not None:
        from upslope.plots.figure_file import save_figure
        from upslope.plots.maps import solution_map

        assert layout is not None
        figure = solution_map(layout, solution, environment)
        print(f"drawn               {save_figure(figure, targets['plot'])}")
    if targets["json"] is not None:
        text = json.dumps(_described(environment, solution, arrays=True), indent=1)
        write_bytes(targets["json"], (text + "\n").encode())
        print(f"written             {targets['json']}")
    if targets["out"] is not None:
        print(
            f"written             {write_solution(targets['out'], environment, problem, solution)}"
        )


def write_solution(
    folder: Path, environment: str, problem: FiniteProblem, solution: Solution
) -> Path:
    """Writes `solution.npz`, `solution.json`, and a policy that `upslope.load` reads.

    Raises:
      StorageError: the folder cannot be written.
    """
    import numpy as np

    from upslope.storage.atomic import storage_error, write_bytes
    from upslope.storage.policy_artifact import save_policy

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error("write", folder, error) from error
    buffer = io.BytesIO()
    np.savez(
        buffer,
        policy=solution.policy,
        values=solution.values,
        action_values=solution.action_values,
        optimal_actions=solution.optimal_actions,
        terminal=solution.terminal,
    )
    write_bytes(folder / "solution.npz", buffer.getvalue())
    text = json.dumps(_described(environment, solution, arrays=False), indent=1)
    write_bytes(folder / "solution.json", (text + "\n").encode())
    if solution.horizon is None:
        where: Any = problem.environment if problem.environment is not None else problem.mdp
        n_observations = int(where.observation_space.n)
        save_policy(
            folder / "policy",
            solution.as_policy(n_observations),
            observation_space=where.observation_space,
            action_space=where.action_space,
            environment={"name": environment},
            extra={"method": solution.method, "gamma": solution.gamma, "bound": solution.bound},
        )
    return folder


def _described(environment: str, solution: Solution, *, arrays: bool) -> dict[str, Any]:
    """Plain values for JSON."""
    found: dict[str, Any] = {
        "environment": environment,
        "method": solution.method,
        "states": solution.n_states,
        "actions": solution.n_actions,
        "gamma": solution.gamma,
        "horizon": solution.horizon,
        "start_value": solution.start_value,
        "average_reward": solution.average_reward,
        "bound": solution.bound if solution.bound < float("inf") else None,
        "tolerance": solution.tolerance,
        "iterations": solution.iterations,
        "converged": solution.converged,
        "reason": solution.reason,
        "notes": list(solution.notes),
    }
    if arrays:
        for name in ("policy", "values", "action_values"):
            found[name] = getattr(solution, name).tolist()
    return found


def _check_drawable(environment: str, layout: GridLayout | None, path: Path) -> None:
    from upslope.plots.drawing import require_matplotlib
    from upslope.plots.figure_file import check_ending

    check_ending(path)
    require_matplotlib()
    if layout is None:
        raise UpslopeError(
            f"--plot {path}: {environment} is no grid world (mazes, FrozenLake, CliffWalking), and "
            "its states have no places to draw. --json and --out write the numbers."
        )
