"""Fitting an ensemble to a whole data set."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError
from upslope.core.moments import Moments
from upslope.core.records import Transitions
from upslope.models.calibration import Calibration
from upslope.models.ensemble_errors import foreseen
from upslope.models.ensemble_training import Batch, Learner, better_members, one_pass
from upslope.models.model import FitReport
from upslope.models.rows import checked_rows
from upslope.models.starts import Starts
from upslope.models.vector_spaces import check_fits, spaces_of

if TYPE_CHECKING:
    from upslope.models.ensemble import EnsembleModel

FEWEST = 10
MOST_HELD_OUT = 5000
# By how much a held-out loss must fall to count as better.
IMPROVEMENT = 1e-3
M = TypeVar("M", bound="EnsembleModel")
_foreseen = eqx.filter_jit(foreseen)


@eqx.filter_jit
def _batch(model: EnsembleModel, rows: Transitions) -> Batch:
    return model.batch(rows)


def fit_ensemble(model: M, key: Key, data: Transitions) -> tuple[M, FitReport]:
    """The model with fresh networks, fitted to the rows that count, and what was found.

    A share of the rows is held out. Each member keeps the weights with which it was best on them,
    and training stops when no member has become better for `patience` passes.
    """
    data = checked_rows("EnsembleModel", data, FEWEST)
    if model.observation_json is None:
        model = model.configure(*spaces_of("EnsembleModel", data))
    data = check_fits("EnsembleModel", data, model.spaces)
    observed, following = np.asarray(data.observation), np.asarray(data.next_observation)
    if (observed == observed[:1]).all() and (following == observed[:1]).all():
        raise UpslopeError(
            f"EnsembleModel got {len(observed):,} rows that all show the same observation: nothing "
            "changes, so there is nothing to fit."
        )
    init_key, split_key = jax.random.split(key)
    model = _with_moments(model.initialize(init_key), data)
    generator = np.random.default_rng(np.asarray(jax.random.key_data(split_key)))
    order = generator.permutation(len(observed))
    n_held = min(MOST_HELD_OUT, max(1, round(model.holdout * len(order))))
    rows = _as_floats(data)
    whole = _batch(model, rows)
    held_out = jax.tree.map(lambda leaf: leaf[order[:n_held]], whole)
    held_out = held_out._replace(weight=jnp.ones_like(held_out.weight))
    learner, epochs = _train(model, whole, held_out, order[n_held:], generator)
    model = _learnt(model, learner)
    shown = jax.tree.map(lambda leaf: leaf[order[:n_held]], rows)
    known = model._known()
    errors = _foreseen(model, shown, known.targets, known.rewards)
    varies = np.asarray(errors.varies)
    return model, FitReport(
        n_transitions=len(order) - n_held,
        n_held_out=n_held,
        model_error=float(errors.model),
        reward_error=float(errors.reward),
        unknown=tuple(_unknown(model, data, varies)),
        calibration=Calibration.of(np.asarray(errors.probabilities)[:, varies]),
        epochs=epochs,
    )


def _train(
    model: EnsembleModel, data: Batch, held_out: Batch, rows: np.ndarray, rng: np.random.Generator
) -> tuple[Learner, int]:
    """The best weights of each member, and the passes made."""
    size = min(model.batch_size, len(rows))
    learner = model._known().learner
    best, best_loss = learner.networks, np.full(model.n_members, np.inf)
    since, epochs = 0, 0
    rates = jax.tree.map(jnp.asarray, model.rates)
    while epochs < model.n_epochs and since < model.patience:
        shuffled = rng.permutation(rows)
        order = shuffled[: len(rows) // size * size].reshape(-1, size)
        learner, _, found = one_pass(learner, data, jnp.asarray(order), held_out, rates)
        found = np.asarray(found)
        improved = found < best_loss - IMPROVEMENT * np.abs(np.where(epochs, best_loss, 0.0))
        best = better_members(best, learner.networks, jnp.asarray(improved))
        best_loss = np.where(improved, found, best_loss)
        since = 0 if improved.any() else since + 1
        epochs += 1
    return learner._replace(networks=best), epochs


def _with_moments(model: M, data: Transitions) -> M:
    """The model with the moments of a data set, summed in double precision."""
    rows = jax.tree.map(np.asarray, data)
    observation = np.asarray(rows.observation, np.float64)
    change = np.asarray(rows.next_observation, np.float64) - observation
    reward = np.asarray(rows.reward, np.float64)
    numbers = observation
    if model.spaces.n_actions is None:
        numbers = np.c_[observation, np.asarray(rows.action, np.float64).reshape(len(reward), -1)]
    targets = change if model.reward is not None else np.c_[change, reward]
    knowledge = model._known()
    starts = Starts.of_rows(rows, knowledge.starts.rows.shape[0])
    knowledge = knowledge._replace(
        inputs=_moments(numbers),
        targets=_moments(targets),
        rewards=_moments(reward),
        ends=jnp.asarray(rows.terminated.sum(), float),
        starts=starts,
        transitions=jnp.asarray(len(reward), float),
    )
    return dataclasses.replace(model, knowledge=knowledge)


def _moments(rows: np.ndarray) -> Moments:
    mean = rows.mean(axis=0)
    squares = np.square(rows - mean).sum(axis=0)
    return Moments(*(jnp.asarray(x, float) for x in (len(rows), mean, squares)))


def _learnt(model: M, learner: Learner) -> M:
    return dataclasses.replace(model, knowledge=model._known()._replace(learner=learner))


def _as_floats(data: Transitions) -> Transitions:
    """The rows as arrays of the program's own types."""

    def array(column: Array | np.ndarray) -> Array:
        whole = np.asarray(column).dtype.kind in "iu"
        return jnp.asarray(column, int if whole else None)

    typed = jax.tree.map(array, data)
    floats = ("observation", "next_observation", "reward", "weight")
    return typed._replace(**{name: getattr(typed, name).astype(float) for name in floats})


def _unknown(model: EnsembleModel, data: Transitions, varies: np.ndarray) -> list[str]:
    """What the data do not show, a sentence each."""
    found: list[str] = []
    spaces = model.spaces
    inputs = np.asarray(model.scales.inputs.std)
    still = np.flatnonzero(inputs[: spaces.n_observed] == 0)
    if still.size:
        found.append(
            f"components {still.tolist()} of the observation never changed in the data: the model "
            "does not look at them."
        )
    same = np.flatnonzero(~varies)
    if same.size:
        found.append(f"components {same.tolist()} are predicted to change as they always did.")
    if spaces.n_actions is not None:
        tried = np.bincount(np.asarray(data.action), minlength=spaces.n_actions)
        never = np.flatnonzero(tried == 0)
        if never.size:
            found.append(f"actions {never.tolist()} were never tried.")
    else:
        fixed = np.flatnonzero(inputs[spaces.n_observed :] == 0)
        if fixed.size:
            found.append(
                f"components {fixed.tolist()} of the action never changed: what they do is unknown."
            )
    if model.termination is None and not np.asarray(data.terminated).any():
        found.append("no step terminated: the model never ends an episode.")
    return found
