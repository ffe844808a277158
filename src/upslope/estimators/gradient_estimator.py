"""The contract of estimators of grad J from sampled trajectories."""

from __future__ import annotations

import abc
from typing import NamedTuple

import equinox as eqx
from jax import Array

from upslope.core.checks import UpslopeError
from upslope.core.records import Trajectories
from upslope.estimators.bias import BiasStatement
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy

TARGET = "grad J"


class Estimate(NamedTuple):
    """An estimate of grad J and what it was made of."""

    gradient: Policy  # the structure of the policy; an ascent direction
    entropy: Array  # scalar: mean entropy of the action over the steps seen, nats
    advantage_std: Array  # scalar: spread of (credit - baseline) over the steps seen
    effective_sample_size: Array | None = None  # scalar: of importance weights, where there are any
    half_batch_gradients: Policy | None = (
        None  # leaves [2, ...]: from each half of the episodes, where asked for
    )


class GradientEstimator(eqx.Module):
    """Estimates grad J(theta) from trajectories. J is maximised."""

    @property
    def requires(self) -> tuple[str, ...]:
        """The fields that must be filled before `estimate` is called and have no default: "critic"
        (V), "action_critic" (Q), "behaviour" (the policy that took the actions)."""
        return ()

    @abc.abstractmethod
    def estimate(self, policy: Policy, episodes: Trajectories, objective: Objective) -> Estimate:
        """The gradient with respect to the policy, as a tree of the policy's structure."""

    @property
    @abc.abstractmethod
    def declaration(self) -> BiasStatement:
        """What it estimates and whether without bias, as far as its own settings decide that: under
        an objective that keeps its step weights and centres nothing."""

    def objective_bias(self, objective: Objective) -> str:
        """Where the objective itself brings in a bias, or "" where it does not."""
        return lost_weights(objective) or centring(objective)

    def declaration_for(self, objective: Objective) -> BiasStatement:
        """The declaration under one objective, its own biases included."""
        own = self.declaration
        bias = self.objective_bias(objective)
        if not bias:
            return own
        reason = bias if own.unbiased else f"{own.reason}; besides, {bias}"
        return own._replace(unbiased=False, reason=reason)

    def need(self, *fields: str) -> None:
        """Raises for the first of these fields that is None."""
        for field in fields:
            if getattr(self, field) is None:
                name = type(self).__name__
                raise UpslopeError(
                    f"{name} got no {field}: give one, as in dataclasses.replace(estimator, "
                    f"{field}=...)."
                )


def lost_weights(objective: Objective) -> str:
    """The bias of an objective that leaves its step weights out, or ""."""
    if getattr(objective, "weights", "discounted") == "undiscounted":
        return "the step weights gamma^t are left out: not the gradient of any function"
    return ""


def centring(objective: Objective) -> str:
    """The bias of rewards measured against an average of the same batch, or ""."""
    if objective.differential:
        return (
            "the average reward is measured on the same batch and sums stop where it ends: biases "
            "of order one over its size and one over its length"
        )
    return ""
