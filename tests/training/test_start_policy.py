"""A search that begins at a trained policy."""

import jax
import numpy as np
import pytest

from small_runs import InterruptAfter, Interruption, small_run, written
from upslope.cli.main import main
from upslope.cli.train_command import read_settings
from upslope.core.checks import StorageError, UpslopeError
from upslope.training.agent import load
from upslope.training.build import build
from upslope.training.config import resolve
from upslope.training.run import Run
from upslope.training.start_policy import start_agent, started_at
from upslope.training.train import resume

STILL = dict(learning_rate=1e-12, total_timesteps=128, evaluations=1)


def leaves(policy):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(policy)]


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A run with observation moments, whose best seed is not the first."""
    folder = tmp_path_factory.mktemp("first") / "run"
    for seed in range(7, 20):
        run = small_run("ppo", folder, total_timesteps=512, normalize_observations=True, seed=seed)
        if int(np.argmax(run.returns)) == 1:
            return folder
        folder = folder.with_name(f"run-{seed}")
    raise AssertionError


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["CartPole-v1", "gymnasium:CartPole-v1"])
def test_every_seed_begins_at_the_policy_of_the_best_seed(environment, first):
    """Learning next to nothing, it stays there; a fresh one is elsewhere."""
    options = dict(STILL, environment=environment, normalize_observations=True)
    options |= dict(workers=0) if ":" in environment else {}
    run = small_run("ppo", None, start_from=first, **options)
    best = load(first).policy
    moments = len(leaves(best)) - len(leaves(best.observation_moments))
    for seed in range(2):
        for ours, theirs in zip(leaves(run.policies), leaves(best), strict=True):
            if theirs.dtype == np.float32 and theirs.ndim == 2:
                np.testing.assert_allclose(ours[seed], theirs, atol=1e-7)
    assert 0 < moments < len(leaves(best))
    other = small_run("ppo", None, start_from=load(first, seed=0), **options)
    assert not np.allclose(leaves(other.policies)[0][0], leaves(best)[0], atol=1e-3)
    assert other.config.start_from.startswith("Agent(")


@pytest.mark.slow
def test_moments_go_on(first):
    run = small_run("ppo", None, start_from=first, normalize_observations=True, **STILL)
    before = float(load(first).policy.observation_moments.count)
    assert float(run.policies.observation_moments.count[0]) > before


@pytest.mark.slow
def test_a_killed_run_has_the_policy_that_it_began_at(first, tmp_path):
    """Also before its first checkpoint, and where the other run is gone."""
    options = dict(start_from=str(first), normalize_observations=True)
    small_run("ppo", tmp_path / "whole", **options)
    with pytest.raises(Interruption):
        small_run("ppo", tmp_path / "cut", InterruptAfter(1), **options)
    assert not (tmp_path / "cut" / "checkpoints").exists()
    moved = first.rename(first.with_name("moved"))
    try:
        resume(tmp_path / "cut")
        assert written(tmp_path / "cut") == written(tmp_path / "whole")
    finally:
        moved.rename(first)
    assert Run.load(tmp_path / "cut").config.start_from == str(first)


@pytest.mark.slow
def test_gradient_free_methods_begin_there_too(first):
    options = dict(normalize_observations=True, std=1e-9, total_timesteps=300, evaluations=1)
    with pytest.raises(UpslopeError, match="of another kind or size"):
        small_run("cem", None, start_from=first, **options)  # it has deterministic ones
    options["policy"] = "softmax"
    run = small_run("cem", None, start_from=first, **options)
    np.testing.assert_allclose(leaves(run.policies)[0][0], leaves(load(first).policy)[0], atol=1e-6)


@pytest.mark.slow
def test_the_command(first, tmp_path, capsys):
    words = [
        "train",
        "CartPole-v1",
        "ppo",
        "--start_from",
        str(first),
        "--out",
        str(tmp_path / "r"),
    ]
    words += ["--total_timesteps", "128", "--n_envs", "4", "--n_steps", "32", "--seeds", "1"]
    words += ["--evaluations", "1", "--final_episodes", "2", "--quiet", "--no-preset"]
    assert main(words) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "of another kind or size than the run's" in said
    assert "weight=[4, 8]" in said
    assert "weight=[4, 64]" in said
    assert main([*words, "--hidden", "8", "--normalize_observations"]) == 0
    assert (tmp_path / "r" / "start").is_dir()


@pytest.mark.slow
def test_what_does_not_fit_is_refused(first, tmp_path):
    agent = load(first)
    with pytest.raises(UpslopeError, match="observation space"):
        started_at(build(resolve("Acrobot-v1", "ppo")), agent)
    with pytest.raises(UpslopeError, match="of another kind or size"):
        started_at(build(resolve("CartPole-v1", "ppo", {"hidden": (8,)})), agent)
    with pytest.raises(UpslopeError, match="start_from=7: must be a run folder"):
        start_agent(7)
    with pytest.raises(StorageError):
        start_agent(tmp_path)


@pytest.mark.slow
def test_the_configuration_of_a_run_that_began_at_an_agent_begins_another(first, tmp_path):
    """In Python the agent has no name: its policy is in the run's folder `start/`."""
    options = dict(STILL, normalize_observations=True)
    small_run("ppo", tmp_path / "one", start_from=load(first, seed=0), **options)
    file = str(tmp_path / "one" / "config.yaml")
    assert read_settings(tmp_path / "one" / "config.yaml").settings["start_from"].endswith("start")
    assert main(["train", "--config", file, "--out", str(tmp_path / "two"), "--quiet"]) == 0
    again, before = Run.load(tmp_path / "two"), Run.load(tmp_path / "one")
    for ours, theirs in zip(leaves(again.policies), leaves(before.policies), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(UpslopeError, match="how a run records an agent"):
        start_agent(before.config.start_from)
