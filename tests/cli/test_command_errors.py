"""Bad command lines: one clean line, the nearest name, the right exit code."""

import shlex
import subprocess
import sys

import pytest

from upslope.cli.main import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("trian CartPole-v1", "Did you mean 'train'?"),
        ("train CartPol-v1", "Did you mean 'CartPole-v1'?"),
        ("train CartPol-v1 --help", "Did you mean 'CartPole-v1'?"),
        ("train gymnasium:CartPol-v1 --help", "Did you mean 'CartPole-v1'?"),
        ("train brx:ant ppo -h", "Did you mean 'brax:ant'?"),
        ("train gymnasium:CartPole-v1 ppo --env.time-limit [1", "--env.time-limit got '[1'"),
        ("train gymnasium:CartPole-v1 --env.a=!!python/name:os", "--env.a got"),
        ("train CartPole-v1 pop", "Did you mean 'ppo'?"),
        ("train CartPole-v1 ppo --lr 1e-3", "Did you mean --learning-rate?"),
        ("train CartPole-v1 ppo --num_envs 4", "Did you mean --n-envs?"),
        ("train CartPole-v1 cem --popsize=4", "Did you mean --population-size?"),
        ("train CartPole-v1 --env.half-lenght 1", "Did you mean --env.half-length?"),
        ("train CartPole-v1 ppo extra", "unexpected argument 'extra' (flags start with --)"),
        ("train --method ppo CartPole-v1 extra", "unexpected argument 'extra'"),
        ("train gymnasium:CartPole-v1 ppo --env.a 1 2", "unexpected argument '2'"),
        ("train", "needs an environment"),
        ("train PPO", "PPO is a method: upslope train needs the environment before it"),
        ("train sac", "such as upslope train CartPole-v1 sac. Known ones"),
        ("train CartPole-v1 --n-envs -1", "n_envs=-1"),
        ("train CartPole-v1 --seeds 0", "seeds=0"),
        ("train CartPole-v1 --learning-rate nan", "finite"),
        ("train CartPole-v1 --gamma 1.5", "gamma=1.5"),
        ("train CartPole-v1 --batch-size 100000", "batch_size=100000"),
        ("show pop", "Did you mean 'ppo' or"),
        ("list method-s", "Did you mean 'methods'?"),
        ("list", "takes one name"),
        ("evaluate", "needs a run folder"),
        ("evaluate Pendulum-v1", "is an environment, and upslope evaluate takes a run folder"),
        ("evaluate Pendulum-v1", "upslope evaluate Pendulum-v1 --planner NAME"),
        ("evaluate Blackjack-v1", "train first, upslope train Blackjack-v1."),
        ("resume Blackjack-v1", "train first, upslope train Blackjack-v1."),
        ("train CartPole-v1 --config", "needs a value"),
        ("train CartPole-v1 ppo --n-envs x", "--n-envs got 'x': must be a whole number."),
        ("train CartPole-v1 --n-envs", "--n-envs needs a value: a whole number."),
        ("train CartPole-v1 --learning-rate x", "must be a number. All flags: upslope train"),
        ("train CartPole-v1 --horizon 9", "Objectives with a horizon: episodic."),
        ("train CartPole-v1 cem --horizon 1.5", "must be a whole number or none."),
        ("train CartPole-v1 --hidden 64 x", "must be whole numbers, such as 64 64."),
        ("train CartPole-v1 --policy softmacks", "Did you mean 'softmax'?"),
        ("train CartPole-v1 --objective disounted", "Did you mean 'discounted'?"),
        ("train CartPole-v1 --learning-rate-schedule lineal", "Did you mean 'linear'?"),
        ("train CartPole-v1 --workers two", "must be a whole number or auto."),
        ("train CartPole-v1 --env.gravity=x", "--env.gravity got 'x': must be a number."),
        ("train CartPole-v1 ppo --foo 1", "All flags: upslope train CartPole-v1 ppo --help"),
        ("train CartPole-v1 --foo 1", "All flags: upslope train CartPole-v1 ppo --help"),
        ("resume --foo 1", "All flags: upslope resume --help"),
        (
            "evaluate Pendulum-v1 --planner cem --foo 1",
            "All flags: upslope evaluate Pendulum-v1 --planner cem --help",
        ),
        ("show Ant-v999", "Did you mean 'Ant-v5'?"),
        ("show gymnasium:CartPol-v1", "Did you mean 'CartPole-v1'?"),
    ],
)
def test_bad_input_is_one_clean_line_and_exit_code_2(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1
    assert "Traceback" not in printed.err
    assert printed.out == ""
    assert not list(tmp_path.glob("runs/*/*/policy"))


@pytest.mark.parametrize(
    "words",
    ["train CartPole-v1 ppo", "resume", "evaluate", "evaluate Pendulum-v1 --planner cem"],
)
def test_the_help_that_an_error_names_is_there(words, capsys):
    assert main([*words.split(), "--foo"]) == 2
    command = shlex.split(capsys.readouterr().err.split("All flags: ")[1])
    assert command[0] == "upslope"
    assert main(command[1:]) == 0
    assert capsys.readouterr().out.startswith("usage: upslope")


def test_a_folder_with_a_space_is_quoted_in_what_is_to_be_typed(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "my runs" / "one"
    run.mkdir(parents=True)
    (run / "status.json").write_text("{}")
    assert main(["train", "CartPole-v1", "--quiet", "--out", "my runs/one"]) == 5
    error = capsys.readouterr().err.strip()
    assert shlex.split(error.split("in it: ")[1]) == ["upslope", "resume", "my runs/one"]


def test_what_is_no_run_folder_is_a_storage_error_that_names_the_newest_run(
    capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "CartPole-v1" / "ppo-1"
    run.mkdir(parents=True)
    (run / "status.json").write_text("{}")
    for command in ("evaluate", "resume"):
        assert main([command, "runs/nothing"]) == 5
        error = capsys.readouterr().err
        assert "does not exist" in error
        assert "runs/CartPole-v1/ppo-1" in error


def test_a_policy_that_does_not_fit_the_actions_names_those_that_do(capsys, tmp_path):
    out = str(tmp_path / "run")
    assert main(["train", "CartPole-v1", "--policy", "gaussian", "--quiet", "--out", out]) == 2
    printed = capsys.readouterr()
    assert "does not fit" in printed.err
    assert "softmax" in printed.err
    assert printed.out == ""


@pytest.mark.parametrize("name", ["CartPole-v1", "gymnasium:CartPole-v1", "Blackjack-v1"])
def test_a_known_environment_has_a_help_text(name, capsys):
    assert main(["train", name, "--help"]) == 0
    assert "--total-timesteps" in capsys.readouterr().out


def test_traceback_is_shown_on_request():
    with pytest.raises(ValueError, match="Unknown method"):
        main(["train", "CartPole-v1", "pop", "--traceback"])


def test_an_interrupt_before_anything_is_saved_ends_with_130(capsys, monkeypatch):
    from upslope.cli import commands

    def interrupted(words, began):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "train", interrupted)
    assert main(["train", "CartPole-v1"]) == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.slow
def test_help_and_version_do_not_import_jax():
    code = (
        "import sys; from upslope.cli.main import main\n"
        "assert main(['--help']) == 0 and main(['--version']) == 0\n"
        "assert 'jax' not in sys.modules and 'numpy' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "upslope train CartPole-v1" in done.stdout
