"""A resumed run keeps the layout on devices that it began with, whatever machine it comes to."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from layout_runs import CASES

from small_runs import status, written
from upslope.core.checks import UpslopeError
from upslope.engine.devices import DeviceLayout
from upslope.training.configure import configure
from upslope.training.run_folder import RunFolder

HERE = Path(__file__).parent
NOTE = "The run began on 2 devices and is resumed on 1"


def printed(*command, devices=None, cores=None):
    """What a process prints, with so many host devices asked for, on so many cores."""
    paths = [str(HERE), str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    settings = {
        k: v for k, v in os.environ.items() if k not in ("JAX_NUM_CPU_DEVICES", "XLA_FLAGS")
    }
    settings["PYTHONPATH"] = os.pathsep.join(paths)
    if devices is not None:
        settings["JAX_NUM_CPU_DEVICES"] = str(devices)

    words = [sys.executable, *map(str, command)]
    if cores is not None:  # set by a process that becomes the command: JAX warns of forks with code
        limit = f"os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:{cores}])"
        words = [sys.executable, "-c", f"import os; {limit}; os.execv({words[0]!r}, {words!r})"]
    # Each compiles for itself, as on a machine of its own.
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(
            words,
            env=settings | {"XDG_CACHE_HOME": cache},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def layout_of(path):
    """What a run folder says of its devices."""
    with contextlib.closing(RunFolder.open(path, lock=False)) as folder:
        return folder.device_layout()


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """Runs that began on two devices."""
    folder = tmp_path_factory.mktemp("begun")
    assert "devices 2" in printed(HERE / "layout_runs.py", "begin", folder, devices=2)
    return folder


@pytest.fixture
def runs(begun, tmp_path):
    """A copy of them."""
    return Path(shutil.copytree(begun, tmp_path / "runs"))


@pytest.mark.slow
def test_a_run_folder_holds_the_layout(begun):
    layouts = {name: layout_of(begun / name / "cut") for name in CASES}
    assert layouts == {"ppo": (2, 1), "cem": (1, 2)}


@pytest.mark.slow
def test_more_devices_change_nothing(runs):
    said = printed(HERE / "layout_runs.py", "resume", runs, *CASES, devices=4)
    assert "devices 4" in said
    assert "began on" not in said
    for name in CASES:
        assert written(runs / name / "cut") == written(runs / name / "whole"), name


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be taken away")
@pytest.mark.parametrize("name", CASES)
def test_the_command_has_the_devices_of_the_run_on_one_core(name, runs):
    said = printed("-m", "upslope", "resume", runs / name / "cut", "--plain", cores=1)
    assert "began on" not in said
    assert written(runs / name / "cut") == written(runs / name / "whole")


@pytest.mark.slow
def test_a_number_of_devices_set_by_the_user_stays(runs):
    said = printed("-m", "upslope", "resume", runs / "ppo" / "cut", "--plain", devices=1)
    assert NOTE in " ".join(said.split())
    resumed, whole = written(runs / "ppo" / "cut"), written(runs / "ppo" / "whole")
    assert resumed["policy"].keys() == whole["policy"].keys()
    # Where it began is what a later machine is to know.
    assert layout_of(runs / "ppo" / "cut") == (2, 1)


@pytest.mark.slow
def test_a_library_call_says_that_devices_are_missing(runs):
    said = printed(HERE / "layout_runs.py", "resume", runs, "ppo", devices=1)
    assert "devices 1" in said
    assert NOTE in said
    assert status(runs / "ppo" / "cut")["state"] == "done"


def test_a_layout_that_makes_no_sense_is_left_out(tmp_path):
    folder = RunFolder.create(None, "CartPole-v1", "ppo", path=tmp_path / "run")
    assert folder.device_layout() is None
    folder.record_device_layout((2, 3))
    assert folder.device_layout() == (2, 3)
    for wrong in ([0, 1], [1], "21", [True, 2], [1.0, 2], [-1, -2], [10**6, 1], None):
        folder._write_json("environment.json", {"device_layout": wrong})
        assert folder.device_layout() is None
    folder.close()


def test_the_first_devices_are_taken():
    assert DeviceLayout(1, 1).devices().shape == (1, 1)
    assert DeviceLayout(1, 2).devices().shape == (1, 2)
    with pytest.raises(UpslopeError, match=r"takes 10000 devices.*devices=10000"):
        DeviceLayout(100, 100).devices()


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "2", np.inf])
def test_a_number_of_devices_or_seeds_is_a_whole_number(wrong):
    with pytest.raises(UpslopeError, match="devices"):
        configure(devices=wrong)
    with pytest.raises(UpslopeError, match="seeds"):
        configure(seeds=wrong)
