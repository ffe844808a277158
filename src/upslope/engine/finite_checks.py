"""Numbers that are no numbers: said at once, with the place where they appeared."""

from __future__ import annotations

import jax
import numpy as np

from upslope.core.checks import NumericalError
from upslope.engine.progress import Evaluation
from upslope.engine.rows import Records


def check_finite(records: Records, steps: np.ndarray) -> None:
    """Raises at the first NaN or infinity in an environment or in a policy."""
    statistics = records.statistics
    active = np.asarray(records.iterations) > 0
    nonfinite = active & (np.asarray(statistics.nonfinite_env) > 0)
    if nonfinite.any():
        k, seed = np.argwhere(nonfinite)[0]
        index = int(statistics.nonfinite_env[k, seed]) - 1
        step = int(statistics.nonfinite_step[k, seed])
        raise NumericalError(
            f"Seed {seed}: environment {index} gave a NaN or an infinity in its reward or "
            f"observation at step {step} of the iteration that ended after "
            f"{int(steps[seed])} environment steps. The run is stopped; checkpoints written before "
            "are kept. Mend the environment, or end the episode (terminated=True) before its "
            "numbers overflow."
        )
    lost = active & ~np.asarray(records.finite)
    if lost.any():
        k, seed = np.argwhere(lost)[0]
        shown = ", ".join(
            f"{name}={float(np.asarray(value)[k, seed]):.3g}"
            for name, value in diagnostics_of(records).items()
        )
        raise NumericalError(
            f"Seed {seed}: the policy has a parameter that is NaN or infinite after "
            f"{int(steps[seed])} environment steps ({shown}). The run is stopped; "
            "checkpoints written before are kept. A smaller learning_rate or a bound on the "
            "gradient (max_grad_norm) is the usual remedy."
        )


def check_returns(
    evaluation: Evaluation,
    after: str = "The run is stopped; checkpoints written before are kept.",
) -> None:
    """Raises at the first held-out episode whose return is NaN or infinite.

    Args:
      evaluation: its returns.
      after: what became of the policies.
    """
    lost = ~np.isfinite(evaluation.returns)
    if lost.any():
        seed, episode = np.argwhere(lost)[0]
        raise NumericalError(
            f"Seed {seed}: held-out episode {episode} of the evaluation after "
            f"{int(evaluation.steps[seed])} environment steps has the return "
            f"{evaluation.returns[seed, episode]} ({int(lost.sum())} of {lost.size} episodes are "
            f"not finite): a reward was NaN or infinite, or their sum overflowed. {after} Mend the "
            "environment, give it a time limit, or end the episode (terminated=True) before its "
            "numbers overflow."
        )


def diagnostics_of(records: Records) -> dict[str, np.ndarray]:
    """The method's diagnostics by name, each [K, S]."""
    return {
        name: np.asarray(value)
        for name, value in zip(
            records.diagnostics._fields, jax.tree.leaves(tuple(records.diagnostics)), strict=True
        )
    }
