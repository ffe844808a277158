"""From a configuration to the objects it names."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jax import Array

from upslope.core.annotations import PyTree
from upslope.core.checks import UpslopeError, check_number
from upslope.engine.problem import Problem
from upslope.environments import ENVIRONMENTS, make
from upslope.environments.adaptors.gymnasium import GIVEN, GymnasiumSpec
from upslope.environments.environment import Environment
from upslope.environments.environment_contract import check_environment
from upslope.environments.factory import known
from upslope.objectives import OBJECTIVES
from upslope.policies import POLICIES, default_policy
from upslope.policies.default import shapes_of
from upslope.policies.policy import Policy
from upslope.sampling.experience import Dynamics, EpisodeReturns
from upslope.sampling.jax_sampler import refuse_endless
from upslope.search import METHODS
from upslope.search.score import check_score
from upslope.search.search_method import ProblemSpec, SearchMethod
from upslope.search.wrappers.wrapped import wrapped, wrapper_settings
from upslope.training.config import RunConfig
from upslope.training.settings import choose, settings_of
from upslope.training.two_players import searched_and_held_out

if TYPE_CHECKING:
    from gymnasium import spaces


@dataclasses.dataclass(frozen=True)
class NewPolicy:
    """A fresh policy from a key; equal to others that give the same.

    Attributes:
      observation_space: what it reads.
      action_space: what it gives.
      kind: a registered name; None for the one that fits.
      settings: of the kind.
      factory: what the name stands for.
    """

    observation_space: spaces.Space
    action_space: spaces.Space
    kind: str | None
    settings: dict[str, Any]
    factory: Callable[..., Policy] | None = None

    def __call__(self, key: Array) -> Policy:
        """The policy; the key is consumed."""
        return default_policy(
            key, self.observation_space, self.action_space, kind=self.kind, **self.settings
        )

    def __hash__(self) -> int:
        return hash((str(self.observation_space), str(self.action_space), self.kind))


class Built(NamedTuple):
    """A problem, the spaces of its environment, and where its policies are evaluated."""

    problem: Problem
    observation_space: spaces.Space
    action_space: spaces.Space
    evaluation_environment: Environment | GymnasiumSpec


def with_known_dynamics(
    environment: Environment | GymnasiumSpec, method: SearchMethod
) -> Environment | GymnasiumSpec:
    """The environment; for a method of known dynamics the MDP of a simulator's table instead."""
    if isinstance(environment, GymnasiumSpec) and isinstance(method.experience, Dynamics):
        from upslope.environments.adaptors.toy_text import finite_mdp_of, has_table

        if has_table(environment):
            return finite_mdp_of(environment)
    return environment


def build(
    config: RunConfig,
    environment: Environment | GymnasiumSpec | None = None,
    evaluation_environment: Environment | GymnasiumSpec | None = None,
) -> Built:
    """The environment, the policy factory, the method and the objective of a configuration.

    Args:
      config: resolved.
      environment: used instead of the one that is named.
      evaluation_environment: likewise.

    Raises:
      UpslopeError: anything that does not fit, before any work starts.
      EnvironmentContractError: a JAX environment whose `reset` or `step` is not as it has to be.
    """
    if environment is None:
        environment = known(config.environment, **config.environment_settings)
    method = method_of(config)
    environment = with_known_dynamics(environment, method)
    environment, evaluated = searched_and_held_out(
        config.method, method, environment, config.opponent
    )
    observation_space, action_space = spaces_of(environment)
    objective = OBJECTIVES.get(config.objective)(**config.objective_settings)
    kind = config.policy
    if kind is None:
        kind = method.defaults.policy
    policy_settings = dict(config.policy_settings)
    if "hidden" in policy_settings:
        hidden = policy_settings["hidden"]
        if not isinstance(hidden, list | tuple):
            raise UpslopeError(
                f"A policy got hidden={hidden!r}: it must be the sizes of the hidden layers, such "
                "as (64, 64)."
            )
        policy_settings["hidden"] = tuple(hidden)
        for size in policy_settings["hidden"]:
            check_number("A policy", "hidden", size, at_least=1, integer=True)

    factory = None if kind is None else POLICIES.get(kind)
    policy = NewPolicy(observation_space, action_space, kind, policy_settings, factory)
    # What does not fit the spaces is said before any work.
    shapes = jax.eval_shape(policy, jax.random.key(0))
    check_score(config.method, method, shapes, kind)
    if isinstance(environment, Environment):
        check_environment(environment)
        refuse_endless(environment, method.experience, objective)
    method = method.configure(
        ProblemSpec(
            observation=observation_shapes(environment, observation_space),
            observation_space=observation_space,
            action_space=action_space,
            policy=shapes,
            objective=objective,
            environment=environment if isinstance(environment, Environment) else None,
        )
    )
    if isinstance(environment, Environment):
        environment = method.sampled_in(environment)
    problem = Problem(environment, policy, method, objective)
    if evaluation_environment is None and config.evaluation_environment is None:
        return Built(problem, observation_space, action_space, held_out(evaluated))
    if evaluation_environment is None:
        assert config.evaluation_environment is not None
        settings = config.evaluation_environment_settings
        evaluation_environment = known(config.evaluation_environment, **settings)
    if isinstance(evaluation_environment, Environment):
        check_environment(evaluation_environment)
    check_same_spaces(config, (observation_space, action_space), spaces_of(evaluation_environment))
    return Built(problem, observation_space, action_space, held_out(evaluation_environment))


