"""What both contestants of `predict.py` do: so many calls of `predict` on one observation."""

import argparse
from typing import Any

import numpy as np
from repeat_on_request import repeat_on_request


def arguments() -> argparse.Namespace:
    """The flags of both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--actions", choices=["discrete", "box"], required=True)
    parser.add_argument("--stochastic", action="store_true")
    parser.add_argument("--batch", type=int, default=0, help="observations per call; 0: one alone")
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--repeats", type=int, help="run so often; without, once a line of stdin")
    return parser.parse_args()


def spaces(actions: str) -> tuple[Any, Any]:
    """Observations of 4 numbers with 2 actions, or of 17 numbers with 6 numbers."""
    from gymnasium.spaces import Box, Discrete

    if actions == "discrete":
        return Box(-5.0, 5.0, (4,), np.float32), Discrete(2)
    return Box(-5.0, 5.0, (17,), np.float32), Box(-1.0, 1.0, (6,), np.float32)


def serve(model: Any, ready: dict, given: argparse.Namespace) -> None:
    """Times the calls on request."""
    shape = model.observation_space.shape
    shape = (given.batch, *shape) if given.batch else shape
    observation = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    deterministic = not given.stochastic

    def run(number: int) -> None:
        for _ in range(given.calls):
            model.predict(observation, deterministic=deterministic)

    run(0)  # whatever is prepared on first use
    repeat_on_request(ready, run, given.calls, given.repeats)
