"""The flags that the benchmarks share."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import machine

PEER_FLAGS = {
    "sb3": ("--sb3-python", "interpreter of the environment with Stable-Baselines3"),
    "rejax": ("--rejax-python", "interpreter of the environment with rejax and gymnax"),
    "evosax": ("--evosax-python", "interpreter of the environment with evosax and gymnax"),
    "spiel": ("--spiel-python", "interpreter of the environment with open_spiel"),
    "purejaxrl": ("--purejaxrl-source", "PureJaxRL's folder with ppo.py and wrappers.py"),
}


def parser(description: str | None, repeats: int, peers: tuple[str, ...] = ()):
    """A command line with `--quick`, `--repeats`, `--results`, `--upslope` and some peers."""
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--repeats", type=int, help=f"runs of each contestant (default {repeats})")
    result.add_argument(
        "--quick", action="store_true", help="tiny settings: does it work? No number means anything"
    )
    result.add_argument(
        "--results", type=Path, help="folder for the result file (default benchmarks/results)"
    )
    result.add_argument(
        "--upslope", default=None, help="the command (default: the one beside this interpreter)"
    )
    for peer in peers:
        flag, text = PEER_FLAGS[peer]
        result.add_argument(flag, required=True, help=text)
    result.set_defaults(default_repeats=repeats)
    return result


def parse(result: argparse.ArgumentParser) -> argparse.Namespace:
    """The parsed command line, defaults filled in. Quick numbers are not stored with real ones."""
    arguments = result.parse_args()
    default = arguments.__dict__.pop("default_repeats")
    if arguments.repeats is None:
        arguments.repeats = 1 if arguments.quick else default
    if arguments.results is None:
        quick = Path(tempfile.gettempdir()) / "upslope-quick-benchmarks"
        arguments.results = quick if arguments.quick else machine.RESULTS
    if arguments.upslope is None:
        beside = Path(sys.executable).with_name("upslope")
        arguments.upslope = str(beside) if beside.exists() else shutil.which("upslope")
        if arguments.upslope is None:
            result.error("no `upslope` command: pip install -e . first, or name it with --upslope")
    return arguments
