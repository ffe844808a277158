"""What the end of a run says about its settings."""

from __future__ import annotations

import warnings

import numpy as np

from upslope.engine.evaluator import EVALUATION_LIMIT
from upslope.engine.history import KEYS, History
from upslope.engine.progress import Evaluation
from upslope.search.search_method import SearchMethod

# The last part of a run that counts.
SHARE = 0.25


def cut_episodes(
    final: Evaluation, time_limit: int | None, evaluation_limit: int = EVALUATION_LIMIT
) -> list[str]:
    """What to say where evaluated episodes were cut because nothing else would have ended them.

    Args:
      final: the last evaluation.
      time_limit: the environment's own; None: there is none.
      evaluation_limit: after how many steps they were ended then.
    """
    cut = int((final.lengths >= evaluation_limit).sum())
    if time_limit is not None or cut == 0:
        return []
    count = final.lengths.size
    return [
        f"{'Every' if cut == count else f'{cut} of {count}'} final episode"
        f"{' was' if cut == count else 's were'} truncated after {evaluation_limit:,} steps: the "
        "environment has no time limit of its own, and the policy did not end them. Another cut: "
        "--evaluation_limit N. A time limit, in training too: --env.time-limit N, "
        "environment_settings={'time_limit': N}."
    ]


def closing_advice(
    method: SearchMethod, history: History, final: Evaluation | None = None
) -> str | None:
    """The method's one line of advice from the last quarter of the run, or None.

    Args:
      method: what ran.
      history: of all seeds; the median over the seeds of each one's mean is what counts.
      final: the last evaluation. Where all episodes of most seeds ended alike there is nothing
        left to learn from, and nothing to say.
    """
    columns = history.arrays()
    if not columns:
        return None
    returns = np.zeros((0, 1)) if final is None else final.returns
    if returns.shape[1] > 1 and np.median(returns.std(axis=1)) == 0:
        return None
    seeds, late = (
        np.unique(columns["seed"]),
        columns["steps"] >= (1 - SHARE) * columns["steps"].max(),
    )
    averages = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of means of nothing: they are NaN
        for name in columns.keys() - set(KEYS):
            values = [columns[name][late & (columns["seed"] == seed)] for seed in seeds]
            averages[name] = float(
                np.nanmedian([np.nanmean(part.astype(float)) for part in values])
            )
    return method.advice(averages)
