"""Whether what was exported acts as `predict` does."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import numpy as np

from upslope.core.annotations import Memory, Observation
from upslope.core.checks import UpslopeError
from upslope.exporting.exportable import Exportable, start_of
from upslope.exporting.format import Call
from upslope.exporting.observations import draw_observations
from upslope.policies.twin.actor import TwinActor
from upslope.policies.twin.heads import TwinMode
from upslope.training.observation_reader import ObservationReader

TOLERANCE = 1e-5
STEPS, EPISODES = 20, 50  # 1,000 observations


class Agreement(NamedTuple):
    """What the comparison found.

    Attributes:
      observations: how many were compared.
      difference: the largest difference of actions and memories, in units of the largest number
        among them where that is above 1.
      ties: observations on which two actions are equally good within the tolerance, and the
        exported policy takes the other one.
    """

    observations: int
    difference: float
    ties: int


def check_agreement(
    name: str, call: Call, policy: Exportable, *, steps: int = STEPS, episodes: int = EPISODES
) -> Agreement:
    """Compares a decoded policy with `predict` on drawn observations, in batches and alone.

    With a memory the observations are `steps` in a row, and at each step both read the memory of
    `predict`, so that an error cannot hide behind an earlier one.

    Args:
      name: of the format, for the error.
      call: what was decoded.
      policy: that was exported.
      steps: in a row.
      episodes: side by side.

    Raises:
      UpslopeError: they differ by more than 1e-5.
    """
    agent, generator = policy.agent, np.random.default_rng(0)
    moments = agent.policy.observation_moments
    largest, ties, state = 0.0, 0, None
    for step in range(steps):
        batch = draw_observations(agent.observation_space, episodes, generator, moments)
        expected, after = agent.predict(batch, state, deterministic=True)
        found = call(batch, state)
        difference, tied = compared(name, found, (expected, after), policy, batch, state)
        largest, ties = max(largest, difference), ties + tied
        if step == 0:  # a batch of one is another shape to compilers
            first = jax.tree.map(lambda leaf: leaf[:1], batch)
            compared(
                name,
                call(first, None),
                agent.predict(first, None, deterministic=True),
                policy,
                first,
                None,
            )
        state = after
    return Agreement(steps * episodes, largest, ties)


def compared(
    name: str,
    found: tuple[Any, Memory],
    expected: tuple[Any, Memory],
    policy: Exportable,
    batch: Observation,
    state: Memory | None,
) -> tuple[float, int]:
    """The difference of one batch, and how many ties were decided otherwise."""
    action, wanted = np.asarray(found[0]), np.asarray(expected[0])
    if action.shape != wanted.shape:
        raise disagreement(name, f"actions of shape {action.shape} for {wanted.shape}")
    rows = np.zeros(len(wanted), bool)
    if wanted.dtype.kind in "iub":
        other = (action != wanted).reshape(len(wanted), -1).any(axis=1)
        rows = other & tied(policy, batch, state, action, wanted)
        if (other & ~rows).any():
            count = int((other & ~rows).sum())
            raise disagreement(name, f"other actions on {count} of {len(wanted)} observations")
        difference = 0.0
    else:
        difference = relative(name, action, wanted)
    for ours, theirs in zip(jax.tree.leaves(found[1]), jax.tree.leaves(expected[1]), strict=True):
        difference = max(difference, relative(name, np.asarray(ours), np.asarray(theirs)))
    return difference, int(rows.sum())


def relative(name: str, found: np.ndarray, wanted: np.ndarray) -> float:
    """The largest difference, in units of the largest number where that is above 1."""
    scale = max(1.0, float(np.abs(wanted.astype(float)).max(initial=0.0)))
    apart = np.abs(found.astype(float) - wanted.astype(float))
    largest = float(apart.max(initial=0.0)) / scale
    if not largest <= TOLERANCE:  # NaN included
        raise disagreement(name, f"a difference of {largest:.2g}")
    return largest


def tied(
    policy: Exportable,
    batch: Observation,
    state: Memory | None,
    action: np.ndarray,
    wanted: np.ndarray,
) -> np.ndarray:
    """Booleans [B]: whether both actions have the same preference up to the tolerance."""
    twin = policy.agent.policy.numpy()
    nothing = np.zeros(len(wanted), bool)
    if not isinstance(twin, TwinActor):
        return nothing
    while isinstance(twin.head, TwinMode):
        twin = dataclasses.replace(twin, head=twin.head.head)
    read, n, _ = ObservationReader(policy.agent.observation_space)(batch)
    memory = twin.initial_memory(n) if state is None else state
    logits = twin.parameters(read, memory)[0].get("logits")
    if logits is None:
        return nothing
    start = start_of(policy.agent.action_space)
    start = 0 if start is None else start
    if isinstance(logits, tuple):  # several choices
        one, other = (action - start).T, (wanted - start).T
        return np.all([close(*part) for part in zip(logits, one, other, strict=True)], axis=0)
    if logits.shape == wanted.shape:  # switches: on above zero
        return np.all(
            ((np.abs(logits) <= TOLERANCE) | (action == wanted)).reshape(len(wanted), -1), axis=1
        )
    return close(logits, action - start, wanted - start)


def close(logits: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Booleans [B]: whether two choices have equal logits up to the tolerance."""
    row, last = np.arange(len(logits)), logits.shape[1] - 1
    here, there = logits[row, np.clip(one, 0, last)], logits[row, other]
    equal = np.abs(here - there) <= TOLERANCE * np.maximum(1.0, np.abs(there))
    return equal & (one >= 0) & (one <= last)


def disagreement(name: str, what: str) -> UpslopeError:
    """The error for an exported policy that acts otherwise."""
    others = "stablehlo or onnx" if name == "numpy" else "numpy"
    return UpslopeError(
        f"The policy exported as {name} does not act as predict does: {what} (the tolerance is "
        f"{TOLERANCE:g}). Nothing was written. Export it with --format {others}."
    )
