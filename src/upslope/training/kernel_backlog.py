"""Less memory to compile with: the thread that hands out kernels gives way to the compilers."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

LOOK_AFTER = 0.2  # seconds: by then one thread optimises the program, and the others still wait
NOTICED = 2  # ticks of a hundredth of a second that are work
GIVING_WAY = 15  # its niceness: 36 shares of a core where another thread has 1024


@contextlib.contextmanager
def short_backlog() -> Iterator[int]:
    """While this lasts, XLA's emitting thread is made to give way to its compiling ones.

    XLA:CPU writes kernels in one thread and compiles them in a pool of others. Nothing bounds how
    many wait in between, and each of those holds a compiler's context of 4 MB: of the 230 kernels
    of PPO nearly 100. Threads of Linux have priorities of their own; with a low one the emitting
    thread goes on only when a compiling one has nothing to do, which takes 200 MB less and no
    longer. The low priority stays with the thread, since not every user may raise one again; all
    that this thread does is to compile. Nothing is done where the machine is busy (it would wait
    for strangers), where other threads work beside it (it could be one of those), and on other
    systems.

    Yields:
      The niceness that the thread will have; 0 where nothing is done.
    """
    if sys.platform != "linux" or busy():
        yield 0
        return
    before = native_threads()
    timer = threading.Timer(LOOK_AFTER, lambda: give_way(before))
    timer.start()
    try:
        yield GIVING_WAY
    finally:
        timer.cancel()
        timer.join()


def busy() -> bool:
    """Whether there is more to do than there are cores, or no telling."""
    try:
        return os.getloadavg()[0] > (os.cpu_count() or 1)
    except OSError:
        return True


def native_threads() -> dict[int, int]:
    """Processor time, in ticks, of each thread of this process that is neither Python's nor named.

    XLA names the threads that run programs and leaves those without a name that compile. Empty
    where the system does not say.
    """
    pythons = {thread.native_id for thread in threading.enumerate()}
    times = {}
    with contextlib.suppress(OSError):
        name = Path("/proc/self/comm").read_text().strip()
        for folder in Path("/proc/self/task").iterdir():
            with contextlib.suppress(OSError):  # it has ended
                before, _, after = (folder / "stat").read_text().rpartition(")")
                fields = after.split()
                if int(folder.name) not in pythons and before.partition("(")[2] == name:
                    times[int(folder.name)] = int(fields[11]) + int(fields[12])
    return times


def give_way(before: dict[int, int]) -> int | None:
    """Lowers the priority of the one native thread that has worked since `before`.

    Returns:
      Its number; None if none has worked, or several have.
    """
    worked = [
        thread
        for thread, ticks in native_threads().items()
        if ticks - before.get(thread, 0) >= NOTICED
    ]
    if len(worked) != 1:
        return None
    with contextlib.suppress(OSError):  # it has ended
        if os.getpriority(os.PRIO_PROCESS, worked[0]) < GIVING_WAY:
            os.setpriority(os.PRIO_PROCESS, worked[0], GIVING_WAY)
    return worked[0]
