"""What a run says of itself in one line."""

import numpy as np
import pytest
from gymnasium import spaces

from small_policies import Table
from upslope.engine.history import History
from upslope.engine.progress import Evaluation, Summary, Times
from upslope.training.config import RunConfig
from upslope.training.run import Run


def run_of(seeds: int) -> Run:
    history = History()
    returns = np.arange(seeds)[:, None] + np.full((seeds, 3), 2.0)
    history.evaluations.append(Evaluation(np.full(seeds, 8), returns, np.ones((seeds, 3))))
    return Run(
        RunConfig("CartPole-v1", "ppo", seeds=seeds),
        Table(np.zeros((seeds, 1, 2), np.float32)),
        history,
        Summary("done", np.full(seeds, 8), history.evaluations[0], Times(), "my runs/one"),
        spaces.Discrete(1),
        spaces.Discrete(2),
    )


def test_one_seed_has_no_interval():
    text = "Run(ppo on CartPole-v1, 1 seed, return 2.0, folder=my runs/one)"
    assert repr(run_of(1)) == text
    assert np.isnan(run_of(1).interval()[1:]).all()


@pytest.mark.parametrize("seeds", [2, 5])
def test_several_seeds_have_one(seeds):
    centre, low, high = run_of(seeds).interval()
    assert low < centre < high
    assert f"{seeds} seeds, return {centre:.1f} [{low:.1f}, {high:.1f}]," in repr(run_of(seeds))
