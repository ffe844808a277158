"""Every test runs in the users' own mode (float32), with implicit broadcasting forbidden.

Tests of exact identities ask for the `x64` fixture.
"""

import os
from pathlib import Path

# Two host devices, so that what is sharded over seeds is sharded in the tests too.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "2")
# Most of the time is compilation: ask LLVM for little, and XLA for its plain emitters, which
# compile about twice as fast as those of fusions. The programs of training runs ask for their own
# level, as for users.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "")
    + " --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    + " --xla_cpu_use_fusion_emitters=false"
)
# What was compiled in an earlier run of the suite is read from a folder, by child processes too.
# Programs are told apart by their text, flags and versions; delete the folder to begin cold.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR",
    os.environ.get(
        "UPSLOPE_TEST_CACHE", str(Path(__file__).parents[1] / ".pytest_cache" / "compiled")
    ),
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "0")

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def x64():
    """Double precision for the length of one test."""
    with jax.enable_x64(True):
        yield
