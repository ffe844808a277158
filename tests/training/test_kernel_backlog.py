"""The thread that hands out kernels, and no other, is made to give way."""

import os
import subprocess
import sys

import pytest

from upslope.training import kernel_backlog

linux = pytest.mark.skipif(sys.platform != "linux", reason="threads of Linux have priorities")

PROGRAM = """
import os, threading, time
import jax, jax.numpy as jnp
import numpy as np
from upslope.training import kernel_backlog
from upslope.training.kernel_backlog import GIVING_WAY, give_way, native_threads, short_backlog

jax.devices()
first = native_threads()
os.getloadavg = lambda: (0.0, 0.0, 0.0)

def compile_many(count):
    def many(x):
        for k in range(count):
            x = jnp.sort(jnp.sin(x + k)) * (k + 1)
        return x

    with short_backlog():
        jax.jit(many).lower(jnp.ones(10)).compile()

def niceness():
    return {t: os.getpriority(os.PRIO_PROCESS, t) for t in map(int, os.listdir("/proc/self/task"))}

assert give_way(native_threads()) is None  # nobody has worked
jax.jit(jnp.sin).lower(jnp.ones(3)).compile()  # the compilers' threads begin with a program

chosen = []
real = kernel_backlog.give_way
kernel_backlog.give_way = lambda before: chosen.append(real(before))
for count in (200, 400, 800, 1600):  # until it optimises for long enough to be seen
    compile_many(count)
    print(count, chosen)
    if any(chosen):
        break
thread = chosen[-1]
assert thread in first, (thread, first)
seen = niceness()
assert seen.pop(thread) == GIVING_WAY
assert not any(seen.values()), seen

# Beside another native thread that works, nothing is done: it could be that one.
kernel_backlog.native_threads = lambda: {1: 100, 2: 50}
os.setpriority = lambda *_: 1 / 0
assert real({1: 0, 2: 0}) is None
print("seen")
"""


@linux
def test_the_emitting_thread_alone_gives_way():
    # In a process of its own: a priority given away cannot always be had back.
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.endswith("seen\n"), done.stderr


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