def held_out(environment: Environment | GymnasiumSpec) -> Environment | GymnasiumSpec:
    """What held-out episodes are played in: an Atari game ends with the game, not with a life."""
    return environment.held_out() if isinstance(environment, GymnasiumSpec) else environment


def method_of(config: RunConfig) -> SearchMethod:
    """The method of a configuration, not yet fitted to its policy.

    Raises:
      UpslopeError: settings that make no sense.
    """
    target = METHODS.get(config.method)
    own = settings_of(target)
    settings = choose(config.method_settings, own)
    if "total_timesteps" in own:
        settings["total_timesteps"] = float(config.total_timesteps)
    wrappers = choose(config.method_settings, set(wrapper_settings(target)) - set(own))
    return wrapped(target(**settings), **wrappers)


def observation_shapes(environment: object, space: spaces.Space) -> PyTree:
    """Shapes and types of one observation."""
    if isinstance(environment, Environment):
        return jax.eval_shape(environment.reset, jax.random.key(0))[1]
    return shapes_of(space)


def tries_populations(config: RunConfig) -> bool:
    """Whether an iteration is many candidates, which cores can share. No error is raised here."""
    try:
        return isinstance(method_of(config).experience, EpisodeReturns)
    except UpslopeError:
        return False


def name_of(environment: object) -> tuple[str, dict[str, Any]]:
    """The name and the settings from which `make` builds this very environment again.

    An environment that no name stands for gets one that `make` does not know, so that going on
    with its run is refused instead of going on in another environment.
    """
    name = str(getattr(environment, "name", type(environment).__name__))
    if isinstance(environment, GymnasiumSpec):
        return name, environment.settings or {}
    if not isinstance(environment, Environment) or name not in ENVIRONMENTS:
        return f"{GIVEN}:{name}", {}
    if ENVIRONMENTS.get(name) is type(environment):
        usual = settings_of(type(environment))
        settings = {
            setting: value
            for setting, default in usual.items()
            if isinstance(value := getattr(environment, setting), int | float | str | None)
            and value != default
        }
        if eqx.tree_equal(make(name, **settings), environment) is True:
            return name, settings
    return f"{GIVEN}:{type(environment).__name__}", {}


def spaces_of(environment: Any) -> tuple[spaces.Space, spaces.Space]:
    """Observation and action space as policies see them."""
    if isinstance(environment, Environment):
        return environment.observation_space, environment.action_space
    from upslope.sampling.simulators.gymnasium_spaces import policy_spaces

    return policy_spaces(environment)


def check_same_spaces(
    config: RunConfig,
    training: tuple[spaces.Space, spaces.Space],
    evaluation: tuple[spaces.Space, spaces.Space],
) -> None:
    """Refuses an evaluation environment whose observations or actions are of other kinds.

    Raises:
      UpslopeError: names both spaces.
    """
    names = ("observation space", "action space")
    for name, want, have in zip(names, training, evaluation, strict=True):
        if not same_kind(have, want):
            raise UpslopeError(
                f"train() got evaluation_environment={config.evaluation_environment!r}, whose "
                f"{name} is {have}; that of {config.environment_title} is {want}: policies are "
                "evaluated where observations and actions have the same shapes. Choose such an "
                "environment."
            )


def same_kind(have: spaces.Space, want: spaces.Space) -> bool:
    """Whether a policy for one space can be used with another: only bounds may differ."""
    parts, others = getattr(have, "spaces", None), getattr(want, "spaces", None)
    if isinstance(parts, Mapping) and isinstance(others, Mapping):
        return parts.keys() == others.keys() and all(
            same_kind(part, others[name]) for name, part in parts.items()
        )
    if isinstance(parts, tuple) and isinstance(others, tuple):
        return len(parts) == len(others) and all(map(same_kind, parts, others))
    counts = [
        [np.asarray(getattr(space, name, ())).tolist() for name in ("n", "nvec")]
        for space in (have, want)
    ]
    return type(have) is type(want) and have.shape == want.shape and counts[0] == counts[1]
