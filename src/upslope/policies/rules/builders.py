"""Builders of policies without a score: rules, trees, machines, motions. See `builders`."""

from __future__ import annotations

from typing import Any

from jax import Array

from upslope.policies.builders import decision_head
from upslope.policies.heads import PointHead
from upslope.policies.rules.decision_tree import DecisionTree
from upslope.policies.rules.finite_state_controller import FiniteStateController
from upslope.policies.rules.open_loop import SineGait, SplineMotion
from upslope.policies.rules.threshold_rule import ThresholdRule
from upslope.policies.spaces import ActionShape, action_shape, observation_shape


def threshold(key: Array, observation_space: Any, action_space: Any) -> ThresholdRule:
    """A random direction, with thresholds around zero."""
    seen, done = observation_shape(observation_space), action_shape(action_space)
    if done.kind == "discrete":
        return ThresholdRule(key, seen.size, done.nvec[0], categories=seen.categories)
    return ThresholdRule(key, seen.size, 0, done.shape, done.low, done.high, seen.categories)


def decision_tree(
    key: Array, observation_space: Any, action_space: Any, *, depth: int = 2, oblique: bool = False
) -> DecisionTree:
    """A full tree of random questions."""
    seen, head = observation_shape(observation_space), decision_head(action_shape(action_space))
    return DecisionTree(key, seen.size, head, depth, oblique, seen.categories)


def finite_state_controller(
    key: Array, observation_space: Any, action_space: Any, *, nodes: int = 4
) -> FiniteStateController:
    """Random tables."""
    seen, head = observation_shape(observation_space), decision_head(action_shape(action_space))
    return FiniteStateController(key, seen.size, head, nodes, seen.categories)


def sine_gait(
    key: Array, observation_space: Any, action_space: Any, *, period: float = 20.0
) -> SineGait:
    """Half amplitude, random phases."""
    seen, head = observation_shape(observation_space), _numbers(action_shape(action_space))
    return SineGait(key, seen.size, head, period, seen.categories)


def spline(
    key: Array, observation_space: Any, action_space: Any, *, knots: int = 6, period: int = 30
) -> SplineMotion:
    """Random knots."""
    seen, head = observation_shape(observation_space), _numbers(action_shape(action_space))
    return SplineMotion(key, seen.size, head, knots, period, seen.categories)


def _numbers(done: ActionShape) -> PointHead:
    head = decision_head(done)
    assert isinstance(head, PointHead)
    return head
