"""`upslope solve linear-quadratic`: the regulator of a linear-quadratic environment, as text."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upslope.cli.importing import importing
from upslope.core.checks import UpslopeError

if TYPE_CHECKING:
    import numpy as np

# Names of environments that are solved by the Riccati equation instead of a table.
LINEAR = ("linear-quadratic", "linear-quadratic-gaussian")


def solve_linear(
    environment: str,
    gamma: float | None,
    settings: Mapping[str, Any],
    targets: Mapping[str, Path | None],
) -> int:
    """Solves, prints and writes; in double precision.

    Args:
      environment: one of `LINEAR`.
      gamma: discount; None for 1, the reward per step in the long run.
      settings: of the environment.
      targets: files to write, by flag; of these only `json` is for linear systems.

    Returns:
      The exit code, 0.

    Raises:
      UpslopeError: there is no best gain (the mode that is the reason is named), or a picture or
        a folder was asked for.
    """
    for name in ("plot", "out"):
        if targets.get(name) is not None:
            raise UpslopeError(
                f"upslope solve {environment} got --{name}: a linear system has no grid to draw "
                "and no table to store. Its gain is printed, and --json FILE writes everything; "
                "upslope.exact.solve_linear_quadratic gives the policy in Python."
            )
    with importing():
        import jax
        import numpy as np

        from upslope.environments import LinearQuadraticGaussian, make
        from upslope.exact import linear_quadratic_gaussian_control, solve_linear_quadratic
        from upslope.training.configure import configure

    configure(1)
    discount = 1.0 if gamma is None else gamma
    began = time.perf_counter()
    with jax.enable_x64(True):
        found = make(environment, **settings)
        system = found.system if isinstance(found, LinearQuadraticGaussian) else found
        solution = solve_linear_quadratic(system, discount)
        regulator = solution.regulator
        what = "reward per step" if discount == 1 else "return"
        rows = [
            ("method", f"riccati, {solution.iterations} doublings"),
            ("gamma", f"{discount:g}"),
            (what, f"{float(solution.value):.6g}"),
        ]
        arrays = {
            "gain": regulator.gain,
            "offset": regulator.offset,
            "cost_to_go": regulator.cost_to_go.matrix,
        }
        numbers = {"gamma": discount, "value": solution.value, "bound": solution.bound}
        if isinstance(found, LinearQuadraticGaussian):
            both = linear_quadratic_gaussian_control(found, discount)
            steady = both.filter.steady_state()
            rows[-1] = (what, f"{float(both.value):.6g}")
            rows.append(("if it saw", f"{float(both.value_when_seen):.6g}"))
            arrays["filter_gain"] = steady.gain
            numbers |= {"value": both.value, "value_when_seen": both.value_when_seen}
        rows.append(("bound", f"{float(solution.bound):.2g} on an entry of P"))
        loop = np.asarray(system.A + system.B @ regulator.gain)
    rows.append(("closed loop", f"spectral radius {np.abs(np.linalg.eigvals(loop)).max():.6g}"))
    for name, text in [("environment", environment), *rows]:
        print(f"{name:<20}{text}")
    print(f"{'time':<20}{time.perf_counter() - began:.2f} s, compilation included")
    for name, label in [("gain", "u = K x, K"), ("filter_gain", "m + L (y - C m), L")]:
        if name in arrays:
            print(f"\n{label}\n{_table(np.asarray(arrays[name]))}")
    target = targets.get("json")
    if target is not None:
        from upslope.storage.atomic import write_bytes

        described = {"environment": environment, "method": "riccati"}
        described |= {name: float(number) for name, number in numbers.items()}
        described |= {name: np.asarray(array).tolist() for name, array in arrays.items()}
        write_bytes(target, (json.dumps(described, indent=1) + "\n").encode())
        print(f"{'written':<20}{target}")
    return 0


def _table(matrix: np.ndarray) -> str:
    return "\n".join("  " + "".join(f"{entry:>12.6g}" for entry in row) for row in matrix)
