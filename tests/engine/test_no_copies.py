"""A large state stays where it is: the compiled search copies it at no iteration."""

import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from large_state import WIDTH, Remembering
from ring_copies import copies_in_loops

from upslope.engine.jax_program import JaxProgram
from upslope.engine.problem import Problem
from upslope.environments import make
from upslope.objectives.objective import EpisodicReturn
from upslope.policies import default_policy

ROWS = 5000


def program(seeds, total_timesteps):
    environment = make("CartPole-v1")

    def policy(key):
        spaces = environment.observation_space, environment.action_space
        return default_policy(key, *spaces, hidden=(40, 40))

    problem = Problem(environment, policy, Remembering(ROWS), EpisodicReturn())
    made = JaxProgram(problem, seeds, 0, total_timesteps=total_timesteps)
    made.compile(1)
    return made


def copies(text, rows):
    """Copies of the buffer in a compiled program."""
    return re.findall(rf"= f32\[(?:\d+,)?{rows},{WIDTH}\]\S* copy\(", text)


@pytest.mark.slow
@pytest.mark.parametrize("total_timesteps", [100, 100_000], ids=["every row", "rows of 50"])
def test_one_seed_copies_nothing(total_timesteps):
    made = program(1, total_timesteps)
    assert f"{ROWS},{WIDTH}]" in made._advance.as_text()
    assert not copies(made._advance.as_text(), ROWS)


@pytest.mark.slow
def test_sequential_seeds_copy_once_per_call_and_not_per_iteration():
    made = program(4, 100)
    text = made._advance.as_text()
    loops = [part for part in text.split("\n\n") if "dynamic-update-slice" in part]
    assert loops
    # The call hands each seed its own rows and takes them back: a constant number of copies.
    assert len(copies(text, ROWS)) <= 2


def test_the_reader_sees_a_copy():
    """The way it must not be: the axis of the seeds is put on and taken off at each iteration."""

    def one(rows, number):
        rows = rows.at[number % ROWS].set(number)
        return rows, jnp.sum(rows[(jnp.arange(64) * number) % ROWS])

    @jax.jit
    def search(rows):
        def body(carry):
            number, rows, total = carry
            new, seen = one(rows[0], number)
            return number + 1, new[None], total + seen

        return jax.lax.while_loop(lambda c: c[0] < 1000, body, (0, rows, 0.0))

    text = search.lower(np.zeros((1, ROWS, WIDTH), np.float32)).compile().as_text()
    assert copies(text, ROWS)


@pytest.mark.slow
def test_rows_of_the_log_are_means_of_iterations():
    exact, summed = program(1, 100), program(1, 100_000)
    assert (exact.iterations_per_row, summed.iterations_per_row) == (1, 50)
    wanted = np.array([120])
    _, each = exact.advance(exact.start(), wanted, 120)
    _, rows = summed.advance(summed.start(), wanted, 1000)
    counts = np.asarray(rows.iterations)[:, 0]
    assert counts[:4].tolist() == [50, 50, 20, 0]  # the last one ends where the seed does
    parts = np.split(np.asarray(each.diagnostics.mean)[:120, 0], [50, 100])
    means = [part.mean() for part in parts]
    np.testing.assert_allclose(np.asarray(rows.diagnostics.mean)[:3, 0], means, rtol=1e-5)
    episodes = np.asarray(each.statistics.episodes)[:120, 0]
    returns = np.nan_to_num(np.asarray(each.statistics.returns)[:120, 0])
    for k, (n, value) in enumerate(
        zip(np.split(episodes, [50, 100]), np.split(returns, [50, 100]), strict=True)
    ):
        assert np.asarray(rows.statistics.episodes)[k, 0] == n.sum()
        mean = (n * value).sum() / n.sum() if n.sum() else np.nan
        np.testing.assert_allclose(np.asarray(rows.statistics.returns)[k, 0], mean, rtol=1e-6)


@pytest.mark.slow
def test_the_ring_of_a_replay_stays_where_it_is():
    """As users compile it: XLA would else draw from the old rows with the new ones patched in."""
    environment = {**os.environ, "XLA_FLAGS": "", "JAX_NUM_CPU_DEVICES": "1"}
    program = Path(__file__).parent / "ring_copies.py"
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_a_copy_in_a_loop_is_seen():
    """An array of which a loop needs the old and the new numbers."""

    def turn(carry, _):
        return carry.at[0].add(1.0) + carry[::-1], carry[1]

    text = jax.jit(lambda x: jax.lax.scan(turn, x, None, 100)).lower(jnp.zeros(5001)).compile()
    assert copies_in_loops(text.as_text(), r"\[5001\]")
