"""The contract of estimators of grad J from the returns of perturbed policies."""

from __future__ import annotations

import abc
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.annotations import PyTree
from upslope.core.checks import UpslopeError
from upslope.core.tree import is_non_trainable, ravel_parameters
from upslope.estimators.bias import BiasStatement

T = TypeVar("T")


class PopulationEstimator(eqx.Module):
    """Estimates grad J(theta) from nothing but the returns of policies near theta.

    Any policy will do, whether or not it can be differentiated; J is maximised. theta is the vector
    of searched numbers (`ravel_parameters`): observation moments travel along unperturbed.
    """

    @property
    @abc.abstractmethod
    def declaration(self) -> BiasStatement:
        """What it estimates, and whether without bias."""

    @property
    @abc.abstractmethod
    def population_size(self) -> int:
        """P, evaluations an estimate; static."""

    @abc.abstractmethod
    def perturb(self, key: Array, theta: Array) -> Array:
        """The parameters to evaluate, [P, D], for theta [D]. The key is consumed."""

    @abc.abstractmethod
    def slope(self, theta: Array, points: Array, returns: Array) -> Array:
        """The gradient [D] at theta [D] from the returns [P] at points [P, D]."""

    def propose(self, key: Array, policy: T) -> T:
        """The policies to evaluate: leaves with a leading axis [P]. The key is consumed."""
        theta, unravel = ravel_parameters(policy)
        return jax.vmap(unravel)(self.perturb(key, theta))

    def estimate(self, policy: T, candidates: T, returns: Array) -> T:
        """The gradient, a tree of the policy's structure (zero where nothing is searched).

        Args:
          policy: at theta.
          candidates: what `propose` gave, leaves [P, ...].
          returns: [P], each candidate's (mean) return.

        Raises:
          UpslopeError: when there are not P returns.
        """
        if jnp.shape(returns) != (self.population_size,):
            raise UpslopeError(
                f"{type(self).__name__} got returns of shape {jnp.shape(returns)} for "
                f"{self.population_size} candidates: give one number for each, the mean over its "
                "episodes."
            )
        theta, unravel = ravel_parameters(policy)
        points = jax.vmap(lambda candidate: ravel_parameters(candidate)[0])(candidates)
        gradient = self.slope(theta, points, returns.astype(theta.dtype))
        return zero_non_trainable(unravel(gradient))


def zero_non_trainable(tree: T) -> T:
    """The same tree with zeros in the parts that travel unsearched: they have no gradient."""

    def zero(node: PyTree) -> PyTree:
        return jax.tree.map(jnp.zeros_like, node) if is_non_trainable(node) else node

    return jax.tree.map(zero, tree, is_leaf=is_non_trainable)
