"""A search that begins at a policy somebody has trained, instead of a fresh one."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING

import equinox as eqx
import jax
from jax import Array

from upslope.core.annotations import PyTree
from upslope.core.checks import UpslopeError
from upslope.policies.policy import Policy
from upslope.training.agent import Agent, load

if TYPE_CHECKING:
    from gymnasium import spaces

    from upslope.engine.problem import Problem
    from upslope.training.build import Built


@dataclasses.dataclass(frozen=True, eq=False)
class StartPolicy:
    """Gives every seed the same policy to begin with.

    Attributes:
      policy: the trained one, its observation moments included.
    """

    policy: Policy

    def __call__(self, key: Array) -> Policy:
        """The policy; the key decides nothing."""
        return self.policy


def start_agent(start_from: object) -> Agent:
    """The agent whose policy a search begins at.

    Args:
      start_from: a run folder, of which the best seed is taken; a policy folder; an `Agent`.

    Raises:
      UpslopeError: something else.
      StorageError: no policy is there.
    """
    if isinstance(start_from, Agent):
        return start_from
    if isinstance(start_from, str) and start_from.startswith("Agent("):
        raise UpslopeError(
            f"start_from={start_from!r:.80} is how a run records an agent that Python passed in: "
            "give a run or policy folder instead (--start_from RUN); the run itself keeps the "
            "policy in its folder start/."
        )
    if isinstance(start_from, str | Path):
        return load(start_from)
    raise UpslopeError(
        f"train() got start_from={start_from!r:.80}: must be a run folder, a policy folder, or an "
        "agent: upslope.load(RUN, seed=2)."
    )


def started_at(built: Built, agent: Agent) -> Built:
    """What was built, with an agent's policy where the search begins.

    Raises:
      UpslopeError: the policy is for other spaces, or of another kind or size than the run's.
    """
    from upslope.training.build import same_kind

    pairs: tuple[tuple[str, spaces.Space, spaces.Space], ...] = (
        ("observation space", agent.observation_space, built.observation_space),
        ("action space", agent.action_space, built.action_space),
    )
    for name, have, want in pairs:
        if not same_kind(have, want):
            raise UpslopeError(
                f"train() got start_from with a policy for the {name} {have}; the environment's is "
                f"{want}. Start from a run in an environment with the same spaces."
            )
    problem: Problem = built.problem
    wanted = jax.eval_shape(problem.policy, jax.random.key(0))
    if shapes(agent.policy) != shapes(wanted):
        raise UpslopeError(
            f"train() got start_from with a policy of another kind or size than the run's:\n"
            f"  {described(agent.policy)}\n  {described(wanted)}\nGive the settings that it was "
            "trained with, such as policy, hidden, activation and normalize_observations."
        )
    assert isinstance(agent.policy, Policy)
    return built._replace(problem=problem._replace(policy=StartPolicy(agent.policy)))


def shapes(policy: PyTree) -> tuple[object, list[tuple[tuple[int, ...], str]]]:
    """The structure of a policy, static values included, and shapes and types of its arrays."""
    leaves, structure = jax.tree.flatten(policy)
    return structure, [(leaf.shape, str(leaf.dtype)) for leaf in leaves]


def described(policy: PyTree) -> str:
    """A policy with its parts, settings and sizes, on one line."""
    plain = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), policy)
    text = " ".join(eqx.tree_pformat(plain, width=10**6).split())
    return re.sub(r"ShapeDtypeStruct\(shape=\((.*?),?\), dtype=\w+\)", r"[\1]", text)
