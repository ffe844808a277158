"""Tables and models that are learned step by step stay where they are."""

import os
import re
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from ring_copies import copies_in_loops

from upslope.engine.jax_program import JaxProgram
from upslope.engine.problem import Problem
from upslope.environments import FiniteMDP
from upslope.objectives import DiscountedReturn
from upslope.policies import TabularSoftmax
from upslope.search import METHODS

STATES, ACTIONS = 211, 3


def advance(name, settings):
    """The text of the program that searches a ring of states, one after the other."""
    moves = np.zeros((STATES, ACTIONS, STATES))
    for action in range(ACTIONS):
        moves[np.arange(STATES), action, (np.arange(STATES) + action) % STATES] = 1
    world = FiniteMDP(moves, np.ones((STATES, ACTIONS)), np.eye(STATES)[0], time_limit=50)
    policy = lambda key: TabularSoftmax(jnp.zeros((STATES, ACTIONS)))  # noqa: E731
    method = METHODS.get(name)(**settings)
    made = JaxProgram(
        Problem(world, policy, method, DiscountedReturn(0.9)), 1, 0, total_timesteps=100_000
    )
    made.compile(1)
    return made._advance.as_text()


CASES = (
    ("q-learning", {}),
    ("expected-sarsa", {}),
    ("sarsa", {"n_step": 1}),
    ("dyna-q", {"planning_steps": 5}),
    ("dyna-q", {"planning_steps": 5, "model": "sampled"}),
)


@pytest.mark.slow
def test_no_step_copies_a_table_or_a_model():
    """In a process of its own: what XLA fuses, and so copies, depends on flags of the tests."""
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    done = subprocess.run(
        [sys.executable, __file__], capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


if __name__ == "__main__":
    shape = rf"\[{STATES},{ACTIONS}(?:,\d+)?\]"
    for name, settings in CASES:
        text = advance(name, settings)
        assert re.search(rf"f32{shape}", text)
        sys.stdout.writelines(f"{name}: {line}\n" for line in copies_in_loops(text, shape))
