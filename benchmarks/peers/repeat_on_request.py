"""A compiled program that runs once a line on standard input, so that peers can take turns.

Protocol: one JSON line when ready, one JSON line for every line read (its text is the run's
number), nothing at the end. The parent alternates between several such processes: each is
compiled once, and no two run at the same time.
"""

import json
import sys
import time
from collections.abc import Callable


def repeat_on_request(
    ready: dict, run: Callable[[int], None], steps: int, repeats: int | None
) -> None:
    """Print `ready`, then time `run(i)` for each request, or `repeats` times without requests."""
    print(json.dumps({"event": "ready", **ready}), flush=True)
    requests = (int(line) for line in sys.stdin) if repeats is None else iter(range(repeats))
    for number in requests:
        start = time.perf_counter()
        run(number)
        seconds = time.perf_counter() - start
        record = {"event": "run", "run": number, "seconds": seconds, "steps": steps}
        print(json.dumps({**record, "steps_per_second": steps / seconds}), flush=True)
