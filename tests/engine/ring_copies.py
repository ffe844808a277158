"""Copies that the compiled search makes of a replay's ring at each iteration, one per line.

A program of its own: what XLA fuses, and so copies, depends on flags that tests set for themselves.
"""

import re
import sys

import jax

from upslope.engine.jax_program import JaxProgram
from upslope.engine.problem import Problem
from upslope.environments import make
from upslope.objectives import DiscountedReturn
from upslope.policies import default_policy
from upslope.sampling import Replay, Steps
from upslope.sampling.replay import rows_of
from upslope.search import DQN

ROWS = 5000


def replay_program(prioritized):
    """The text of one-step iterations of Q-learning that draw from a ring of 5,000 rows."""
    environment = make("CartPole-v1")

    def policy(key: jax.Array):
        spaces = environment.observation_space, environment.action_space
        return default_policy(key, *spaces, hidden=(40, 40))

    method = DQN(
        train_freq=1,
        batch_size=4,
        buffer_size=ROWS,
        learning_starts=10,
        prioritized=prioritized,
        total_timesteps=100_000,
    )
    problem = Problem(environment, policy, method, DiscountedReturn(0.9))
    made = JaxProgram(problem, 1, 0, total_timesteps=100_000)
    made.compile(1)
    return made._advance.as_text()


def computations(text):
    """The lines of each computation of a compiled program, by its name."""
    found, name = {}, None
    for line in text.splitlines():
        head = re.match(r"(?:ENTRY )?%?([\w.\-]+) .*\{$", line)
        if head:
            name = head[1]
        elif name is not None:
            found.setdefault(name, []).append(line)
    return found


def copies_in_loops(text, shape):
    """Copies of arrays of this shape that some loop of the program makes at each of its turns."""
    parts = computations(text)

    def called(name):
        return {
            part
            for line in parts.get(name, [])
            for part in re.findall(r"(?:calls|body|condition|to_apply)=%?([\w.\-]+)", line)
        }

    waiting = set(re.findall(r"body=%?([\w.\-]+)", text))
    assert waiting, "the program has no loop"
    inside = set()
    while waiting:
        name = waiting.pop()
        inside.add(name)
        waiting |= called(name) - inside
    return [
        line.strip()
        for name in inside
        for line in parts.get(name, [])
        if re.search(rf"{shape}\S* copy\(", line)
    ]


if __name__ == "__main__":
    for prioritized in (False, True):
        text = replay_program(prioritized)
        shape = rf"\[(?:\d+,)*{rows_of(Replay(Steps(1, 1), ROWS, 1, 4))}(?:,\d+)*\]"
        assert re.search(rf"f32{shape}", text)
        sys.stdout.writelines(line + "\n" for line in copies_in_loops(text, shape))
