"""Physics that are drawn anew in each episode."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.core import Tracer
from jaxtyping import Float

from upslope.core.annotations import Action, EnvironmentState, Key, Observation
from upslope.core.checks import UpslopeError, check_table, nearest
from upslope.core.records import Step
from upslope.environments.environment import Environment
from upslope.environments.wrappers.physics_distributions import PhysicsDistribution
from upslope.environments.wrappers.wrapper import Wrapper

# Separates the draw of the physics from whatever the environment's own reset does with its key.
PHYSICS_STREAM = 0x7A11D0


class RandomizedState(NamedTuple):
    """The state of an environment whose physics were drawn."""

    # What this episode's environment has in the place of its own numbers.
    physics: dict[str, Float[Array, " ..."]]
    state: EnvironmentState  # the environment's own state


class DomainRandomization(Wrapper):
    """The same environment with other physics in each episode.

    `reset` draws the numbers, the state carries them, and `step` uses them: they are constant
    within an episode and independent across episodes. An environment that is randomised with zero
    width is the nominal environment, bit for bit. Spaces, action bounds and time limit are the
    nominal environment's. A policy that is trained in it is good on average over the physics:

        domain = DomainRandomization(make("Pendulum-v1"), {"mass": LogUniform(0.5, 2.0)})
        upslope.train(domain, "ppo")

    Attributes:
      environment: the nominal one.
      distributions: the name of a number of the environment to what it is drawn from. A number
        that is an array is drawn entry by entry. A dot leads into a wrapped environment
        ("environment.mass").

    Raises:
      UpslopeError: a name that the environment does not have (the nearest is offered), something
        that is not a distribution, or a distribution that reaches values the environment refuses.

    References:
      Tobin et al. (2017), "Domain Randomization for Transferring Deep Neural Networks from
      Simulation to the Real World"; Peng et al. (2018), "Sim-to-Real Transfer of Robotic Control
      with Dynamics Randomization".
    """

    name: ClassVar[str] = "DomainRandomization"
    distributions: dict[str, PhysicsDistribution]

    def __init__(
        self, environment: Environment, distributions: Mapping[str, PhysicsDistribution]
    ) -> None:
        self.environment = environment
        self.distributions = check_table("DomainRandomization", "distributions", distributions)

    def __check_init__(self) -> None:
        known = physics_names(self.environment)
        for name, distribution in self.distributions.items():
            if name not in known:
                guess = nearest(name, known)
                hint = f" Did you mean {guess!r}?" if guess else ""
                raise UpslopeError(
                    f"DomainRandomization got distributions for {name!r}, which is no number of "
                    f"{type(self.environment).__name__}.{hint} Its numbers: {', '.join(known)}."
                )
            if not isinstance(distribution, PhysicsDistribution):
                raise UpslopeError(
                    f"DomainRandomization got {name}={distribution!r:.80}: it must be a Uniform, "
                    "LogUniform, Normal or Choice."
                )
            self._check_support(name, distribution)

    def _check_support(self, name: str, distribution: PhysicsDistribution) -> None:
        *path, field = name.split(".")
        owner = functools.reduce(getattr, path, self.environment)
        low, high = distribution.support()
        if field not in owner.positive or isinstance(low, Tracer) or float(low) > 0:
            return
        raise UpslopeError(
            f"DomainRandomization got a {type(distribution).__name__} for {name} that reaches from "
            f"{float(low):g} to {float(high):g}: {type(owner).__name__}.{field} must be above 0. "
            "Raise its lower end (low=...)."
        )

    def reset(self, key: Key) -> tuple[RandomizedState, Observation]:
        # The environment resets with the key itself, so that zero width is the nominal episode.
        physics = self.draw(jax.random.fold_in(key, PHYSICS_STREAM))
        state, observation = self.with_physics(physics).reset(key)
        return RandomizedState(physics, state), observation

    def step(
        self, key: Key, state: RandomizedState, action: Action
    ) -> tuple[RandomizedState, Step]:
        inner, out = self.with_physics(state.physics).step(key, state.state, action)
        return RandomizedState(state.physics, inner), out

    def draw(self, key: Key) -> dict[str, Float[Array, " ..."]]:
        """One episode's physics by name. The key is consumed."""
        keys = jax.random.split(key, max(len(self.distributions), 1))
        drawn = {}
        for key, (name, distribution) in zip(keys, self.distributions.items(), strict=False):
            leaf = jnp.asarray(_leaf(self.environment, name))
            drawn[name] = distribution.sample(key, leaf.shape).astype(leaf.dtype)
        return drawn

    def with_physics(self, physics: Mapping[str, Any]) -> Environment:
        """The environment with these numbers in the place of its own."""
        if not physics:
            return self.environment
        names = list(physics)
        return eqx.tree_at(
            lambda environment: [_leaf(environment, name) for name in names],
            self.environment,
            [physics[name] for name in names],
        )


def physics_names(environment: Environment, prefix: str = "") -> list[str]:
    """The names of an environment's floating-point leaves, those of wrapped ones with a dot."""
    found = []
    for field in dataclasses.fields(environment):
        value = getattr(environment, field.name)
        if field.metadata.get("static", False):
            continue
        if isinstance(value, Environment):
            found += physics_names(value, f"{prefix}{field.name}.")
        elif isinstance(value, float) or (
            eqx.is_array_like(value)
            and not isinstance(value, bool | int)
            and jnp.issubdtype(jnp.result_type(value), jnp.floating)
        ):
            found.append(prefix + field.name)
    return found


def _leaf(environment: Environment, name: str) -> Any:
    return functools.reduce(getattr, name.split("."), environment)
