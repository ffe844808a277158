"""J and grad J of linear policies in linear-quadratic systems, exactly."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.checks import UpslopeError
from upslope.environments.linear_quadratic import LinearQuadratic
from upslope.exact.linear_loop import (
    LinearGaussianController,
    LinearLoop,
    check_stable,
    linear_controller,
    linear_loop,
)
from upslope.exact.tables import P, PolicyOrTable
from upslope.exact.values import check_horizon
from upslope.objectives import (
    AverageReward,
    AverageValue,
    DiscountedReturn,
    EpisodicReturn,
    Objective,
)

# Doublings of a sum of powers: 2^48 terms.
DOUBLINGS = 48


class ControllerGradient(NamedTuple):
    """dJ / d(gain, std): what the policy gradient theorem gives."""

    gain: Array  # [m, n + 1]
    std: Array  # [m]


def linear_quadratic_value(
    policy: PolicyOrTable, system: LinearQuadratic, objective: Objective, horizon: int | None = None
) -> Float[Array, ""]:
    r"""J of a linear policy, a scalar, differentiable in the policy and in the system.

    .. math:: J = -\sum_{t<H} \gamma^t \big(\operatorname{tr}(C M_t) + c\big), \qquad
              M_{t+1} = F M_t F^\top + N

    with M_t the second moments of [x_t; 1] under the closed loop F, and its stationary limit for
    averages. Infinite sums are taken by doubling: no equation is solved.

    Args:
      policy: a memoryless policy whose mean is linear and whose noise is constant.
      system: the system.
      objective: which J.
      horizon: cut after that many steps; None for no cut.

    Raises:
      UpslopeError: a policy that is not linear; a closed loop whose cost has no bound (its
        spectral radius is named); undiscounted episodes without a horizon.

    References:
      Fazel et al. (2018), section 2; Bertsekas (2017), section 3.1.
    """
    horizon = resolve_horizon(policy, system, objective, horizon)
    return _value(linear_controller(policy, system), system, objective, horizon)


def resolve_horizon(
    policy: PolicyOrTable, system: LinearQuadratic, objective: Objective, horizon: int | None
) -> int | None:
    """Checks the question; returns the steps counted, None for all of them.

    Raises:
      UpslopeError: as `linear_quadratic_value`.
    """
    if horizon is not None:
        check_horizon("The exact value", horizon)
    if isinstance(objective, EpisodicReturn):
        limits = [int(h) for h in (objective.horizon, horizon) if h is not None]
        if not limits:
            raise UpslopeError(
                "A linear-quadratic system never ends: the undiscounted return needs a horizon "
                "(EpisodicReturn(horizon=...)), or take a discount or an average."
            )
        return min(limits)
    if not isinstance(objective, DiscountedReturn | AverageReward | AverageValue):
        raise UpslopeError(
            f"{type(objective).__name__} has no exact value here: it is known for EpisodicReturn, "
            "DiscountedReturn, AverageReward and AverageValue."
        )
    loop = linear_loop(linear_controller(policy, system), system)
    if horizon is None:
        gamma = objective.gamma if isinstance(objective, DiscountedReturn) else 1.0
        check_stable(loop, gamma, f"J under {type(objective).__name__}")
    return None if horizon is None else int(horizon)


def value_of_gain(
    controller: LinearGaussianController,
    system: LinearQuadratic,
    objective: Objective,
    horizon: int | None,
) -> Array:
    """J of a controller to a question that was posed."""
    loop = linear_loop(controller, system)
    gamma = objective.gamma if isinstance(objective, DiscountedReturn) else 1.0
    if horizon is not None:
        weights = gamma ** jnp.arange(horizon, dtype=loop.cost.dtype)
        cost = jnp.einsum("h,hij,ij->", weights, _moments(loop, horizon), loop.cost)
        total = -(cost + jnp.sum(weights) * loop.noise_cost)
        if isinstance(objective, AverageReward):
            return total / horizon
        if isinstance(objective, AverageValue):
            return total / horizon / (1.0 - objective.gamma)
        return total
    if isinstance(objective, DiscountedReturn):
        cost = jnp.sum(discounted_moments(loop, gamma) * loop.cost)
        return -(cost + loop.noise_cost / (1.0 - gamma))
    mean = -(jnp.sum(stationary_moments(loop) * loop.cost) + loop.noise_cost)
    return mean / (1.0 - objective.gamma) if isinstance(objective, AverageValue) else mean


def _moments(loop: LinearLoop, horizon: int) -> Array:
    """M_0 to M_{H-1}, [H, n + 1, n + 1]."""

    def step(moments: Array, _: None) -> tuple[Array, Array]:
        return loop.transition @ moments @ loop.transition.T + loop.noise, moments

    return jax.lax.scan(step, loop.start, length=horizon)[1]


def discounted_moments(loop: LinearLoop, gamma: float | Array) -> Array:
    r""":math:`\sum_t \gamma^t M_t` [n + 1, n + 1]."""
    root = jnp.sqrt(jnp.asarray(gamma, loop.cost.dtype))
    return sum_of_powers(root * loop.transition, loop.start + gamma / (1 - gamma) * loop.noise)


def stationary_moments(loop: LinearLoop) -> Array:
    """The limit of M_t [n + 1, n + 1]."""
    inner, push = loop.transition[:-1, :-1], loop.transition[:-1, -1]
    mean = push_sum(inner, push)
    spread = sum_of_powers(inner, loop.noise[:-1, :-1])
    whole = jnp.append(mean, 1.0)
    return jnp.pad(spread, ((0, 1), (0, 1))) + jnp.outer(whole, whole)


def sum_of_powers(matrix: Array, middle: Array) -> Array:
    r""":math:`\sum_k X^k Y (X^\top)^k`, by doubling; X with a spectral radius below 1."""

    def double(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
        power, total = carry
        return (power @ power, total + power @ total @ power.T), None

    return jax.lax.scan(double, (matrix, middle), length=DOUBLINGS)[0][1]


def push_sum(matrix: Array, vector: Array) -> Array:
    r""":math:`\sum_k X^k v = (I - X)^{-1} v`, by doubling; X with a spectral radius below 1."""

    def double(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
        power, total = carry
        return (power @ power, total + power @ total), None

    return jax.lax.scan(double, (matrix, vector), length=DOUBLINGS)[0][1]


_value = partial(jax.jit, static_argnums=3)(value_of_gain)


def gain_gradient(
    controller: LinearGaussianController,
    system: LinearQuadratic,
    objective: Objective,
    horizon: int | None,
) -> ControllerGradient:
    r"""dJ with respect to gain and noise by the policy gradient theorem, without differentiating.

    .. math:: \frac{\partial J}{\partial K} = -2 \sum_t \gamma^t
              \big(R K + \gamma B^\top P_{t+1} F\big) M_t, \qquad
              \frac{\partial J}{\partial \sigma_i} = -2 \sigma_i \sum_t \gamma^t
              \big(R + \gamma B^\top P_{t+1} B\big)_{ii}

    P is the cost to go of the closed loop, :math:`P_t = C + \gamma F^\top P_{t+1} F`. With an
    infinite horizon P is constant and the sums are the discounted or stationary moments:
    the form of Fazel et al., E_K Sigma_K, with discount and noise.

    References:
      Fazel et al. (2018), lemma 1.
    """
    loop, cost = linear_loop(controller, system), (system.R + system.R.T) / 2
    average = isinstance(objective, AverageReward | AverageValue)
    gamma = 1.0 if average or isinstance(objective, EpisodicReturn) else objective.gamma
    control = jnp.pad(system.B, ((0, 1), (0, 0)))

    def credit(ahead: Array, moments: Array, weight: Array) -> ControllerGradient:
        """Of steps with cost to go `ahead` behind them, moments and weights summed over them."""
        pull = cost @ controller.gain + gamma * control.T @ ahead @ loop.transition
        bend = jnp.diagonal(cost + gamma * control.T @ ahead @ control)
        return ControllerGradient(-2.0 * pull @ moments, -2.0 * weight * controller.std * bend)

    if horizon is not None:

        def back(ahead: Array, _: None) -> tuple[Array, Array]:
            return loop.cost + gamma * loop.transition.T @ ahead @ loop.transition, ahead

        blank = jnp.zeros_like(loop.cost)
        ahead = jax.lax.scan(back, blank, length=horizon, reverse=True)[1]
        weights = jnp.asarray(gamma, loop.cost.dtype) ** jnp.arange(horizon)
        each = jax.vmap(credit)(ahead, weights[:, None, None] * _moments(loop, horizon), weights)
        found = ControllerGradient(*(jnp.sum(leaf, axis=0) for leaf in each))
        scale = 1.0 / horizon if average else 1.0
    elif average:
        found = credit(_relative_cost(loop), stationary_moments(loop), jnp.ones(()))
        scale = 1.0
    else:
        root = jnp.sqrt(jnp.asarray(gamma, loop.cost.dtype))
        ahead = sum_of_powers(root * loop.transition.T, loop.cost)
        found = credit(ahead, discounted_moments(loop, gamma), jnp.asarray(1.0 / (1.0 - gamma)))
        scale = 1.0
    if isinstance(objective, AverageValue):
        scale = scale / (1.0 - objective.gamma)
    return ControllerGradient(scale * found.gain, scale * found.std)


def _relative_cost(loop: LinearLoop) -> Array:
    """The cost to go relative to the average; its constant, which no gradient sees, is left 0."""
    inner, push = loop.transition[:-1, :-1], loop.transition[:-1, -1]
    square = sum_of_powers(inner.T, loop.cost[:-1, :-1])
    linear = push_sum(inner.T, loop.cost[:-1, -1] + inner.T @ square @ push)
    above = jnp.concatenate([square, linear[:, None]], axis=1)
    return jnp.concatenate([above, jnp.append(linear, 0.0)[None]])


def linear_quadratic_theorem(
    policy: P, system: LinearQuadratic, objective: Objective, horizon: int | None = None
) -> P:
    """grad J as a tree of the policy by `gain_gradient`. Arguments and errors as for the value."""
    horizon = resolve_horizon(policy, system, objective, horizon)
    controller, vjp = jax.vjp(lambda policy: linear_controller(policy, system), policy)
    return vjp(LinearGaussianController(*gain_gradient(controller, system, objective, horizon)))[0]


def linear_quadratic_gradient(
    policy: P, system: LinearQuadratic, objective: Objective, horizon: int | None = None
) -> tuple[Float[Array, ""], P]:
    """J and grad J by differentiating it. Arguments and errors as for the value."""
    horizon = resolve_horizon(policy, system, objective, horizon)
    return jax.value_and_grad(
        lambda p: _value(linear_controller(p, system), system, objective, horizon)
    )(policy)
