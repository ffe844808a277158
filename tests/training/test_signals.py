"""Signals end a run in order, whatever it is doing."""

from __future__ import annotations

import os
import signal
import sys

import gymnasium
import pytest

from small_runs import small_run, status, written
from upslope.engine import loop
from upslope.engine.loop import Interrupted
from upslope.engine.progress import Silent
from upslope.training.signals import Stopped, StopSignals
from upslope.training.train import resume

WORLD = {"environment": "gymnasium:Interrupting-v0", "workers": 0}


class Interrupting(gymnasium.Env):
    """Episodes of six steps; the first step while `number` is set sends this process a signal.

    Attributes:
      number: of the signal. A class attribute.
      steps_after: taken since it was sent. A class attribute.
    """

    number: int | None = None
    steps_after = 0
    observation_space = gymnasium.spaces.Box(-10.0, 10.0, (1,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self._seen(), {}

    def step(self, action):
        if Interrupting.number is not None:
            Interrupting.steps_after += 1
            if Interrupting.steps_after == 1:
                os.kill(os.getpid(), Interrupting.number)
        self.time += 1
        return self._seen(), float(action), self.time == 6, False, {}

    def _seen(self):
        return self.np_random.normal(size=1).clip(-10, 10).astype("float32")


class DuringEvaluation(Silent):
    """Lets the environment send a signal in the n-th evaluation."""

    def __init__(self, number, at):
        self.number, self.left = number, at

    def phase(self, name):
        self.left -= name == "evaluating"
        if name == "evaluating" and self.left == 0:
            Interrupting.number = self.number


@pytest.fixture(autouse=True)
def hears_the_terminal():
    """As without `nohup`, which the tests may be started by."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(autouse=True)
def registered():
    gymnasium.register("Interrupting-v0", entry_point=Interrupting)
    Interrupting.number, Interrupting.steps_after = None, 0
    yield
    del gymnasium.registry["Interrupting-v0"]


@pytest.mark.slow
def test_an_evaluation_is_left_at_once_and_done_again(tmp_path):
    small_run("ppo", tmp_path / "whole", **WORLD)
    count = len(written(tmp_path / "whole")["evaluations"]["timesteps"])
    assert count == 4
    for at in (1, count):  # the last one is of the end
        folder = tmp_path / str(at)
        Interrupting.number, Interrupting.steps_after = None, 0
        number = signal.SIGTERM if at == 1 else signal.SIGHUP
        with pytest.raises(Stopped) as caught:
            small_run("ppo", folder, DuringEvaluation(number, at), **WORLD)
        assert caught.value.exit_code == 128 + number
        assert Interrupting.steps_after == 1
        assert status(folder)["state"] == "stopped"
        Interrupting.number = None
        resume(folder)
        assert written(folder) == written(tmp_path / "whole")


class DuringIteration(Silent):
    """Lets the environment send a signal in the iteration after the n-th report of progress."""

    def __init__(self, at):
        self.left = at

    def phase(self, name):
        if name == "searching" and self.left == 0:
            Interrupting.number = signal.SIGINT

    def progress(self, looked):
        self.left -= 1
        if self.left == 0:
            Interrupting.number = signal.SIGINT


@pytest.mark.slow
@pytest.mark.parametrize(("method", "at"), [("ppo", 0), ("ppo", 2), ("dqn", 2)])
def test_a_long_iteration_on_simulators_is_left_at_once_and_done_again(
    method, at, tmp_path, monkeypatch
):
    monkeypatch.setattr(loop, "LONG_ITERATION", 0.0)  # all of them are
    monkeypatch.setattr(loop, "PROGRESS_INTERVAL", 0.0)
    once = {"evaluations": 1, **WORLD}
    small_run(method, tmp_path / "whole", **once)
    with pytest.raises(Stopped) as caught:
        small_run(method, tmp_path / "cut", DuringIteration(at), **once)
    assert caught.value.exit_code == 130
    assert Interrupting.steps_after == 1
    assert (status(tmp_path / "cut")["step"] > 0) == (at > 0)
    Interrupting.number = None
    resume(tmp_path / "cut")
    assert written(tmp_path / "cut") == written(tmp_path / "whole")


def test_a_signal_raises_within_an_interruptible_block_and_before_it():
    with StopSignals() as signals:
        with pytest.raises(Interrupted), signals.interruptible():
            signal.raise_signal(signal.SIGINT)
        assert signals.received == signal.SIGINT
        with pytest.raises(Interrupted), signals.interruptible():
            raise AssertionError("the block was entered")


def test_a_closed_terminal_is_heard_however_often_it_is_told(monkeypatch):
    monkeypatch.setattr(os, "_exit", sys.exit)
    before = signal.getsignal(signal.SIGHUP)
    with StopSignals(owns_process=True) as signals:
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
    assert signals.received == signal.SIGHUP
    assert signal.getsignal(signal.SIGHUP) == before


def test_nohup_is_obeyed():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as signals:
            signal.raise_signal(signal.SIGHUP)
        assert signals.received is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_signal_leaves_its_last_words(monkeypatch):
    monkeypatch.setattr(os, "_exit", sys.exit)
    said = []
    with StopSignals(owns_process=True) as signals:
        signals.last_words = said.append
        signal.raise_signal(signal.SIGTERM)
        assert said == []
        with pytest.raises(SystemExit):
            signal.raise_signal(signal.SIGINT)
    assert said == [signal.SIGINT]
