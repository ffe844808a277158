"""What the facade says to what cannot be: seeds, episodes, figures, starts of episodes."""

import numpy as np
import pytest

from small_runs import small_run
from upslope.core.checks import StorageError, UpslopeError
from upslope.training.train import evaluate, load


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    return small_run("ppo", out), out


@pytest.mark.parametrize("episodes", [0, -1, 2.0, "3", None])
def test_evaluating_needs_a_number_of_episodes(saved, episodes):
    with pytest.raises(UpslopeError, match="episodes"):
        evaluate(saved[1], episodes=episodes)


@pytest.mark.parametrize("seed", [2, -1, 1.0, "1"])
def test_a_seed_that_was_not_run_is_named(saved, seed):
    run, out = saved
    for ask in (run.policy, run.agent, lambda seed: load(out, seed=seed)):
        with pytest.raises(UpslopeError, match="seed"):
            ask(seed)


@pytest.mark.parametrize("name", ["nowhere/figure.png", "figure.xyz"])
def test_a_figure_that_cannot_be_written_is_a_storage_error(saved, tmp_path, name):
    with pytest.raises(StorageError, match=name.partition("/")[0]):
        saved[0].plot(tmp_path / name)


def test_starts_of_episodes_are_as_many_as_observations(saved):
    agent = saved[0].agent()
    with pytest.raises(UpslopeError, match="episode_start of 2"):
        agent.predict(np.zeros((3, 4)), episode_start=[True, False])
    assert agent.predict(np.zeros((3, 4)), episode_start=True)[0].shape == (3,)
    assert agent.predict(np.zeros((3, 4)), episode_start=[True] * 3)[0].shape == (3,)
