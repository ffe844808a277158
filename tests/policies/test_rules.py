"""Policies without a score: what they decide, that they survive files, and who may search them."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

import upslope
from upslope.core.checks import UpslopeError
from upslope.environments import ShortCorridor
from upslope.objectives import EpisodicReturn
from upslope.policies import default_policy
from upslope.policies.heads import ModeHead, PointHead, SoftmaxHead
from upslope.policies.registry import RULES
from upslope.policies.rules.decision_tree import DecisionTree
from upslope.policies.rules.open_loop import SineGait, SplineMotion
from upslope.policies.rules.threshold_rule import ThresholdRule
from upslope.sampling.episode_returns import sample_returns
from upslope.storage.serialization import describe, rebuild
from upslope.training.build import build
from upslope.training.config import resolve

KEY = jax.random.key(0)


def with_leaves(policy, **leaves):
    for name, value in leaves.items():
        new = jnp.asarray(value, getattr(policy, name).dtype)
        policy = eqx.tree_at(lambda p, name=name: getattr(p, name), policy, new)
    return policy


def tree(oblique):
    """Root: x0 > 0.5? left: x1 > 0? right: -x2 > 1, that is x2 < -1?"""
    policy = DecisionTree(KEY, 3, ModeHead(SoftmaxHead(4)), 2, oblique)
    weight = [[2.0, 0.1, 0.0], [0.0, 3.0, -0.2], [0.3, 0.0, -1.5]]
    return with_leaves(policy, weight=weight, threshold=[0.5, 0.0, 1.0], leaf=np.eye(4))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("x", "leaf"),
    [
        ([0.4, -1.0, 9.0], 0),
        ([0.4, 1.0, 9.0], 1),
        ([0.6, 5.0, -0.9], 2),
        ([0.6, 5.0, -1.1], 3),
    ],
)
def test_a_tree_asks_its_questions(x, leaf):
    policy = tree(oblique=False)
    assert int(policy.leaf_of(jnp.array(x))) == leaf
    assert int(policy(jnp.array(x)).mode()) == leaf


def test_oblique_questions_use_all_numbers():
    x = jnp.array([0.24, 5.0, 0.0])  # 2 * 0.24 + 0.5 > 0.5, though 0.24 < 0.5
    assert int(tree(oblique=True).leaf_of(x)) in (2, 3)
    assert int(tree(oblique=False).leaf_of(x)) in (0, 1)


def test_thresholds_order_the_choices_whatever_order_they_are_in():
    policy = ThresholdRule(KEY, 2, 3)
    policy = with_leaves(policy, weight=[1.0, -1.0], threshold=[1.0, -1.0])
    for score, action in ((-2.0, 0), (0.0, 1), (2.0, 2)):
        assert int(policy(jnp.array([score, 0.0])).mode()) == action
    bang = ThresholdRule(KEY, 2, 0, (2, 1), (-2.0, 0.0), (2.0, 5.0))
    bang = with_leaves(bang, weight=[[1.0, 0.0], [0.0, 1.0]], threshold=[0.0, 3.0])
    np.testing.assert_allclose(bang(jnp.array([0.1, 2.0])).mode(), [[2.0], [0.0]])


@pytest.mark.slow
def test_a_machine_leaves_the_corridor_by_the_shortest_way():
    """Right, left, right without seeing anything: no rule of the observation can do it."""
    seen, done = spaces.Discrete(1), spaces.Discrete(2)
    policy = default_policy(KEY, seen, done, kind="finite-state-controller", nodes=3)
    bias = np.full((3, 3), -1.0)
    bias[0, 1] = bias[1, 2] = bias[2, 0] = 1.0  # from 0 through 1 and 2 and round again
    right, left = [0.0, 1.0], [1.0, 0.0]
    policy = with_leaves(policy, move=np.zeros((3, 3, 1)), bias=bias, action=[right, right, left])
    one = jax.tree.map(lambda leaf: leaf[None], policy)
    returns, _ = sample_returns(KEY, ShortCorridor(), one, EpisodicReturn(), 4, 50)
    np.testing.assert_allclose(returns.returns, -3.0)


def test_a_gait_swings_with_its_period():
    gait = SineGait(KEY, PointHead((2,)), period=8.0)
    gait = with_leaves(gait, offset=[0.5, -1.0], amplitude=[1.0, 2.0], phase=[0.0, 0.25])
    memory, seen = gait.initial_memory(), []
    for _ in range(17):
        acts, memory = gait(jnp.zeros(5), memory)
        seen.append(np.asarray(acts.mode()))
    seen = np.array(seen)
    t = np.arange(17) / 8
    np.testing.assert_allclose(seen[:, 0], 0.5 + np.sin(2 * np.pi * t), atol=1e-5)
    np.testing.assert_allclose(seen[:, 1], -1 + 2 * np.cos(2 * np.pi * t), atol=1e-5)


def test_a_spline_passes_its_knots_and_closes():
    motion = SplineMotion(KEY, PointHead((1,)), knots=5, period=20)
    motion = with_leaves(motion, knots=[[0.0], [1.0], [3.0], [2.0], [-1.0]])
    steps = jnp.arange(41)
    path = jax.vmap(motion.motion)(steps)[:, 0]
    np.testing.assert_allclose(path[0:20:4], [0.0, 1.0, 3.0, 2.0, -1.0], atol=1e-5)
    np.testing.assert_allclose(path[20:40], path[:20], atol=1e-5)
    fine = np.asarray(jax.vmap(motion.motion)(jnp.arange(0, 20, 1e-3)))[:, 0]
    slope = np.diff(fine) / 1e-3
    assert np.max(np.abs(np.diff(slope))) < 0.05  # no corner at any knot


@pytest.mark.slow
@pytest.mark.parametrize("kind", RULES)
def test_rules_survive_files_and_are_trained_from_the_command_line(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = upslope.train(
        "MountainCarContinuous-v0", "cem", policy=kind, use_preset=False, seeds=1,
        population_size=4, n_elites=2, episodes_per_candidate=1, total_timesteps=4000,
        evaluations=1, final_episodes=2,
    )  # fmt: skip
    policy = jax.tree.map(lambda leaf: leaf[0], run.policies)
    description, arrays = describe(policy)
    again = rebuild(description, {k: np.asarray(v) for k, v in arrays.items()})
    assert eqx.tree_equal(again, policy)


@pytest.mark.parametrize("method", ["ppo", "reinforce"])
@pytest.mark.parametrize("kind", ["deterministic", "decision-tree", "finite-state-controller"])
def test_methods_that_follow_scores_refuse_them_before_any_work(kind, method):
    with pytest.raises(UpslopeError, match="has none: its actions jump"):
        build(resolve("CartPole-v1", method, {"policy": kind}))
    normalized = {"policy": "deterministic", "normalize_observations": True}
    with pytest.raises(UpslopeError, match="cma-es"):
        build(resolve("CartPole-v1", method, normalized))


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("decision-tree", {"depth": 0}, "depth"),
        ("finite-state-controller", {"nodes": 0}, "nodes"),
        ("sine-gait", {"period": 0.0}, "period"),
        ("spline", {"knots": 2}, "knots"),
        ("spline", {"period": 1}, "period"),
    ],
)
def test_bad_sizes_are_named(kind, settings, said):
    with pytest.raises(UpslopeError, match=said):
        default_policy(KEY, spaces.Box(-1, 1, (3,)), spaces.Box(-1, 1, (2,)), kind=kind, **settings)
