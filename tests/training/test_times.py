"""The account of times adds up to the wall time."""

import time

import pytest

from small_runs import small_run


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["CartPole-v1", "gymnasium:CartPole-v1"])
def test_every_second_is_in_an_account(tmp_path, environment):
    """Iterations of one step, where bookkeeping weighs most; what compiling hides is left out."""
    began = time.perf_counter()
    run = small_run(
        "dqn",
        tmp_path / "run",
        environment=environment,
        n_envs=1,
        train_freq=1,
        batch_size=8,
        prioritized=False,
        total_timesteps=10_000 if environment == "CartPole-v1" else 400,
        checkpoint_every=0.2,
    )
    wall = time.perf_counter() - began
    times = run.summary.times
    accounted, elapsed = times.total() - times.compile, wall - times.compile
    assert times.search > 0
    assert times.bookkeeping > 0
    assert 0.9 * elapsed <= accounted <= elapsed, (times, wall)
