"""A method from outside the library is treated as the library's own are."""

import ast
import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

import upslope
from upslope.search import METHODS
from upslope.search.gradient.ppo import PPO
from upslope.training.build import build
from upslope.training.config import resolve

SOURCE = Path(upslope.__file__).parent
NAMES = {entry.name for entry in METHODS}


class MyPPO(PPO):
    """PPO, written elsewhere."""


@pytest.fixture
def registered():
    with METHODS.registered("my-ppo", MyPPO, "PPO, written elsewhere"):
        yield "my-ppo"


SETTINGS = {"n_envs": 2, "n_steps": 16, "batch_size": 8, "n_epochs": 2, "hidden": (8,)}


def test_it_is_configured_as_ours_is(registered):
    ours = resolve("CartPole-v1", "ppo", SETTINGS, use_preset=False)
    theirs = resolve("CartPole-v1", registered, SETTINGS, use_preset=False)
    assert dataclasses.replace(theirs, method="ppo") == ours
    assert theirs.objective == "discounted"
    of_ours, of_theirs = build(ours).problem.method, build(theirs).problem.method
    assert type(of_theirs) is MyPPO
    assert vars(of_theirs) == vars(of_ours)


@pytest.mark.slow
def test_it_trains_the_same_numbers(registered):
    brief = {
        **SETTINGS,
        "total_timesteps": 96,
        "seeds": 2,
        "seed": 5,
        "evaluations": 1,
        "evaluation_episodes": 2,
        "final_episodes": 2,
    }

    def numbers(name, **changed):
        done = upslope.train("CartPole-v1", name, use_preset=False, **{**brief, **changed})
        return jax.tree.leaves(done.policies)

    ours, theirs = numbers("ppo"), numbers(registered)
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)
    others = numbers(registered, learning_rate=1e-2)
    assert any(not np.array_equal(a, b) for a, b in zip(ours, others, strict=True))


def comparisons(source):
    """Comparisons of anything with a registered method's name, as lines of `source`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        sides = []
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            sides = [node.value]
        inside = [
            part
            for side in sides
            for part in (side, *getattr(side, "elts", getattr(side, "keys", ())))
        ]
        if any(isinstance(p, ast.Constant) and p.value in NAMES for p in inside):
            found.append(node.lineno if hasattr(node, "lineno") else 0)
    return found


@pytest.mark.parametrize(
    "wrong",
    ['method == "ppo"', 'config.method in ("reinforce", "ppo")', '"cma-es" != name'],
)
def test_a_comparison_with_a_name_is_found(wrong):
    assert comparisons(wrong) == [1]


def test_nothing_depends_on_the_name_of_a_method():
    found = [
        f"{path.relative_to(SOURCE)}:{line}"
        for path in sorted(SOURCE.rglob("*.py"))
        for line in comparisons(path.read_text(encoding="utf-8"))
    ]
    assert not found, found
