"""Finite differences as estimators of the gradient of a function that may be noisy."""

from __future__ import annotations

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import UpslopeError, check_choice, check_number
from upslope.core.tree import ravel_parameters
from upslope.estimators.bias import BiasStatement
from upslope.estimators.expectation.least_squares import least_squares
from upslope.estimators.population.population_estimator import PopulationEstimator

DifferenceKind = Literal["forward", "central", "random", "spsa", "regression"]
BY_COORDINATE = ("forward", "central")
KINDS = (*BY_COORDINATE, "random", "spsa", "regression")
OWNER = "FiniteDifferences"

WHY = {
    "forward": "the curvature leaves an error of step * J'' / 2",
    "central": "the third derivative leaves an error of step^2 * J''' / 6; exact for quadratics",
    "random": "the third derivative leaves an error of order step^2; unbiased for quadratics",
    "spsa": "the third derivative leaves an error of order step^2; unbiased for quadratics",
    "regression": "whatever of J is not linear within a step of theta is taken for noise",
}
REFERENCE = {
    "forward": "Nocedal and Wright (2006), equation 8.1",
    "central": "Nocedal and Wright (2006), equation 8.7",
    "random": "Nesterov and Spokoiny (2017), equation 26",
    "spsa": "Spall (1992), equation 2.2",
    "regression": "Deisenroth, Neumann and Peters (2013), section 2.4.1.1",
}


class FiniteDifferences(PopulationEstimator):
    r"""Differences of returns at policies a step apart.

    .. math:: \frac{J(\theta + \epsilon e_k) - J(\theta)}{\epsilon}, \quad
              \frac{J(\theta + \epsilon e_k) - J(\theta - \epsilon e_k)}{2 \epsilon}, \quad
              \frac{c}{M} \sum_m \frac{J(\theta + \epsilon u_m) - J(\theta - \epsilon u_m)}
                                      {2 \epsilon} u_m, \quad
              (\Delta^\top \Delta)^{-1} \Delta^\top \delta J

    By kind: `"forward"` (D + 1 evaluations), `"central"` (2 D), `"random"` (2 M; u uniform on the
    unit sphere, c = D), `"spsa"` (2 M; u of random signs, c = 1), `"regression"` (M + 1; theta
    itself and M Gaussian perturbations). The steps divided by are those really taken, after
    rounding. `optimal_step` says how long a step should be when returns are noisy.

    Attributes:
      step: epsilon, in units of theta.
      kind: see above. Static.
      num_parameters: D, needed to count the evaluations of the coordinate kinds
        (`for_policy` fills it in). Static.
      n_directions: M, for the others. Static.

    References:
      Nocedal and Wright (2006), section 8.1; Spall (1992); Deisenroth, Neumann and Peters (2013),
      section 2.4.1.1.
    """

    step: float | Array = 0.1
    kind: DifferenceKind = eqx.field(static=True, default="spsa")
    num_parameters: int | None = eqx.field(static=True, default=None)
    n_directions: int = eqx.field(static=True, default=16)

    def __check_init__(self) -> None:
        check_number(OWNER, "step", self.step, above=0.0)
        check_choice(OWNER, "kind", self.kind, KINDS)
        check_number(OWNER, "n_directions", self.n_directions, at_least=1, integer=True)
        if self.num_parameters is not None:
            check_number(OWNER, "num_parameters", self.num_parameters, at_least=1, integer=True)

    def for_policy(self, policy: object) -> FiniteDifferences:
        """The same estimator, knowing how many parameters the policy has."""
        size = ravel_parameters(policy)[0].shape[0]
        return FiniteDifferences(self.step, self.kind, size, self.n_directions)

    @property
    def declaration(self) -> BiasStatement:
        return BiasStatement("grad J", False, WHY[self.kind], REFERENCE[self.kind])

    @property
    def population_size(self) -> int:
        if self.kind == "regression":
            return self.n_directions + 1
        if self.kind not in BY_COORDINATE:
            return 2 * self.n_directions
        if self.num_parameters is None:
            raise UpslopeError(
                f"{OWNER}(kind={self.kind!r}) does not know how many evaluations it needs: give "
                "num_parameters, or use .for_policy(policy)."
            )
        return self.num_parameters + 1 if self.kind == "forward" else 2 * self.num_parameters

    def perturb(self, key: Array, theta: Array) -> Array:
        size = theta.shape[0]
        origin = theta[None, :]
        if self.kind in BY_COORDINATE:
            if self.population_size and size != self.num_parameters:
                raise UpslopeError(
                    f"{OWNER} was made for num_parameters={self.num_parameters}, and this policy "
                    f"has {size}: use .for_policy(policy)."
                )
            directions = jnp.eye(size, dtype=theta.dtype)
        elif self.kind == "spsa":
            directions = jax.random.rademacher(key, (self.n_directions, size), theta.dtype)
        else:
            directions = jax.random.normal(key, (self.n_directions, size), theta.dtype)
        if self.kind == "random":
            length = jnp.linalg.norm(directions, axis=1, keepdims=True)
            directions = directions / jnp.maximum(length, jnp.finfo(theta.dtype).tiny)
        there = origin + self.step * directions
        if self.kind in ("forward", "regression"):
            return jnp.concatenate([origin, there])
        return jnp.concatenate([there, origin - self.step * directions])

    def slope(self, theta: Array, points: Array, returns: Array) -> Array:
        if self.kind in ("forward", "regression"):
            moved = points[1:] - theta[None, :]
            gained = returns[1:] - returns[:1]
            if self.kind == "regression":
                return least_squares(moved / self.step, gained / self.step)
            return gained / jnp.diagonal(moved)
        half = returns.shape[0] // 2
        gained, moved = returns[:half] - returns[half:], points[:half] - points[half:]
        if self.kind == "central":
            return gained / jnp.diagonal(moved)
        # moved = 2 step u up to rounding; |u|^2 is 1 on the sphere and D for signs.
        scale = theta.shape[0] if self.kind == "random" else 1.0
        direction = moved / (2.0 * self.step)
        return scale * jnp.mean(direction * (gained / (2.0 * self.step))[:, None], axis=0)
