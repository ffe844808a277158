"""The policies of a gradient check: where the gradient is taken, and one beside it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.checks import UpslopeError
from upslope.core.tree import ravel_parameters
from upslope.environments.environment import Environment
from upslope.objectives.objective import Objective
from upslope.policies.default import default_policy

# How far the parameters of a check lie from a fresh policy's, which is often too symmetric to tell
# right from wrong; and how far those of the policy that off-policy estimators are tried on.
SPREAD, DISTANCE = 0.5, 0.2
# Beyond so many parameters both are divided by the root of their excess: a network's outputs would
# saturate.
FEW = 100
# Of so many draws the one is taken whose gradient is of middling length.
DRAWS = 9


def start_policy(key: Array, world: Environment, objective: Objective, limit: int) -> Any:
    """The default policy of a world's spaces, off the symmetric point where it starts.

    On finite MDPs it is one of several draws, neither near an optimum, where no relative bias can
    be seen, nor where episodes never end. The key is consumed.
    """
    fresh_key, noise_key = jax.random.split(key)
    policy = default_policy(fresh_key, world.observation_space, world.action_space)
    if not is_finite(world):
        return moved(noise_key, policy)
    from upslope import exact

    draws = [moved(noise, policy) for noise in jax.random.split(noise_key, DRAWS)]
    lengths = [
        float(jnp.linalg.norm(ravel_parameters(exact.gradient(p, world, objective, limit))[0]))
        for p in draws
    ]
    return draws[int(np.argsort(lengths)[DRAWS // 2])]


def is_finite(world: Any) -> bool:
    """Whether a world is a finite MDP, or has one underneath."""
    return hasattr(world, "finite_mdp") or world.name == "finite-mdp"


def moved(key: Array, policy: Any, distance: float = SPREAD) -> Any:
    """A policy with normal random numbers added to its parameters. The key is consumed."""
    theta, unravel = ravel_parameters(policy)
    distance = distance / max(theta.size / FEW, 1.0) ** 0.5
    return unravel(theta + distance * jax.random.normal(key, theta.shape, theta.dtype))


def near(key: Array, policy: Any) -> Any:
    """A policy close to another: the behaviour that off-policy estimators are tried on."""
    return moved(key, policy, DISTANCE)


def check_scores(policy: Any, world: Environment) -> None:
    """Raises where a policy of a finite MDP gives an action the probability zero.

    Raises:
      UpslopeError: which action of which state. Its score would be undefined if it were taken, and
        estimators that divide by probabilities or sum over actions meet it without that.
    """
    if getattr(policy, "has_memory", False) or not is_finite(world):
        return
    from upslope import exact

    table = np.asarray(exact.policy_table(policy, world))
    live = ~np.asarray(exact.as_finite_mdp(world).terminal)
    zero = np.argwhere((table <= 0) & live[:, None])
    if len(zero):
        state, action = zero[0]
        raise UpslopeError(
            f"The policy gives action {action} the probability 0 in state {state}: its score, the "
            "gradient of log 0, is undefined there. Give every action some probability."
        )
