"""What a program has in hand reaches worker processes, wherever it was written down."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
import warnings

import gymnasium
import numpy as np
import pytest
from small_simulators import Drift

from upslope.core.checks import UpslopeError
from upslope.environments.adaptors.gymnasium import GymnasiumSpec
from upslope.sampling.simulators.factories import CannotTravel, import_path, serialize_factory
from upslope.sampling.simulators.simulator_backend import build_backend, describe
from upslope.sampling.simulators.simulator_process import CannotUnpack, unpacked
from upslope.sampling.simulators.simulators import Simulators
from upslope.sampling.simulators.step_buffer import RESET
from upslope.sampling.simulators.workers import WorkerPool

SETTINGS = {"autoreset": True, "limit": None, "deadline": 60.0, "max_restarts": 0}


def first_observations(spec, workers):
    """What two simulators show at first, and what they run in."""
    backend = build_backend(spec, describe(spec, False), 2, workers=workers, **SETTINGS)
    try:
        backend.buffer.command[:] = RESET
        backend.buffer.seed[:] = [3, 4]
        backend.step_all()
        return np.array(backend.buffer.observation[0]), type(backend)
    finally:
        backend.close()


@pytest.fixture
def given(tmp_path, monkeypatch):
    """Environments as programs have them in hand, none of which a name in a module gives."""
    for name, text in (
        ("beside", "SHIFT = 5.0\n"),
        (
            "own_file",
            "from small_simulators import Drift\nimport beside\n"
            "class Mine(Drift):\n"
            "    def reset(self, *, seed=None, options=None):\n"
            "        import beside as late\n"
            "        seen, info = super().reset(seed=seed)\n"
            "        return seen + beside.SHIFT + late.SHIFT, info\n",
        ),
    ):
        (tmp_path / f"{name}.py").write_text(text)
    spec = importlib.util.spec_from_file_location("own_file", tmp_path / "own_file.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "own_file", module)
    with monkeypatch.context() as here:  # afterwards neither is found by its name
        here.syspath_prepend(str(tmp_path))
        spec.loader.exec_module(module)

    class Local(Drift):
        def reset(self, *, seed=None, options=None):
            seen, info = super().reset(seed=seed)
            return seen + 10.0, info

    gymnasium.register("Local-v0", entry_point=Local)
    gymnasium.register("OwnFile-v0", entry_point="own_file:Mine")
    try:
        yield {
            "class in a function": GymnasiumSpec.built_by(Local),
            "lambda": GymnasiumSpec.built_by(lambda: Local()),
            "instance": GymnasiumSpec.of(Local()),
            "registered class": GymnasiumSpec.registered("Local-v0"),
            "id made within": GymnasiumSpec.built_by(lambda: gymnasium.make("Local-v0")),
            "class of a file": GymnasiumSpec.built_by(module.Mine),
            "registered file": GymnasiumSpec.registered("OwnFile-v0"),
        }
    finally:
        del gymnasium.registry["Local-v0"], gymnasium.registry["OwnFile-v0"]
        sys.modules.pop("beside", None)


@pytest.mark.slow
def test_what_a_program_has_in_hand_reaches_a_worker_process(given):
    for name, spec in given.items():
        (here, _), (there, kind) = (first_observations(spec, workers) for workers in (0, 1))
        assert kind is WorkerPool, name
        np.testing.assert_array_equal(here, there, err_msg=name)


def test_what_lies_beside_a_file_is_on_the_path_of_its_processes(given, tmp_path):
    assert import_path(given["class of a file"])[-1] == str(tmp_path)
    assert str(tmp_path) not in sys.path


def test_what_cannot_travel_runs_here_and_says_so_once(monkeypatch):
    lock = threading.Lock()
    spec = GymnasiumSpec.built_by(lambda: Drift() if lock else None)
    with pytest.raises(CannotTravel, match="cannot pickle"):
        serialize_factory(spec)
    with pytest.raises(UpslopeError, match="workers=1 needs"):
        first_observations(spec, 1)
    place = "upslope.sampling.simulators.simulator_backend.choose_workers"
    monkeypatch.setattr(place, lambda *_: 1)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert all(first_observations(spec, "auto")[1] is Simulators for _ in range(2))
    (only,) = said
    assert "in this process alone" in str(only.message)
    assert "cannot pickle" in str(only.message)


def test_what_does_not_survive_the_journey_is_told_apart_from_a_failing_simulator():
    class Stubborn:
        def __reduce__(self):
            return int, ("no number",)

    stubborn = Stubborn()
    parcel = serialize_factory(GymnasiumSpec.built_by(lambda: Drift() if stubborn else None))
    with pytest.raises(CannotUnpack, match="no number"):
        unpacked(parcel)


PROGRAM = """
import gymnasium, numpy as np, os
from gymnasium import spaces
import upslope

print("the program runs")

def main():
    class Box(gymnasium.Env):
        observation_space = spaces.Box(-1, 1, (2,), np.float32)
        action_space = spaces.Discrete(2)
        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            self.time = 0
            return self.np_random.uniform(-1, 1, 2).astype(np.float32), {}
        def step(self, action):
            self.time += 1
            seen = self.np_random.uniform(-1, 1, 2).astype(np.float32)
            return seen, float(os.getpid() == PARENT), self.time >= 4, False, {}
    return Box

PARENT = os.getpid()
run = upslope.train(main(), "hill-climbing", total_timesteps=16, seeds=1, evaluations=1,
                    evaluation_episodes=2, final_episodes=2, workers=2)
print("in workers:", run.evaluations[-1].returns.sum() == 0)
"""


@pytest.mark.slow
def test_a_program_from_standard_input_without_a_guard_trains_in_workers():
    done = subprocess.run(
        [sys.executable, "-"],
        input=PROGRAM,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout.splitlines() == ["the program runs", "in workers: True"], done.stderr
