"""Agents of every family of policies, with random parameters, for the tests of exporting."""

from __future__ import annotations

import inspect

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from upslope.core.moments import Moments
from upslope.exporting import Exportable
from upslope.exporting.observations import draw_observations
from upslope.policies import POLICIES, NormalizedPolicy, default_policy
from upslope.training.agent import Agent

VECTOR = spaces.Box(-2, 2, (3,), np.float32)
MASKED = spaces.Dict(
    {
        "hand": spaces.MultiDiscrete([2, 3]),
        "arm": spaces.Tuple([VECTOR, spaces.Discrete(4, start=-1)]),
        "screen": spaces.Box(0, 255, (2, 2), np.uint8),
        "action_mask": spaces.MultiBinary(3),
    }
)
OBSERVATIONS = {
    "state": spaces.Discrete(5, start=2),
    "vector": VECTOR,
    "tree": spaces.Dict({k: v for k, v in MASKED.items() if k != "action_mask"}),
    "masked": MASKED,
    "image": spaces.Box(0, 255, (10, 9, 3), np.uint8),
}
ACTIONS = {
    "discrete": spaces.Discrete(3, start=1),
    "box": spaces.Box(-np.inf, np.inf, (2,)),
    "bounded": spaces.Box(np.float32([[-1], [0]]), np.float32([[0.5], [2]])),
    "multi-discrete": spaces.MultiDiscrete([2, 4]),
    "multi-binary": spaces.MultiBinary(3),
}
# Observation, action, kind: every kind of policy, every kind of observation, every head.
FAMILIES = [
    ("state", "discrete", "tabular-softmax"),
    ("vector", "discrete", "linear-softmax"),
    ("vector", "discrete", "softmax"),
    ("vector", "multi-discrete", "multi-softmax"),
    ("vector", "multi-binary", "bernoulli"),
    ("vector", "box", "gaussian-linear"),
    ("vector", "bounded", "gaussian"),
    ("vector", "bounded", "squashed-gaussian"),
    ("vector", "bounded", "beta"),
    ("vector", "discrete", "deterministic"),
    ("vector", "bounded", "deterministic-linear"),
    ("vector", "discrete", "threshold"),
    ("vector", "discrete", "decision-tree"),
    ("vector", "discrete", "finite-state-controller"),
    ("vector", "bounded", "sine-gait"),
    ("vector", "box", "spline"),
    ("vector", "discrete", "recurrent"),
    ("tree", "bounded", "recurrent"),
    ("masked", "discrete", "softmax"),
    ("masked", "discrete", "decision-tree"),
    ("image", "discrete", "convolutional"),
]
SMALL = {"hidden": (6, 5), "dense_size": 6, "out_gain": 1.0}


def random_agent(observation: str, action: str, kind: str, normalized: bool = False) -> Agent:
    """An agent of a kind, every parameter moved away from where it begins."""
    seen, act = OBSERVATIONS[observation], ACTIONS[action]
    takes = inspect.signature(POLICIES.get(kind)).parameters
    settings = {name: value for name, value in SMALL.items() if name in takes}
    policy = default_policy(jax.random.key(0), seen, act, kind=kind, **settings)
    leaves, structure = jax.tree.flatten(policy)
    noise = np.random.default_rng(0)
    moved = [leaf + jnp.asarray(0.3 * noise.normal(size=leaf.shape), leaf.dtype) for leaf in leaves]
    policy = jax.tree.unflatten(structure, moved)
    if normalized:
        batch = draw_observations(seen, 40, noise)
        policy = NormalizedPolicy(policy, Moments.of(jax.tree.map(jnp.asarray, batch)))
    return Agent(policy, seen, act)


def exportable(
    observation: str, action: str, kind: str, normalized: bool = False, sampled: bool = False
) -> Exportable:
    """What a format encodes."""
    return Exportable(random_agent(observation, action, kind, normalized), "a policy", sampled)
