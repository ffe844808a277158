"""From a configuration to the objects it names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
from jax import Array

from upslope.core.checks import check_number
from upslope.environments import make
from upslope.environments.environment import Environment
from upslope.objectives import OBJECTIVES
from upslope.policies import default_policy
from upslope.policies.policy import Policy
from upslope.sampling.collections import EpisodeReturns
from upslope.search import METHODS
from upslope.training.config import RunConfig
from upslope.training.problem import Problem
from upslope.training.settings import settings_of

if TYPE_CHECKING:
    from gymnasium import spaces


class Built(NamedTuple):
    """A problem and the spaces of its world."""

    problem: Problem
    observation_space: spaces.Space
    action_space: spaces.Space


def build(config: RunConfig, world: Any = None) -> Built:
    """The world, the policy factory, the method and the objective of a configuration.

    Args:
      config: resolved.
      world: an environment to use instead of the one that is named.

    Raises:
      UpslopeError: anything that does not fit, before any work starts.
    """
    if world is None:
        world = make(config.environment, **config.environment_settings)
    observation_space, action_space = spaces_of(world)
    target = METHODS.get(config.method)
    settings = dict(config.method_settings)
    if "total_timesteps" in settings_of(target):
        settings["total_timesteps"] = float(config.total_timesteps)
    method = target(**settings)
    objective = OBJECTIVES.get(config.objective)(**config.objective_settings)
    kind = config.policy
    if kind is None and isinstance(method.collection, EpisodeReturns):
        kind = "deterministic"
    policy_settings = dict(config.policy_settings)
    if "hidden" in policy_settings:
        policy_settings["hidden"] = tuple(policy_settings["hidden"])
        for size in policy_settings["hidden"]:
            check_number("A policy", "hidden", size, at_least=1, integer=True)

    def policy(key: Array) -> Policy:
        return default_policy(key, observation_space, action_space, kind=kind, **policy_settings)

    # What does not fit the spaces is said before any work.
    method = method.for_policy(jax.eval_shape(policy, jax.random.key(0)))
    return Built(Problem(world, policy, method, objective), observation_space, action_space)


def spaces_of(world: Any) -> tuple[spaces.Space, spaces.Space]:
    """Observation and action space as policies see them: flat where the world's are not."""
    if isinstance(world, Environment):
        return world.observation_space, world.action_space
    from upslope.sampling.gymnasium_spaces import policy_spaces

    return policy_spaces(world)
