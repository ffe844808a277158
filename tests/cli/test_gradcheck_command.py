"""`upslope gradcheck`: table, files, exit codes, and what it refuses."""

import json
import os

import jax.numpy as jnp
import pytest

from upslope.cli.gradcheck_command import policy_of
from upslope.cli.main import main
from upslope.core.checks import UpslopeError
from upslope.core.tree import ravel_parameters
from upslope.environments import make
from upslope.policies import TabularSoftmax
from upslope.storage.policy_artifact import save_policy

QUICK = ["gradcheck", "short-corridor", "--estimators", "all-action,rloo", "--episodes", "800"]


@pytest.mark.slow
def test_a_table_and_a_file(capsys, tmp_path):
    path = tmp_path / "check.json"
    assert main([*QUICK, "--json", str(path), "--env.time-limit", "64"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 100
    assert "reference: exact" in text
    assert [line.split()[0] for line in text.splitlines()[4:6]] == ["all-action", "rloo"]
    report = json.loads(path.read_text())
    assert [row["name"] for row in report["rows"]] == ["all-action", "rloo"]
    assert report["rows"][0]["declaration"]["unbiased"] is True
    assert os.listdir(tmp_path) == ["check.json"]


@pytest.mark.slow
def test_the_objective_is_said_by_flags(capsys):
    assert main([*QUICK, "--gamma", "0.9"]) == 0
    assert "discounted objective" in capsys.readouterr().out


def test_a_saved_policy_is_used(tmp_path):
    world = make("short-corridor")
    logits = jnp.array([[[0.3, 0.0]], [[0.1, 0.4]]])
    spaces = {
        "observation_space": world.observation_space,
        "action_space": world.action_space,
    }
    save_policy(
        tmp_path / "policy",
        TabularSoftmax(logits),
        **spaces,
        environment={},
        extra={"final_returns": [-20.0, -12.0]},
        seeds=2,
    )
    found = policy_of(str(tmp_path), world, 0)
    assert (found.logits == logits[1]).all()  # the best seed's
    with pytest.raises(UpslopeError, match="does not fit"):
        policy_of(str(tmp_path), make("CartPole-v1"), 0)


@pytest.mark.slow
def test_a_kind_of_policy_is_drawn_at_random():
    world = make("CartPole-v1")
    one, other = policy_of("softmax", world, 0), policy_of("softmax", world, 1)
    assert type(one) is type(other)
    assert not jnp.array_equal(ravel_parameters(one)[0], ravel_parameters(other)[0])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("gradcheck", 2, "needs an environment"),
        ("gradcheck short-coridor", 2, "Did you mean 'short-corridor'?"),
        ("gradcheck short-corridor --estimators rlo", 2, "Did you mean 'rloo'?"),
        ("gradcheck short-corridor --estimator rloo", 2, "Did you mean --estimators?"),
        ("gradcheck short-corridor --episodes 0", 2, "episodes=0"),
        ("gradcheck short-corridor --policy tabular", 2, "tabular-softmax"),
        ("gradcheck short-corridor --policy runs/none", 5, "does not exist"),
        ("gradcheck short-corridor --json no/such/folder.json", 5, "does not exist"),
        ("gradcheck short-corridor --plot picture.txt", 2, "which format"),
        ("gradcheck gymnasium:CartPole-v1", 2, "a simulator"),
        ("gradcheck short-corridor --gamma 1.5", 2, "gamma"),
    ],
)
def test_bad_command_lines_are_one_clean_line(words, code, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("matplotlib") if "--plot" in words else None
    assert main(words.split()) == code
    printed = capsys.readouterr()
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1
    assert not os.listdir(tmp_path)


@pytest.mark.slow
def test_a_contradiction_ends_with_1(capsys, monkeypatch):
    from upslope.diagnostics import check_estimators
    from upslope.estimators import GroupRelative

    honest = GroupRelative.declaration.fget

    def boast(self):
        return honest(self)._replace(unbiased=True) if self.relative == "mean" else honest(self)

    monkeypatch.setattr(GroupRelative, "declaration", property(boast))
    table = check_estimators.TRAJECTORY_ESTIMATORS
    words = ["gradcheck", "short-corridor", "--estimators", "rloo", "--episodes", "40000"]
    with table.registered("rloo", lambda: GroupRelative(relative="mean")):
        assert main([*words, "--batch", "2"]) == 1
    text = capsys.readouterr().out
    assert "!!! rloo: declared unbiased for grad J, found biased" in text
