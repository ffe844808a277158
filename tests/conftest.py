"""Every test runs in the users' own mode (float32), with implicit broadcasting forbidden.

Tests of exact identities ask for the `x64` fixture.
"""

import gc
import itertools
import os
from importlib.metadata import version

from program_cache import program_cache

# Two host devices, so that what is sharded over seeds is sharded in the tests too.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "2")
# Most of the time is compilation: ask LLVM for little, and XLA for its plain emitters, which
# compile about twice as fast as those of fusions. The programs of training runs ask for their own
# level, as for users.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "")
    + " --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    + (
        " --xla_cpu_use_fusion_emitters=false"
        if tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 11)
        else ""  # later ones end at unknown flags
    )
)
# What is compiled once is read back in other workers, in child processes and in the next run.
os.environ.update(
    {
        "JAX_COMPILATION_CACHE_DIR": str(program_cache()),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
    }
)

import jax
import pytest

import compiled_programs
from lowering_contexts import share_contexts
from upslope.engine import kept_programs

jax.config.update("jax_numpy_rank_promotion", "raise")
share_contexts()
# Tracing makes millions of small objects that live as long as their programs: the collector, left
# to its defaults, goes through all of them again and again, at a price of some percent of the time.
gc.set_threshold(50_000, 20, 20)


@pytest.fixture
def x64():
    """Double precision for the length of one test."""
    with jax.enable_x64(True):
        yield


# Between two looks some thousands more may be added, well within what Linux grants.
MAPPINGS_LIMIT = 40_000
TESTS_BETWEEN_LOOKS = 16
finished_tests = itertools.count(1)


@pytest.fixture(autouse=True)
def programs_of_what_is_there(request):
    """A test that changes the library's code has programs of its own."""
    changes = "monkeypatch" in request.fixturenames
    if changes:
        kept_programs.clear()
    yield
    if changes:
        kept_programs.clear()


@pytest.fixture(autouse=True)
def bounded_mappings():
    """Keep the process far from the limit of its memory mappings."""
    yield
    if next(finished_tests) % TESTS_BETWEEN_LOOKS == 0:
        compiled_programs.keep_below(MAPPINGS_LIMIT)
