"""Training in one environment, held-out episodes in another."""

import numpy as np
import pytest
from gymnasium import spaces

from small_runs import SMALL, InterruptAfter, Interruption, written
from upslope.cli.main import main
from upslope.core.checks import UpslopeError
from upslope.environments import ENVIRONMENTS, CartPole, DomainRandomization, Uniform
from upslope.training.build import same_kind
from upslope.training.run_folder import RunFolder
from upslope.training.train import evaluate, resume, train

TINY = dict(SMALL["ppo"], seeds=2, evaluations=2, evaluation_episodes=4, final_episodes=4, seed=3)
SHORT = {
    "evaluation_environment": "CartPole-v1",
    "evaluation_environment_settings": {"time_limit": 6},
}


def randomized():
    """CartPole with a pole of another length in each episode."""
    return DomainRandomization(CartPole(), {"half_length": Uniform(0.25, 1.0)})


@pytest.mark.slow
def test_held_out_episodes_are_played_where_it_is_said():
    plain = train("CartPole-v1", "ppo", **TINY)
    run = train("CartPole-v1", "ppo", **TINY, **SHORT)
    # Training is the same, to the bit; evaluations end at the other limit.
    np.testing.assert_array_equal(run.curves["return"], plain.curves["return"])
    assert max(e.lengths.max() for e in run.evaluations) == 6
    assert plain.evaluations[-1].lengths.max() > 6


@pytest.mark.slow
def test_a_policy_of_random_physics_is_evaluated_on_the_nominal_one():
    run = train(randomized(), "ppo", evaluation_environment=CartPole(time_limit=7), **TINY)
    assert run.config.evaluation_environment == "CartPole-v1"
    assert run.config.evaluation_environment_settings == {"time_limit": 7}
    assert (run.evaluations[-1].lengths <= 7).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trained", "evaluated"),
    [("CartPole-v1", "gymnasium:CartPole-v1"), ("gymnasium:CartPole-v1", "CartPole-v1")],
)
def test_a_simulator_and_a_jax_environment_stand_in_for_each_other(trained, evaluated):
    options = {**TINY, "workers": 0, "evaluation_environment": evaluated}
    run = train(trained, "ppo", **options, evaluation_environment_settings={"time_limit": 5})
    assert max(e.lengths.max() for e in run.evaluations) == 5


@pytest.mark.slow
def test_resume_and_evaluate_keep_it(tmp_path):
    with ENVIRONMENTS.registered("random-poles", randomized):
        options = dict(TINY, evaluations=3, **SHORT)
        train("random-poles", "ppo", out=tmp_path / "whole", **options)
        options["reporter"] = InterruptAfter(1)
        with pytest.raises(Interruption):
            train("random-poles", "ppo", out=tmp_path / "cut", **options)
        resume(tmp_path / "cut")
        assert written(tmp_path / "cut") == written(tmp_path / "whole")
        assert evaluate(tmp_path / "cut", episodes=4).lengths.max() == 6
        elsewhere = evaluate(tmp_path / "cut", episodes=4, environment="random-poles")
        assert elsewhere.lengths.max() > 6


@pytest.mark.slow
def test_the_command_line_takes_it(tmp_path):
    words = ["train", "CartPole-v1", "ppo", "--no-preset", "--seeds", "1", "--hidden", "4"]
    words += ["--n-envs", "2", "--n-steps", "16", "--batch-size", "32", "--total-timesteps", "64"]
    words += ["--evaluations", "1", "--final-episodes", "2", "--evaluation-episodes", "2"]
    words += ["--evaluation-environment", "gymnasium:CartPole-v1", "--workers", "0", "--quiet"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    config = RunFolder.open(tmp_path / "run", lock=False).config()
    assert config["evaluation_environment"] == "gymnasium:CartPole-v1"
    assert config["evaluation_environment_settings"] == {}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"evaluation_environment": "dyna-maze"}, "'dyna-maze', whose observation space is"),
        ({"evaluation_environment": "MountainCar-v0"}, "observation space is Box.*CartPole-v1 is"),
        ({"evaluation_environment": "CartPol-v1"}, "Did you mean 'CartPole-v1'"),
        ({"evaluation_environment_settings": {"time_limit": 3}}, "without evaluation_environment="),
        ({**SHORT, "evaluation_environment_settings": {"time_limt": 3}}, "no setting 'time_limt'"),
        ({**SHORT, "evaluation_environment_settings": 3}, "must be a table of settings"),
        ({"evaluation_environment": 3}, "must be a name"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_before_any_work(settings, message):
    with pytest.raises(UpslopeError, match=message):
        train("CartPole-v1", "ppo", **TINY, **settings)


def test_trees_of_spaces_are_compared_by_their_parts():
    box, discrete = spaces.Box(-1, 1, (3,)), spaces.Discrete(3)
    one = spaces.Dict(a=box, b=discrete)
    assert same_kind(one, spaces.Dict(b=discrete, a=spaces.Box(-2, 2, (3,))))
    assert not same_kind(one, spaces.Dict(a=box))
    assert not same_kind(one, spaces.Dict(a=box, b=spaces.Discrete(4)))
    assert not same_kind(one, spaces.Tuple((box, discrete)))
    assert same_kind(spaces.Tuple((box, one)), spaces.Tuple((box, one)))
    assert not same_kind(spaces.Tuple((box, one)), spaces.Tuple((box, box)))
