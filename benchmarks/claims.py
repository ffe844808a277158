"""Claims, the numbers they rest on, and whether these carry them."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterable
from typing import Any

import machine


class Report:
    """Collects what one benchmark measured and claims; prints it and stores it.

    Args:
      name: of the result file.
      arguments: the parsed command line.
    """

    def __init__(self, name: str, arguments: argparse.Namespace):
        self.name, self.arguments = name, arguments
        self.summary: dict[str, Any] = {}
        self.claims: list[dict[str, Any]] = []
        self.runs: dict[str, Any] = {}
        self.peers: dict[str, Any] = {}
        for peer in ("sb3", "rejax", "evosax"):
            python = getattr(arguments, f"{peer}_python", None)
            if python is not None:
                self.peers[peer] = machine.peer_versions(python)
        print(f"{name} on {machine.cpu_model()}", flush=True)

    def measured(self, name: str, values: Iterable[float], unit: str = "s") -> float:
        """Notes the median of some measurements of one thing, with its range, and returns it."""
        values = sorted(values)
        median = statistics.median(values)
        self.summary[name] = {
            "median": round(median, 4),
            "min": round(values[0], 4),
            "max": round(values[-1], 4),
            "count": len(values),
            "unit": unit,
        }
        print(
            f"{name}: {median:,.4g} {unit} [{values[0]:,.4g} .. {values[-1]:,.4g}], "
            f"{len(values)} runs",
            flush=True,
        )
        return median

    def noted(self, name: str, value: Any) -> None:
        """Notes a number that nothing is claimed of."""
        value = round(value, 4) if isinstance(value, float) else value
        self.summary[name] = value
        print(f"{name}: {value}", flush=True)

    def at_least(self, claim: str, value: float, bar: float) -> None:
        """A claim that holds when `value >= bar`."""
        self._judge(claim, value, bar, ">=", value >= bar)

    def at_most(self, claim: str, value: float, bar: float) -> None:
        """A claim that holds when `value <= bar`."""
        self._judge(claim, value, bar, "<=", value <= bar)

    def _judge(self, claim: str, value: float, bar: float, relation: str, met: bool) -> None:
        value = round(float(value), 4)
        self.claims.append(
            {"claim": claim, "value": value, "relation": relation, "bar": bar, "met": bool(met)}
        )
        print(f"{'MET   ' if met else 'MISSED'} {claim}: {value:,.4g} (bar {relation} {bar:,.4g})")

    def finish(self) -> int:
        """Stores everything; returns the exit status: 1 when a claim was missed in earnest."""
        arguments = vars(self.arguments)
        plain = {
            name: value
            for name, value in arguments.items()
            if isinstance(value, int | float | bool) or name == "only"
        }
        record = {
            "arguments": plain,
            "peers": self.peers,
            "claims": self.claims,
            "summary": self.summary,
            "runs": self.runs,
        }
        path = machine.write(self.name, record, self.arguments.results)
        print(f"written: {path}")
        missed = not all(claim["met"] for claim in self.claims)
        return int(missed and not self.arguments.quick)
