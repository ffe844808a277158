"""The thread that hands out kernels, and no other, is made to give way."""

import os
import subprocess
import sys

import pytest

from upslope.training import kernel_backlog

linux = pytest.mark.skipif(sys.platform != "linux", reason="threads of Linux have priorities")

PROGRAM = """
import os
import jax, jax.numpy as jnp
from upslope.training.kernel_backlog import GIVING_WAY, give_way, native_threads

jax.devices()
first = native_threads()

def many(x):
    for k in range(60):
        x = jnp.sort(jnp.sin(x + k)) * (k + 1)
    return x

def compile_for(size):
    jax.jit(many).lower(jnp.ones(size)).compile()

before = native_threads()
assert give_way(before) is None  # nobody has worked
compile_for(10)
chosen = give_way(before)
assert chosen in first, (chosen, first)  # the compilers' threads begin with the first program
later = set(native_threads()) - set(first)
assert later
niceness = {t: os.getpriority(os.PRIO_PROCESS, t) for t in map(int, os.listdir("/proc/self/task"))}
assert niceness.pop(chosen) == GIVING_WAY
assert not any(niceness.values()), niceness
compile_for(11)
assert give_way(native_threads() | {chosen: 0}) == chosen  # an already patient thread stays so
assert os.getpriority(os.PRIO_PROCESS, chosen) == GIVING_WAY
print("seen")
"""


@linux
def test_the_emitting_thread_alone_gives_way():
    # In a process of its own: a priority given away cannot always be had back.
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "seen\n", done.stderr


@pytest.mark.parametrize(
    ("platform", "load"), [("linux", os.cpu_count() + 0.5), ("darwin", 0.0), ("win32", 0.0)]
)
def test_nothing_is_done_on_busy_machines_and_elsewhere(monkeypatch, platform, load):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(os, "getloadavg", lambda: (load, load, load))
    monkeypatch.setattr(kernel_backlog, "native_threads", lambda: pytest.fail("looked at"))
    with kernel_backlog.short_backlog() as niceness:
        assert niceness == 0


@linux
def test_a_program_that_compiles_at_once_changes_nothing(monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    monkeypatch.setattr(kernel_backlog, "give_way", lambda before: pytest.fail("looked at"))
    with pytest.raises(ValueError, match="of the program"), kernel_backlog.short_backlog():
        raise ValueError("of the program")


@linux
def test_the_thread_is_looked_for_while_a_program_compiles(monkeypatch):
    import threading

    looked = threading.Event()
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    monkeypatch.setattr(kernel_backlog, "give_way", lambda before: looked.set())
    with kernel_backlog.short_backlog() as niceness:
        assert niceness == kernel_backlog.GIVING_WAY
        assert looked.wait(30)
