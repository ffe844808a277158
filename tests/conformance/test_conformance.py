"""Right code passes every case, each famous mistake fails and is named, and truths are true."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from upslope import exact
from upslope import testing as conformance
from upslope.core.checks import UpslopeError
from upslope.core.distributions import DiagonalGaussian, TanhGaussian
from upslope.environments import FiniteMDP
from upslope.estimators.trajectory.advantages import generalized_advantages
from upslope.objectives import DiscountedReturn, EpisodicReturn
from upslope.policies import TabularSoftmax
from upslope.testing.contract import slope
from upslope.testing.episodes import BEHAVIOR, ENVIRONMENTS, LOGITS, log_softmax

BUGS = [(name, bug) for name, contract in conformance.CONTRACTS.items() for bug in contract.bugs]


@pytest.mark.parametrize("name", conformance.CONTRACTS)
def test_right_code_passes(name):
    report = conformance.check(conformance.CONTRACTS[name].right, name, tolerance=1e-8)
    assert report.passed, str(report)
    report.raise_if_failed()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "bug"), BUGS, ids=[f"{n}: {b.name}" for n, b in BUGS])
def test_every_mistake_is_caught_and_called_by_its_name(name, bug):
    report = conformance.check(bug.wrong, name)
    assert not report.passed
    assert [found.name for found in report.resembles] == [bug.name]
    assert f"with this mistake: {bug.name}" in str(report)
    with pytest.raises(conformance.ConformanceError, match="WRONG"):
        report.raise_if_failed()
    worst = max(row.error for row in report.rows)
    assert worst > 20 * conformance.contract.TOLERANCE  # far from where rounding could hide it


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_truth_of_an_episode_is_the_exact_gradient(x64, name):
    """Central differences of the enumerated J against the exact layer."""
    world, _ = ENVIRONMENTS[name]
    transition = np.zeros((3, 2, 3))
    for state in (0, 1):
        for action in (0, 1):
            transition[state, action, world.successor[state][action]] = 1.0
    transition[2, :, 2] = 1.0
    ended = np.array([False, False, True])
    mdp = FiniteMDP(transition, np.vstack([world.reward, [0.0, 0.0]]), [1.0, 0.0, 0.0], ended)
    policy = TabularSoftmax(jnp.asarray(np.vstack([LOGITS, [0.0, 0.0]])))
    objective = DiscountedReturn(world.gamma) if world.gamma < 1 else EpisodicReturn()
    value, found = exact.value_and_gradient(policy, mdp, objective, world.horizon)
    np.testing.assert_allclose(world.objective(LOGITS), value, atol=1e-12)
    np.testing.assert_allclose(
        slope(world.objective, LOGITS), np.ravel(found.logits[:2]), atol=1e-8
    )


def test_chances_sum_to_one_and_both_policies_differ():
    for world, _ in ENVIRONMENTS.values():
        for logits in (LOGITS, BEHAVIOR):
            total = sum(world.probability(logits, steps) for steps in world.episodes())
            np.testing.assert_allclose(total, 1.0, atol=1e-12)
    assert np.max(np.abs(log_softmax(LOGITS) - log_softmax(BEHAVIOR))) > 0.1


def test_the_library_keeps_the_contracts_itself():
    def advantages(reward, value, next_value, terminated, truncated, gamma, gae_lambda):
        ended = terminated | truncated
        columns = (x[:, None] for x in (reward, value, next_value, terminated, ended))
        return generalized_advantages(*columns, gamma, gae_lambda)

    def gaussian(mean, log_std, action):
        return DiagonalGaussian(mean, log_std).log_prob(action)

    def squashed(mean, log_std, action):
        low, high = -np.ones(3), np.ones(3)
        return TanhGaussian(mean, log_std, low, high).log_prob(action)

    conformance.check(advantages, "advantages").raise_if_failed()
    conformance.check(gaussian, "log-probability").raise_if_failed()
    conformance.check(squashed, "squashed-log-probability").raise_if_failed()


def test_an_unknown_mistake_is_wrong_and_resembles_nothing():
    right = conformance.CONTRACTS["policy-gradient"].right
    report = conformance.check(lambda logits, batch: right(logits, batch) + 0.1, "policy-gradient")
    assert not report.passed
    assert report.resembles == ()
    assert "none of the known mistakes" in str(report)
    assert json.loads(json.dumps(report.to_dict()))["passed"] is False


def test_nan_is_wrong():
    report = conformance.check(lambda logits, batch: logits * math.nan, "policy-gradient")
    assert not report.passed
    assert all(row.error == math.inf for row in report.rows)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(UpslopeError, match="Did you mean 'advantages'"):
        conformance.check(lambda *_: 0.0, "advantage")
    with pytest.raises(UpslopeError, match="must give 4"):
        conformance.check(lambda logits, batch: logits[0], "policy-gradient")
    with pytest.raises(UpslopeError, match="tolerance"):
        conformance.check(lambda *_: 0.0, "advantages", tolerance=0.0)
    with pytest.raises(ZeroDivisionError):  # the function's own errors are its own
        conformance.check(lambda logits, batch: 1 / 0, "policy-gradient")


def test_the_page_lists_every_contract_and_every_mistake():
    page = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text()
    for contract in conformance.CONTRACTS.values():
        section = page.split(f"### `{contract.name}`")[1].split("\n### ")[0]
        assert contract.signature in section
        assert contract.says in section
        for bug in contract.bugs:
            assert f"| {bug.name} | {bug.seen} |" in section


@pytest.mark.slow
def test_it_runs_where_jax_is_not_loaded():
    program = (
        "import sys; from upslope import testing; testing.check; assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
