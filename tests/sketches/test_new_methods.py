"""A stranger's methods: one file and one registration each, and `train` and `resume` serve them."""

import contextlib
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

import upslope
from small_runs import InterruptAfter, Interruption, written
from upslope.core.checks import UpslopeError
from upslope.search import METHODS

ROOT = Path(__file__).parents[2]
FILES = {
    "dyna-q-sketch": (ROOT / "tests" / "sketches" / "dyna_q.py", "DynaQ"),
    "soft-actor-critic": (ROOT / "docs" / "skeletons" / "soft_actor_critic.py", "SoftActorCritic"),
}
SETTINGS = {
    "dyna-q-sketch": ("dyna-maze", dict(gamma=0.95, planning_steps=3, total_timesteps=400)),
    "soft-actor-critic": (
        "Pendulum-v1",
        dict(batch_size=8, buffer_size=100, hidden=(8,), total_timesteps=400, tau=0.1),
    ),
}


@pytest.fixture(params=FILES)
def method(request):
    yield from registered(request.param)


def registered(name):
    """The method's name, while it is registered; its class stands in its module."""
    path, its_class = FILES[name]
    spec = importlib.util.spec_from_file_location(f"sketch_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    METHODS.register(name, getattr(module, its_class), "a sketch")
    yield name
    METHODS._entries.pop(name)


@pytest.mark.slow
def test_a_killed_run_resumes_bit_for_bit(method, tmp_path):
    environment, settings = SETTINGS[method]
    few = dict(seeds=2, evaluations=4, evaluation_episodes=2, final_episodes=2, seed=3)

    def run(name, reporter=None):
        folder = tmp_path / name
        with contextlib.suppress(Interruption):
            upslope.train(environment, method, out=folder, reporter=reporter, **few, **settings)
        return folder

    whole, killed = run("whole"), run("killed", InterruptAfter(2))
    assert not (killed / "policy").exists()
    upslope.resume(killed)
    assert written(killed) == written(whole)


@pytest.mark.slow
@pytest.mark.learning
def test_planning_finds_the_way_that_q_learning_has_not_found_yet():
    """Figure 8.2 of the book: the more imagined steps, the fewer real ones."""
    with contextlib.contextmanager(registered)("dyna-q-sketch"):
        lengths = {}
        for n in (0, 20):
            run = upslope.train(
                "dyna-maze",
                "dyna-q-sketch",
                planning_steps=n,
                gamma=0.95,
                total_timesteps=2000,
                seeds=4,
                evaluations=2,
                final_episodes=2,
            )
            lengths[n] = run.evaluations[-1].lengths.mean(axis=1)
    assert (lengths[0] == 5000).all()  # never within its time limit
    np.testing.assert_array_equal(lengths[20], 14)  # the shortest way


@pytest.mark.slow
@pytest.mark.learning
def test_the_soft_actor_critic_swings_the_pendulum_up():
    """Two of two seeds near the -150 of a perfect controller, after 5000 steps; random: -1200."""
    with contextlib.contextmanager(registered)("soft-actor-critic"):
        run = upslope.train(
            "Pendulum-v1",
            "soft-actor-critic",
            total_timesteps=5000,
            seeds=2,
            learning_rate=1e-3,
            batch_size=64,
            gamma=0.98,
            tau=0.01,
            evaluations=1,
            use_preset=False,
        )
        assert (run.returns > -300).all(), run.returns
        with pytest.raises(UpslopeError, match="use dqn"):
            upslope.train("CartPole-v1", "soft-actor-critic", policy="softmax")
