"""Builders of policies without a score: rules, trees, controllers and open-loop motions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upslope.core.annotations import Key
from upslope.policies.heads import PointHead
from upslope.policies.heads.by_action import decision_head
from upslope.policies.rules.decision_tree import DecisionTree
from upslope.policies.rules.finite_state_controller import FiniteStateController
from upslope.policies.rules.open_loop import SineGait, SplineMotion
from upslope.policies.rules.threshold_rule import ThresholdRule
from upslope.policies.spaces import ActionShape, action_shape, observation_shape

if TYPE_CHECKING:
    from gymnasium import spaces


def threshold(
    key: Key, observation_space: spaces.Space, action_space: spaces.Space
) -> ThresholdRule:
    """A random direction, with thresholds around zero."""
    obs, act = observation_shape(observation_space), action_shape(action_space)
    if act.kind == "discrete":
        return ThresholdRule(key, obs.size, act.nvec[0], categories=obs.categories)
    return ThresholdRule(key, obs.size, 0, act.shape, act.low, act.high, obs.categories)


def decision_tree(
    key: Key,
    observation_space: spaces.Space,
    action_space: spaces.Space,
    *,
    depth: int = 2,
    oblique: bool = False,
) -> DecisionTree:
    """A full tree of random questions.

    Args:
      depth: how many questions are asked.
      oblique: whether a question weighs all of the observation, not one entry.
    """
    obs, head = observation_shape(observation_space), decision_head(action_shape(action_space))
    return DecisionTree(key, obs.size, head, depth, oblique, obs.categories)


def finite_state_controller(
    key: Key, observation_space: spaces.Space, action_space: spaces.Space, *, nodes: int = 4
) -> FiniteStateController:
    """Random tables.

    Args:
      nodes: states of its memory.
    """
    obs, head = observation_shape(observation_space), decision_head(action_shape(action_space))
    return FiniteStateController(key, obs.size, head, nodes, obs.categories)


def sine_gait(
    key: Key, observation_space: spaces.Space, action_space: spaces.Space, *, period: float = 20.0
) -> SineGait:
    """Half amplitude, random phases.

    Args:
      period: steps of one swing at the beginning; it is a parameter.
    """
    head = _numbers(action_shape(action_space))
    return SineGait(key, head, period)


def spline(
    key: Key,
    observation_space: spaces.Space,
    action_space: spaces.Space,
    *,
    knots: int = 6,
    period: int = 30,
) -> SplineMotion:
    """Random knots.

    Args:
      knots: how many points the curve goes through.
      period: steps for one round.
    """
    head = _numbers(action_shape(action_space))
    return SplineMotion(key, head, knots, period)


def _numbers(act: ActionShape) -> PointHead:
    head = decision_head(act)
    assert isinstance(head, PointHead)
    return head
