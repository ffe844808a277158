"""Whole-process wall time and peak memory, read from inside the process."""

import os
import resource
import time


def process_seconds() -> float:
    """Seconds since the kernel started this process: interpreter start and imports included."""
    with open("/proc/self/stat") as file:
        started_ticks = int(file.read().rsplit(")", 1)[1].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started_ticks / os.sysconf("SC_CLK_TCK")


def cpu_seconds() -> float:
    """User plus system time of this process: above the wall time when both cores were busy."""
    return time.process_time()


def peak_memory_mb() -> float:
    """Peak resident memory of this process in MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
