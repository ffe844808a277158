"""The policies of a gradient check: where the gradient is taken, and one beside it."""

from __future__ import annotations

from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.checks import UpslopeError
from upslope.core.tree import ravel_parameters
from upslope.environments.environment import Environment
from upslope.environments.linear_quadratic import LinearQuadratic
from upslope.objectives.objective import AverageReward, Objective
from upslope.policies.bodies import LinearBody
from upslope.policies.default import default_policy
from upslope.policies.heads import GaussianHead
from upslope.policies.network import NetworkPolicy
from upslope.policies.policy import Policy

P = TypeVar("P", bound=Policy)

# How far the parameters of a check lie from a fresh policy's, which is often too symmetric to tell
# right from wrong; and how far those of the policy that off-policy estimators are tried on.
SPREAD, DISTANCE = 0.5, 0.2
# Beyond so many parameters both are divided by the root of their excess: a network's outputs would
# saturate.
FEW = 100
# Of so many draws the one is taken whose gradient is of middling length.
DRAWS = 9


def start_policy(key: Array, environment: Environment, objective: Objective, limit: int) -> Policy:
    """The default policy of an environment's spaces, off the symmetric point where it starts.

    On finite MDPs it is one of several draws, neither near an optimum, where no relative bias can
    be seen, nor where episodes never end. The key is consumed.
    """
    fresh_key, noise_key = jax.random.split(key)
    if not is_finite(environment):
        kind = "gaussian-linear" if isinstance(environment, LinearQuadratic) else None
        return drawn_policy(key, environment, limit, kind)
    policy = default_policy(fresh_key, environment.observation_space, environment.action_space)
    from upslope import exact

    draws = [moved(noise, policy) for noise in jax.random.split(noise_key, DRAWS)]
    lengths = [
        float(
            jnp.linalg.norm(ravel_parameters(exact.gradient(p, environment, objective, limit))[0])
        )
        for p in draws
    ]
    return draws[int(np.argsort(lengths)[DRAWS // 2])]


def drawn_policy(key: Array, environment: Environment, limit: int, kind: str | None) -> Policy:
    """A random policy of a kind. The key is consumed.

    A linear one of a linear-quadratic system stands about seven tenths of the way to the best gain
    where there is one: from random gains most systems explode.
    """
    fresh_key, noise_key = jax.random.split(key)
    policy = default_policy(
        fresh_key, environment.observation_space, environment.action_space, kind=kind
    )
    if isinstance(environment, LinearQuadratic) and is_linear_gaussian(policy):
        from upslope import exact

        try:
            gain = exact.optimal_control(environment, AverageReward()).gain
            policy = eqx.tree_at(lambda p: p.body.layer.weight, policy, 0.7 * gain.T)
        except UpslopeError:  # nothing stabilises it
            pass
    return moved(noise_key, policy, SPREAD, environment, limit)


def is_linear_gaussian(policy: Policy) -> bool:
    """Whether a policy is a Gaussian around a linear mean."""
    return (
        isinstance(policy, NetworkPolicy)
        and isinstance(policy.body, LinearBody)
        and isinstance(policy.head, GaussianHead)
    )


def is_finite(environment: Environment) -> bool:
    """Whether an environment is a finite MDP, or has one underneath."""
    return hasattr(environment, "finite_mdp") or environment.name == "finite-mdp"


def moved(
    key: Array,
    policy: P,
    distance: float = SPREAD,
    environment: Environment | None = None,
    limit: int = 1,
) -> P:
    """A policy with normal random numbers added to its parameters. The key is consumed.

    In a linear-quadratic system the distance is halved until the closed loop is stable, or, if it
    was not before, its states grow at most ten times as far in an episode as they did.
    """
    theta, unravel = ravel_parameters(policy)
    distance = distance / max(theta.size / FEW, 1.0) ** 0.5
    noise = jax.random.normal(key, theta.shape, theta.dtype)
    if isinstance(environment, LinearQuadratic):
        bound = max(_growth(policy, environment, limit) + np.log(10.0), 0.0)
        while _growth(unravel(theta + distance * noise), environment, limit) > bound:
            distance = distance / 2
    return unravel(theta + distance * noise)


def _growth(policy: Policy, environment: LinearQuadratic, limit: int) -> float:
    """The logarithm of how many times larger a state becomes within an episode."""
    slope = jax.jacfwd(lambda x: policy(x).mode().reshape(-1))(jnp.zeros(environment.A.shape[-1]))
    radius = np.max(np.abs(np.linalg.eigvals(np.asarray(environment.A + environment.B @ slope))))
    return float(limit * np.log(max(radius, 1e-6)))


def near(key: Array, policy: P, environment: Environment, limit: int) -> P:
    """A policy close to another: the behaviour that off-policy estimators are tried on.

    Closer for linear systems, where every step of a long episode adds to the spread of the weights.
    """
    if isinstance(environment, LinearQuadratic):
        return moved(key, policy, DISTANCE / (4 * limit**0.5), environment, limit)
    return moved(key, policy, DISTANCE, environment, limit)


def check_scores(policy: Policy, environment: Environment) -> None:
    """Raises where a policy of a finite MDP gives an action the probability zero.

    Raises:
      UpslopeError: which action of which state. Its score would be undefined if it were taken, and
        estimators that divide by probabilities or sum over actions meet it without that.
    """
    if getattr(policy, "has_memory", False) or not is_finite(environment):
        return
    from upslope import exact

    table = np.asarray(exact.policy_table(policy, environment))
    live = ~np.asarray(exact.as_finite_mdp(environment).terminal)
    zero = np.argwhere((table <= 0) & live[:, None])
    if len(zero):
        state, action = zero[0]
        raise UpslopeError(
            f"The policy gives action {action} the probability 0 in state {state}: its score, the "
            "gradient of log 0, is undefined there. Give every action some probability."
        )
