"""A linear-quadratic system under a policy that is linear in what it sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.actor import Actor
from upslope.core.checks import UpslopeError
from upslope.core.distributions import Deterministic, DiagonalGaussian
from upslope.environments.linear_quadratic import LinearQuadratic
from upslope.exact.tables import PolicyOrTable, known
from upslope.policies.policy import Policy

if TYPE_CHECKING:
    from typing_extensions import TypeIs

# A mean is called linear if it is so at the points looked at, up to this share of its size.
TOLERANCE = 1e-4


class LinearGaussianController(NamedTuple):
    """u = K [x; 1] + std * noise."""

    gain: Array  # [m, n + 1], the offset in the last column
    std: Array  # [m], of independent normal noise; zero for a deterministic policy


class LinearLoop(NamedTuple):
    """The closed loop of z = [x; 1], whose second moments M_t = E z z^T obey

    M_{t+1} = F M_t F^T + N, with expected cost tr(C M_t) + c at each step.
    """

    transition: Array  # F [n + 1, n + 1]
    noise: Array  # N [n + 1, n + 1]
    cost: Array  # C [n + 1, n + 1]
    noise_cost: Array  # c, scalar: of the policy's own noise
    start: Array  # M_0 [n + 1, n + 1]


def is_linear_quadratic(system: object) -> TypeIs[LinearQuadratic]:
    """Whether the exact layer treats a system as a linear-quadratic system."""
    return isinstance(system, LinearQuadratic)


def linear_controller(policy: PolicyOrTable, system: LinearQuadratic) -> LinearGaussianController:
    """What a policy does, as a gain, an offset and a noise; differentiable in the policy.

    The policy is asked at the origin and for its derivative there, so that any policy may be
    given whose mean is linear: `gaussian-linear`, `deterministic-linear`, with moments or without.

    Raises:
      UpslopeError: a table, a mean that is not linear, a noise that depends on the state, a
        policy with memory, or an action whose distribution is neither normal nor a point.
    """
    if isinstance(policy, Actor) and not isinstance(policy, Policy):
        raise UpslopeError(
            f"A linear-quadratic system got {type(policy).__name__}, an actor that is no policy of "
            "the state: measure its return with upslope.evaluate."
        )
    if not callable(policy):
        raise UpslopeError(
            "A linear-quadratic system got a table for a policy: its states are vectors, which no "
            "table numbers. Use policy='gaussian-linear'."
        )
    name = type(policy).__name__
    if getattr(policy, "has_memory", False):
        raise UpslopeError(f"{name} has memory: exact values need a policy of the state alone.")
    n = system.A.shape[-1]
    shape = jax.eval_shape(policy, jax.ShapeDtypeStruct((n,), system.A.dtype))
    if not isinstance(shape, DiagonalGaussian | Deterministic):
        raise UpslopeError(
            f"{name} acts by a {type(shape).__name__}: the exact value of a linear-quadratic "
            "system is known for normal and deterministic actions. Use policy='gaussian-linear'."
        )

    def mean(x: Array) -> Array:
        return policy(x).mode().reshape(-1)

    def std(x: Array) -> Array:
        acts = policy(x)
        if isinstance(acts, DiagonalGaussian):
            return acts.std.reshape(-1)
        return jnp.zeros_like(mean(x))

    origin = jnp.zeros(n, system.A.dtype)
    offset, gain = mean(origin), jax.jacfwd(mean)(origin)
    if known(policy):
        points = jax.random.normal(jax.random.key(0), (4, n), system.A.dtype)
        got = np.asarray(jax.vmap(mean)(points))
        want = np.asarray(points) @ np.asarray(gain).T + np.asarray(offset)
        if np.max(np.abs(got - want)) > TOLERANCE * max(1.0, np.max(np.abs(got))):
            raise UpslopeError(
                f"The mean action of {name} is not linear in the state: the exact value of a "
                "linear-quadratic system needs a linear policy. Use policy='gaussian-linear'."
            )
        spread = np.asarray(jax.vmap(std)(points)) - np.asarray(std(origin))
        if np.max(np.abs(spread)) > TOLERANCE:
            raise UpslopeError(
                f"The standard deviation of {name} depends on the state: the exact value of a "
                "linear-quadratic system needs a constant one (state_dependent_std=False)."
            )
    return LinearGaussianController(jnp.concatenate([gain, offset[:, None]], axis=1), std(origin))


def linear_loop(controller: LinearGaussianController, system: LinearQuadratic) -> LinearLoop:
    """The closed loop of a system under a controller."""
    n = system.A.shape[-1]
    last = jnp.zeros(n + 1, system.A.dtype).at[n].set(1.0)
    above = jnp.concatenate([system.A, jnp.zeros((n, 1), system.A.dtype)], axis=1)
    transition = jnp.concatenate([above + system.B @ controller.gain, last[None]])
    acted = system.B * controller.std[None]
    noise = system.noise_factor @ system.noise_factor.T + acted @ acted.T
    state_cost, action_cost = symmetric(system.Q), symmetric(system.R)
    start = system.initial_factor @ system.initial_factor.T
    return LinearLoop(
        transition,
        padded(noise),
        padded(state_cost) + controller.gain.T @ action_cost @ controller.gain,
        jnp.sum(jnp.diagonal(action_cost) * controller.std**2),
        padded(start) + jnp.outer(last, last),
    )


def check_stable(loop: LinearLoop, gamma: float | Array, what: str) -> None:
    """Refuses a loop whose cost grows without bound; not checked when traced.

    Raises:
      UpslopeError: the spectral radius rho of A + B K is not below 1 / sqrt(gamma).
    """
    if not known(loop, gamma):
        return
    radius = spectral_radius(loop.transition[:-1, :-1])
    bound = 1.0 / float(gamma) ** 0.5 if gamma > 0 else np.inf
    if not radius < bound:
        raise UpslopeError(
            f"{what} is minus infinity: A + B K has spectral radius {radius:.6g}, which must be "
            f"below {bound:.6g}. Start from a gain that stabilises the system, or give a horizon."
        )


def spectral_radius(matrix: Array) -> float:
    """The largest size of an eigenvalue; NaN if an entry is not finite."""
    numbers = np.asarray(matrix)
    if not np.isfinite(numbers).all():
        return float("nan")
    return float(np.max(np.abs(np.linalg.eigvals(numbers))))


def symmetric(matrix: Array) -> Array:
    """The part of a matrix that its quadratic form sees."""
    return (matrix + matrix.T) / 2


def padded(matrix: Array) -> Array:
    """A matrix of x as one of [x; 1]."""
    return jnp.pad(matrix, ((0, 1), (0, 1)))
