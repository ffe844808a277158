"""How busy the machine was with something else while a measurement ran."""

from __future__ import annotations

import os
import time
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")


def machine_seconds() -> float:
    """Core seconds that all processes together, and the hypervisor, have used since the start."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, interrupts, soft, stolen = file.readline().split()[1:9]
    return sum(map(int, (user, nice, system, interrupts, soft, stolen))) / TICKS


def process_seconds(pid: int) -> float:
    """Core seconds of one running process and its ended children."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / TICKS


class Hooks:
    """FullState before a measurement and read after it."""

    def __init__(self) -> None:
        self.load = os.getloadavg()[0]
        self.began, self.used = time.perf_counter(), machine_seconds()

    def read(self, own_seconds: float) -> dict[str, Any]:
        """The load average before, and the mean number of cores that others kept busy.

        Args:
          own_seconds: core seconds of the measured process meanwhile.
        """
        wall = time.perf_counter() - self.began
        others = (machine_seconds() - self.used - own_seconds) / max(wall, 1e-9)
        return {"load_average": round(self.load, 2), "other_cores": round(max(others, 0.0), 2)}
