"""An engine of one's own trains through `upslope.train`, and nothing of the library knows it."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from ray_sampler import ToyCluster

from small_runs import InterruptAfter, Interruption, small_run, written
from upslope.core.checks import UpslopeError
from upslope.sampling import ENGINES
from upslope.training.train import evaluate, resume

CLUSTER = {"environment": "gymnasium:CartPole-v1", "engine": "toy-cluster"}


@pytest.fixture(autouse=True)
def toy_cluster():
    with ENGINES.registered("toy-cluster", ToyCluster, "Threads that play by NumPy twins."):
        yield


@pytest.mark.slow
def test_the_number_of_workers_changes_no_number(tmp_path):
    runs = [small_run("ppo", tmp_path / str(n), workers=n, **CLUSTER) for n in (1, 3)]
    assert written(tmp_path / "1") == written(tmp_path / "3")
    assert np.isfinite(runs[0].curves["return"]).all()
    assert runs[0].summary.steps.tolist() == [1024, 1024]
    # Other numbers than with the engine that the environment names.
    plain = small_run("ppo", None, environment=CLUSTER["environment"], workers=0)
    assert not np.array_equal(plain.curves["return"], runs[0].curves["return"])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ppo", "cem"])
def test_a_resumed_run_is_the_uninterrupted_one(method, tmp_path):
    small_run(method, tmp_path / "whole", workers=3, **CLUSTER)
    with pytest.raises(Interruption):
        small_run(method, tmp_path / "cut", InterruptAfter(2), workers=3, **CLUSTER)
    resume(tmp_path / "cut")
    assert written(tmp_path / "cut") == written(tmp_path / "whole")
    assert evaluate(tmp_path / "cut", episodes=3).returns.shape == (2, 3)


@pytest.mark.slow
def test_what_a_checkpoint_stores_decides_the_next_call(monkeypatch, tmp_path):
    """Without it the resumed run is another: the test above can fail."""
    small_run("ppo", tmp_path / "whole", **CLUSTER)
    with pytest.raises(Interruption):
        small_run("ppo", tmp_path / "cut", InterruptAfter(2), **CLUSTER)
    monkeypatch.setattr(ToyCluster, "restore", lambda self, state: None)
    resume(tmp_path / "cut")
    assert written(tmp_path / "cut") != written(tmp_path / "whole")


def test_it_says_what_it_cannot_sample():
    with pytest.raises(UpslopeError, match="needs simulators"):
        small_run("ppo", None, engine="toy-cluster")
    with pytest.raises(UpslopeError, match="does not sample Replay"):
        small_run("dqn", None, **CLUSTER)
