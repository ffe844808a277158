"""The contract of estimators of grad J from whole episodes."""

from __future__ import annotations

import abc
from typing import NamedTuple

import equinox as eqx
from jax import Array

from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy
from upslope.sampling.records import Trajectories


class Estimate(NamedTuple):
    """An estimate of grad J and what it was made of."""

    gradient: Policy  # the structure of the policy; an ascent direction
    entropy: Array  # scalar: mean entropy of the action over the steps seen, nats
    advantage_std: Array  # scalar: spread of (credit - baseline) over the steps seen


class GradientEstimator(eqx.Module):
    """Estimates grad J(theta) from episodes sampled under theta. J is maximised."""

    @abc.abstractmethod
    def estimate(self, policy: Policy, episodes: Trajectories, objective: Objective) -> Estimate:
        """The gradient with respect to the policy, as a tree of the policy's structure."""
