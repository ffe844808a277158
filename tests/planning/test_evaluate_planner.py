"""`upslope evaluate ENV --planner NAME` and its Python face."""

import jax
import numpy as np
import pytest

import upslope
from upslope.cli.main import main
from upslope.core.checks import UpslopeError
from upslope.environments import Pendulum, TicTacToe
from upslope.planning import MPPI, PlanningActor

SEARCHES = ("mcts",)
ON_MCTX = ("puct", "gumbel-mcts")


@pytest.mark.learning
@pytest.mark.slow
def test_cem_swings_up_the_pendulum():
    """At least -160 over 100 episodes: 200 candidates, 4 rounds, horizon 20."""
    found = upslope.evaluate("Pendulum-v1", planner="cem", episodes=100)
    assert found.returns.shape == (1, 100)
    assert found.returns.mean() >= -160
    assert found.model_steps == 100 * 200 * 4 * 200 * 20


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cem", "mppi", "random-shooting", "rollout", "mcts"])
def test_every_planner_beats_doing_nothing(name):
    """CartPole without planning falls after about ten steps."""
    few = {"rollout": {"n_rollouts": 16, "horizon": 30}}
    few |= {search: {"n_simulations": 40} for search in ON_MCTX}
    few |= {search: {"n_simulations": 40, "rollout_length": 20} for search in SEARCHES}
    found = upslope.evaluate(
        "CartPole-v1",
        planner=name,
        episodes=4,
        environment_settings={"time_limit": 60},
        **few.get(name, {"n_candidates": 50}),
    )
    assert found.lengths.mean() > 50
    assert np.array_equal(found.returns, found.lengths)


@pytest.mark.slow
def test_a_planner_that_is_built_already():
    planner = MPPI(Pendulum(mass=1.5), n_candidates=20, horizon=5)
    found = upslope.evaluate(Pendulum(time_limit=10), planner=planner, episodes=3, seed=1)
    again = upslope.evaluate(Pendulum(time_limit=10), planner=planner, episodes=3, seed=1)
    np.testing.assert_array_equal(found.returns, again.returns)
    assert found.lengths.tolist() == [[10, 10, 10]]


@pytest.mark.parametrize(
    ("arguments", "settings", "reason"),
    [
        ("CartPole-v1", {"planner": "cemm"}, "Did you mean 'cem'"),
        ("CartPole-v1", {"planner": "cem", "n_candidate": 3}, "Did you mean 'n_candidates'"),
        ("gymnasium:CartPole-v1", {"planner": "cem"}, "whose dynamics no program can see"),
        ("CartPole-v1", {"planner": 3}, "an upslope Planner or one of"),
        ("CartPole-v1", {"planner": "cem", "episodes": 0}, "at least 1"),
        ("CartPole-v1", {"planner": MPPI(Pendulum()), "gamma": 0.9}, "built already"),
        ("CartPole-v1", {"planner": "cem", "deterministic": True}, "beside a planner"),
        (TicTacToe(), {"planner": "cem"}, "AgainstOpponent"),
        (Pendulum(time_limit=None), {"planner": "cem"}, "may never end"),
        ("runs", {"n_candidates": 3}, "evaluate has no setting 'n_candidates'"),
    ],
)
def test_refusals(arguments, settings, reason):
    with pytest.raises(UpslopeError, match=reason):
        upslope.evaluate(arguments, **settings)


def test_the_command(capsys):
    words = "evaluate Pendulum-v1 --planner mppi --episodes 2 --n_candidates 20 --horizon 5"
    assert main([*words.split(), "--env.time_limit", "10"]) == 0
    printed = capsys.readouterr().out
    assert "20 played, 4,000 simulated" in printed
    header = next(line for line in printed.splitlines() if line.startswith("seed"))
    assert header.split()[-1] == "length"  # no steps of training: no column of zeros


@pytest.mark.slow
def test_a_gamma_of_one_discounts_nothing(capsys):
    words = "evaluate Pendulum-v1 --planner random-shooting --episodes 2 --horizon 3"
    shown = []
    for gamma in ([], ["--gamma", "1.0"], ["--gamma", "none"]):
        assert main([*words.split(), "--env.time_limit", "5", *gamma]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1] == shown[2]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("Pendulum-v1 --planner cemm", "Did you mean 'cem'"),
        ("Pendulum-v1 --planner cem --n_elite 3", "--n-elites"),
        ("Pendulum-v1 --planner", "--planner needs a value"),
        ("--planner cem", "needs an environment"),
        ("gymnasium:Pendulum-v1 --planner cem", "whose dynamics no program can see"),
    ],
)
def test_command_errors(words, reason, capsys):
    assert main(["evaluate", *words.split()]) == 2
    assert reason in capsys.readouterr().err


def test_a_planner_that_does_not_see_the_state_says_what_it_needs():
    environment = Pendulum()
    actor = PlanningActor(MPPI(environment, n_candidates=4, horizon=2))
    _, observation = environment.reset(jax.random.key(0))
    with pytest.raises(UpslopeError, match=r"act in FullyObserved\(environment\)"):
        actor.act(jax.random.key(1), observation, actor.initial_memory())
