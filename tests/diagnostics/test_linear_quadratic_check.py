"""The gradient check on linear-quadratic systems, whose gradient is exact as well."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from upslope import gradcheck
from upslope.diagnostics import check_estimators
from upslope.diagnostics.check_policies import drawn_policy, near
from upslope.environments.linear_quadratic import LinearQuadratic
from upslope.estimators import LikelihoodRatio, NoBaseline
from upslope.exact import linear_controller


class Unstarted(LikelihoodRatio):
    """Wrong: twice the gradient, as from an objective that counts cost and its negative."""

    def estimate(self, *arguments, **settings):
        found = super().estimate(*arguments, **settings)
        return found._replace(gradient=jax.tree.map(lambda leaf: 2 * leaf, found.gradient))


@pytest.mark.slow
def test_estimators_are_held_to_the_exact_gradient_of_a_linear_system():
    world = LinearQuadratic(A=[[0.9, 0.2], [0.0, 0.7]], time_limit=6)
    report = gradcheck(
        world,
        estimators={"right": LikelihoodRatio(), "wrong": Unstarted(NoBaseline())},
        episodes=20_000,
        batch=8,
    )
    assert report.exact
    assert np.all(report.reference_error == 0)
    right, wrong = (next(row for row in report.rows if row.name == name) for name in
                    ("right", "wrong"))  # fmt: skip
    assert right.verdict.consistent
    assert not wrong.verdict.consistent


@pytest.mark.slow
def test_what_gives_no_numbers_is_left_out_and_named_when_all_are_tried(monkeypatch):
    """Perturbed policies of a violent system overflow; the others keep their rows.

    All are three here: what is left out does not hang on how many there are.
    """
    names = ["reinforce", "leave-one-out-baseline", "evolution-strategy"]
    monkeypatch.setattr(check_estimators, "estimator_names", lambda: names)
    world = LinearQuadratic(A=[[1.0]], B=[[1000.0]], time_limit=14)
    report = gradcheck(world, episodes=400, batch=8)
    assert "NaN or infinity" in report.left_out["evolution-strategy"]
    assert {"reinforce", "leave-one-out-baseline"} <= {row.name for row in report.rows}


@pytest.mark.slow
def test_policies_of_a_check_keep_the_system_stable():
    world = LinearQuadratic()  # unstable by itself
    for seed in range(4):
        policy = drawn_policy(jax.random.key(seed), world, 300, "gaussian-linear")
        for one in (policy, near(jax.random.key(9), policy, world, 300)):
            gain = np.asarray(linear_controller(one, world).gain)[:, :-1]
            radius = np.max(np.abs(np.linalg.eigvals(np.asarray(world.A) + gain)))
            assert radius < 1.0
        assert np.any(gain != 0)
