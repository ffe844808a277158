"""Worker processes change nothing but speed, whatever happens to them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from host_policies import linear
from small_simulators import Breach, Careless, Drift, Failing, world

from upslope.core.checks import EnvironmentContractError, WorkerError
from upslope.environments.adaptors.gymnasium import GymnasiumSpec
from upslope.objectives.objective import EpisodicReturn
from upslope.sampling.experience import Episodes, Steps
from upslope.sampling.simulators.gymnasium_sampler import GymnasiumSampler
from upslope.sampling.simulators.simulator_backend import build_backend, choose_workers, describe
from upslope.sampling.simulators.workers import WorkerPool

S, N, T = 2, 3, 20
KEYS = jax.random.split(jax.random.key(0), S)


def batches(simulators, spec, workers, calls=2, **settings):
    """The experience of a few calls, and the sampler, closed."""
    many = GymnasiumSampler(
        simulators, spec, EpisodicReturn(), n_seeds=S, seed=11, workers=workers, **settings
    )
    try:
        return [many.sample(KEYS, linear(S))[0] for _ in range(calls)], many
    finally:
        many.close()


@pytest.fixture(scope="module")
def undisturbed():
    return {c: batches(world(Drift), c, 0)[0] for c in (Steps(N, T), Episodes(N))}


def same(got, expected):
    jax.tree.map(np.testing.assert_array_equal, got, expected)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_nothing(undisturbed, workers):
    spec = Steps(N, T) if workers == 1 else Episodes(N)
    got, many = batches(world(Drift), spec, workers)
    assert isinstance(many._backend, WorkerPool)
    same(got, undisturbed[spec])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "spec"),
    [("kill", Steps(N, T)), ("raise", Episodes(N)), ("hang", Steps(N, T)), ("kill", Episodes(N))],
)
def test_a_failed_worker_is_replaced_and_its_work_redone(undisturbed, how, spec, tmp_path):
    failing = world(Failing, how=how, folder=str(tmp_path), at=3)
    got, many = batches(failing, spec, 2, deadline=4.0 if how == "hang" else 60.0)
    assert many._backend.restarts >= 1
    assert list(tmp_path.iterdir())  # it did fail
    same(got, undisturbed[spec])


def test_a_worker_killed_from_outside_between_calls_is_replaced(undisturbed):
    many = GymnasiumSampler(
        world(Drift), Steps(N, T), EpisodicReturn(), n_seeds=S, seed=11, workers=1
    )
    got = [many.sample(KEYS, linear(S))[0]]
    os.kill(many._backend.pids()[0], 9)
    got.append(many.sample(KEYS, linear(S))[0])
    many.close()
    assert many._backend.restarts == 1
    same(got, undisturbed[Steps(N, T)])


def test_failing_again_and_again_is_an_error_that_names_the_culprit(tmp_path):
    failing = world(Failing, how="raise", folder=str(tmp_path), times=99, at=2)
    with pytest.raises(WorkerError, match=r"(?s)Failing.*max_restarts=1.*on fire") as caught:
        batches(failing, Steps(N, T), 1, max_restarts=1)
    assert caught.value.exit_code == 6


def test_a_simulator_that_its_seed_does_not_decide_is_not_replayed_silently(tmp_path):
    with pytest.raises(WorkerError, match="not reproducible from its seed"):
        batches(world(Careless, folder=str(tmp_path)), Steps(N, T), 1)


def test_a_breach_of_contract_is_not_tried_again():
    many = GymnasiumSampler(
        world(Breach, step=[0.0]), Steps(N, T), EpisodicReturn(), n_seeds=S, seed=11, workers=1
    )
    with pytest.raises(EnvironmentContractError, match=r"Breach \(simulator 0\).*in step"):
        many.sample(KEYS, linear(S, size=2))
    assert many._backend.restarts == 0
    assert not many._backend.pids()


def test_workers_do_not_import_jax_and_end_with_the_pool():
    cart = GymnasiumSpec.registered("CartPole-v1")
    settings = {"autoreset": True, "limit": None, "deadline": 60.0, "max_restarts": 0}
    pool = build_backend(cart, describe(cart, False), 2, workers=1, **settings)
    assert isinstance(pool, WorkerPool)
    modules = pool.modules()
    assert "gymnasium" in modules
    assert not [name for name in modules if name.split(".")[0] in ("jax", "upslope")]
    (pid,) = pool.pids()
    pool.close()
    pool.close()
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(WorkerError, match="closed"):
        pool.step_all()


@pytest.mark.slow
def test_no_worker_outlives_its_parent():
    program = (
        "import os, sys; sys.path[:0] = sys.argv[1:]\n"
        "from small_simulators import Drift, world\n"
        "from upslope.sampling.simulators.simulator_backend import build_backend, describe\n"
        "w = world(Drift)\n"
        "pool = build_backend(w, describe(w, False), 2, workers=2, autoreset=True, limit=None,\n"
        "    deadline=60.0, max_restarts=0)\n"
        "print(*pool.pids(), flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", program, str(here), str(here.parent)],
        stdout=subprocess.PIPE,
        timeout=120,
        check=False,
    )
    assert done.returncode == -9
    pids = done.stdout.split()
    assert len(pids) == 2
    end = time.monotonic() + 30
    while any(running(int(pid)) for pid in pids):
        assert time.monotonic() < end, "a worker is still there"
        time.sleep(0.05)


def running(pid: int) -> bool:
    """Whether a process is there and not only waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


def test_processes_are_used_when_a_step_is_dear(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    assert choose_workers("auto", 8, 1e-5) == 0
    assert choose_workers("auto", 8, 1e-3) == 3
    assert choose_workers("auto", 2, 1.0) == 2
    assert choose_workers("auto", 1, 1.0) == 0
    assert choose_workers(5, 4, 0.0) == 4
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert choose_workers("auto", 8, 1.0) == 0
