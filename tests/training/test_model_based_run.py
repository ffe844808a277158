"""Runs of model-based search: what is saved acts again, and parts have flags of their own."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import upslope
from upslope.cli.main import main
from upslope.cli.train_command import read_request
from upslope.core.checks import UpslopeError
from upslope.environments import LinearQuadratic
from upslope.planning import LQR
from upslope.search.model_based.background import PolicySearchInModel
from upslope.training.build import build
from upslope.training.config import resolve

SMALL = dict(
    total_timesteps=40,
    n_steps=20,
    learning_starts=20,
    seeds=2,
    evaluations=1,
    final_episodes=2,
    buffer_size=64,
    model="ensemble",
    model_settings={"n_members": 2, "hidden": [4], "n_batches": 2, "batch_size": 8},
    planner="random-shooting",
    planner_settings={"n_candidates": 4, "horizon": 3},
)


@pytest.mark.slow
def test_a_planner_and_its_model_are_saved_and_act_again(tmp_path):
    run = upslope.train("Pendulum-v1", "model-based", out=tmp_path / "run", progress=False, **SMALL)
    agent = upslope.load(tmp_path / "run", seed=1)
    observation = np.array([1.0, 0.0, 0.0], np.float32)
    action, _ = agent.predict(observation, deterministic=True)
    assert -2.0 <= float(action[0]) <= 2.0
    saved = jax.tree.leaves(agent.policy)
    kept = jax.tree.leaves(jax.tree.map(lambda leaf: leaf[1], run.policies))
    assert len(saved) == len(kept)
    for a, b in zip(saved, kept, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    again = upslope.evaluate(tmp_path / "run", episodes=2)
    assert again.returns.shape == (2, 2)
    assert np.isfinite(again.returns).all()


@pytest.mark.slow
def test_a_linear_system_is_identified_and_controlled_at_the_optimal_cost():
    """Within 1 % of the optimal cost, exactly, for every seed."""
    system = LinearQuadratic(
        A=[[1.0, 0.1], [-0.2, 0.9]],
        B=[[0.0], [0.5]],
        noise_factor=0.1 * np.eye(2),
        initial_factor=np.eye(2),
        time_limit=50,
    )
    run = upslope.train(
        system,
        "model-based",
        model="linear-gaussian",
        planner="lqr",
        total_timesteps=3000,
        n_steps=250,
        epsilon=0.2,
        seeds=3,
        evaluations=1,
        final_episodes=2,
        progress=False,
    )
    start = jnp.zeros(2)
    best = expected_cost(system, LQR(system).plan(jax.random.key(0), start, ()).extras)
    for seed in range(3):
        planner = jax.tree.map(lambda leaf: leaf[seed], run.policies).planner  # noqa: B023
        law = planner.plan(jax.random.key(0), start, ()).extras
        assert 0.99 * best <= expected_cost(system, law) <= 1.01 * best
    wrong = LQR(eqx.tree_at(lambda it: it.B, system, 3.0 * system.B))
    law = wrong.plan(jax.random.key(0), start, ()).extras
    assert expected_cost(system, law) > 1.01 * best


def expected_cost(system: LinearQuadratic, law) -> float:
    """Of u = K x + k over all steps, by the recursion of mean and covariance."""
    a, b, q, r, noise, initial = (
        np.asarray(leaf, float)
        for leaf in (
            *(system.A, system.B, system.Q, system.R),
            *(system.noise_factor, system.initial_factor),
        )
    )
    gain, offset = np.asarray(law.gain, float), np.asarray(law.offset, float)
    mean, covariance, cost = np.zeros(len(a)), initial @ initial.T, 0.0
    for _ in range(system.time_limit):
        second = covariance + np.outer(mean, mean)
        control = gain @ mean + offset
        cost += np.trace(q @ second) + np.trace(r @ gain @ covariance @ gain.T)
        cost += control @ r @ control
        mean = a @ mean + b @ control
        closed = a + b @ gain
        covariance = closed @ covariance @ closed.T + noise @ noise.T
    return cost


def test_parts_have_flags_of_their_own():
    request = read_request(
        ["Pendulum-v1", "model-based", "--planner", "mppi", "--planner.horizon", "7"]
    )
    settings = request.config.method_settings
    assert settings["planner"] == "mppi"
    assert settings["planner_settings"] == {"horizon": 7}  # the preset's were of another planner
    assert settings["model_settings"]["noise"] is False  # and its model stays
    kept = read_request(["Pendulum-v1", "model-based", "--planner.horizon", "7"])
    merged = kept.config.method_settings["planner_settings"]
    assert merged["horizon"] == 7
    assert merged["n_candidates"] == 40


def test_the_settings_of_the_presets_part_go_with_it():
    """Named alone, another planner has its own defaults."""
    other = resolve("CartPole-v1", "model-based", {"planner": "ppo"}).method_settings
    assert "planner_settings" not in other
    same = resolve("CartPole-v1", "model-based", {"planner": "cma-es"}).method_settings
    assert same["planner_settings"]["population_size"] == 16


def test_a_policy_without_score_is_for_what_follows_none():
    """The preset of CartPole searches for a deterministic policy; ppo in the model cannot."""
    small = {"total_timesteps": 100, "seeds": 1, "progress": False}
    with pytest.raises(UpslopeError, match="ppo follows the gradient of log pi"):
        upslope.train("CartPole-v1", "model-based", planner="ppo", **small)
    built = build(resolve("CartPole-v1", "model-based"))
    assert isinstance(built.problem.method.way, PolicySearchInModel)


def test_the_help_shows_the_presets_settings_of_its_own_parts_alone(capsys):
    """n_candidates is 40 for the preset's iCEM, and MPPI's own default for MPPI."""
    for planner, shown in (("icem", "of the preset: 40"), ("mppi", "default: 400")):
        words = ["train", "Pendulum-v1", "model-based", "--planner", planner, "--help"]
        assert main(words) == 0
        text = " ".join(capsys.readouterr().out.replace("│", " ").split())
        assert shown in text.split("--planner.n-candidates")[1].split("--planner.")[0]


def test_wrong_parts_are_refused_with_what_there_is(capsys):
    assert main(["train", "Pendulum-v1", "model-based", "--planner", "icemm"]) == 2
    assert "icem" in capsys.readouterr().err
    assert main(["train", "Pendulum-v1", "model-based", "--planner.horizn", "3"]) == 2
    assert "--planner.horizon" in capsys.readouterr().err
    with pytest.raises(UpslopeError, match="planner_settings"):
        resolve("Pendulum-v1", "model-based", {"planner_settings": 3})
    with pytest.raises(UpslopeError, match="n_candidates"):
        upslope.train(
            "Pendulum-v1", "model-based", progress=False, planner_settings={"n_candidate": 3}
        )
