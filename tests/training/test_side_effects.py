"""A library call leaves the process as it found it."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, os, threading
import gymnasium  # sets a variable of its own when it is imported
import jax
import upslope

def seen():
    settings = {name: str(value) for name, value in jax.config.values.items()}
    return dict(os.environ), settings, sorted(t.name for t in threading.enumerate())

before = seen()
run = upslope.train(
    "CartPole-v1", "cem", total_timesteps=200, population_size=4, n_elites=2,
    episodes_per_candidate=1, seeds=2, evaluations=1, evaluation_episodes=1, final_episodes=1,
    out="run",
)
upslope.evaluate("run", episodes=1)
upslope.minimize(lambda x: (x**2).sum(), [1.0, 2.0], budget=40, method="nelder-mead")
after = seen()
print(json.dumps([[a == b for a, b in zip(before, after)], len(jax.devices())]))
"""


@pytest.mark.slow
def test_environment_configuration_and_threads_stay(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    same, _ = json.loads(done.stdout.splitlines()[-1])
    assert same == [True, True, True]


@pytest.mark.slow
def test_a_cache_that_is_set_up_already_keeps_its_thresholds(tmp_path):
    program = (
        "import upslope, jax; upslope.configure(); config = jax.config; "
        "print(config.jax_compilation_cache_dir, "
        "config.jax_persistent_cache_min_compile_time_secs)"
    )
    environment = {"PATH": "", "HOME": str(tmp_path), "JAX_PLATFORMS": "cpu"}
    environment["PYTHONPATH"] = ":".join(sys.path)

    def configured(**more):
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, env=environment | more, capture_output=True, check=True)
        return done.stdout.decode().split()

    own = str(tmp_path / "own")
    assert configured(JAX_COMPILATION_CACHE_DIR=own) == [own, "1.0"]
    assert configured() == [str(tmp_path / ".cache" / "upslope" / "jax"), "0.1"]


def test_the_commands_own_process_is_set_up(tmp_path):
    program = (
        "import os, upslope; upslope.configure(2); import jax; "
        "print(len(jax.devices()), 'XLA_FLAGS' in os.environ)"
    )
    environment = {"PATH": "", "HOME": str(tmp_path), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | {"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    devices, flags = done.stdout.split()
    assert int(devices) >= 1
    assert flags == "True"
