"""The two passes of iLQR: the best change of the controls to second order, and its trial."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from upslope.core.annotations import PyTree
from upslope.core.dense_systems import positive_solve
from upslope.core.positive_part import positive_part
from upslope.environments.environment import Environment
from upslope.planning.box_quadratic import minimize_quadratic
from upslope.planning.simulation import TerminalValue
from upslope.planning.smooth_environment import FlatStates, SmoothStep


class Rollout(NamedTuple):
    """What controls lead to, from one state and with the same randomness."""

    controls: Float[Array, "H m"]
    x: Float[Array, "H n"]  # the states before each control
    rest: PyTree  # [H, ...] what else those states have
    final: Float[Array, " n"]  # the state after the last control
    discount: Float[Array, " H"]  # gamma d of each step, 0 from the end of the process on
    cost: Float[Array, ""]  # discounted, with the terminal value


class Expansion(NamedTuple):
    """A step to first order and its cost to second, around a rollout."""

    fx: Float[Array, "H n n"]
    fu: Float[Array, "H n m"]
    slope: Float[Array, "H d"]  # of the cost in [x, u]
    curvature: Float[Array, "H d d"]  # its positive semidefinite part


class Correction(NamedTuple):
    """u + alpha k + K (x - x nominal)."""

    step: Float[Array, "H m"]  # k
    gain: Float[Array, "H m n"]  # K
    slope: Float[Array, ""]  # of the expected cost in alpha, below zero
    curvature: Float[Array, ""]  # of the same
    descends: Bool[Array, ""]  # whether every control's curvature was positive definite
    gradient: Float[Array, ""]  # largest slope of the cost in a control that no bound holds


class Simulator(NamedTuple):
    """One question: an environment, a state, the randomness of each step."""

    environment: Environment
    flat: FlatStates
    keys: Array  # [H]
    x: Float[Array, " n"]
    rest: PyTree
    discount: float | Array
    terminal_value: TerminalValue | None

    @property
    def last(self) -> Bool[Array, " H"]:
        """Whether a step is the last one."""
        horizon = self.keys.shape[0]
        return jnp.arange(horizon) == horizon - 1

    def step(self, key: Array, x: Array, rest: PyTree, u: Array, last: Array) -> SmoothStep:
        """A step of the environment."""
        return self.flat.step(
            key, self.environment, x, rest, u, self.discount, last, self.terminal_value
        )

    def follow(
        self,
        nominal: Rollout | Float[Array, "H m"],
        correction: Correction | None = None,
        size: float | Array = 1.0,
        low: Array | None = None,
        high: Array | None = None,
    ) -> Rollout:
        """The rollout of controls, or of a corrected rollout, clipped into the bounds."""
        if isinstance(nominal, Rollout) and correction is not None:
            plan = (nominal.controls, nominal.x, correction.step, correction.gain)
        else:
            plan = (nominal, None, None, None)

        def step(
            carry: tuple[Array, PyTree, Array, Array], inputs: tuple
        ) -> tuple[tuple[Array, PyTree, Array, Array], tuple]:
            x, rest, weight, total = carry
            key, last, (u, around, push, gain) = inputs
            if around is not None:
                u = u + size * push + gain @ (x - around)
            if low is not None and high is not None:
                u = jnp.clip(u, low, high)
            out = self.step(key, x, rest, u, last)
            # An ended process may go on to anything: a weight of zero must not meet an infinity.
            total = jnp.where(weight == 0, total, total + weight * out.cost)
            alive = jnp.where(weight == 0, 0.0, out.discount)
            return (out.x, out.rest, weight * alive, total), (u, x, rest, alive)

        one, nothing = jnp.ones((), self.x.dtype), jnp.zeros((), self.x.dtype)
        start = (self.x, self.rest, one, nothing)
        (final, _, _, total), (u, x, rest, discount) = jax.lax.scan(
            step, start, (self.keys, self.last, plan)
        )
        return Rollout(u, x, rest, final, discount, total)

    def expand(self, rollout: Rollout) -> Expansion:
        """Derivatives along a rollout. Steps after the end of the process count nothing."""
        n = rollout.x.shape[-1]

        def one(key: Array, x: Array, rest: PyTree, u: Array, last: Array) -> Expansion:
            def both(z: Array) -> tuple[Array, Array]:
                out = self.step(key, z[:n], rest, z[n:], last)
                return out.x, out.cost

            z = jnp.concatenate([x, u])
            f = jax.jacfwd(lambda z: both(z)[0])(z)
            slope = jax.grad(lambda z: both(z)[1])(z)
            bend = jax.jacfwd(jax.grad(lambda z: both(z)[1]))(z)
            return Expansion(f[:, :n], f[:, n:], slope, positive_part(0.5 * (bend + bend.T)))

        found = jax.vmap(one)(self.keys, rollout.x, rollout.rest, rollout.controls, self.last)
        before = jnp.concatenate([jnp.ones(1, rollout.discount.dtype), rollout.discount[:-1]])
        alive = jnp.cumprod(before) != 0

        def living(leaf: Array, otherwise: Array) -> Array:
            mask = alive.reshape(-1, *([1] * (leaf.ndim - 1)))
            return jnp.where(mask, leaf, jnp.broadcast_to(otherwise[None], leaf.shape))

        size = found.slope.shape[-1]
        idle = Expansion(
            jnp.zeros(found.fx.shape[1:], found.fx.dtype),
            jnp.zeros(found.fu.shape[1:], found.fu.dtype),
            jnp.zeros(size, found.slope.dtype),
            jnp.eye(size, dtype=found.curvature.dtype),
        )
        return jax.tree.map(living, found, idle)


def improve(
    rollout: Rollout, expansion: Expansion, damping: float | Array, low: Array, high: Array
) -> Correction:
    r"""The backward pass: the change of the controls that is best to second order.

    .. math:: Q_u = \ell_u + \beta f_u^\top v, \quad
              Q_{uu} = \ell_{uu} + \beta f_u^\top V f_u, \quad
              Q_{ux} = \ell_{ux} + \beta f_u^\top V f_x

    .. math:: k = \arg\min_{low \le u + k \le high} \tfrac12 k^\top (Q_{uu} + \mu I) k + Q_u^\top k,
              \qquad K = -(Q_{uu} + \mu I)^{-1} Q_{ux}

    with rows of K zero for controls that a bound holds, beta = gamma d the step's discount.

    Args:
      rollout: the nominal controls and what they lead to.
      expansion: of the steps around it.
      damping: mu.
      low: of the controls [m]; -inf without one.
      high: likewise.

    References:
      Tassa, Erez and Todorov (2012), equations 5 to 11; Tassa, Mansard and Todorov (2014).
    """
    n, m = expansion.fx.shape[-1], expansion.fu.shape[-1]
    dtype = expansion.fx.dtype

    def back(carry: tuple, inputs: tuple[Expansion, Array, Array]) -> tuple[tuple, tuple]:
        V, v, slope, curvature, descends, steepest = carry
        now, u, beta = inputs
        lx, lu = now.slope[:n], now.slope[n:]
        lxx, lux, luu = now.curvature[:n, :n], now.curvature[n:, :n], now.curvature[n:, n:]
        Vx, Vu = beta * V @ now.fx, beta * V @ now.fu
        Qx, Qu = lx + beta * now.fx.T @ v, lu + beta * now.fu.T @ v
        Qxx, Qux, Quu = lxx + now.fx.T @ Vx, lux + now.fu.T @ Vx, luu + now.fu.T @ Vu
        damped = Quu + damping * jnp.eye(m, dtype=dtype)
        found = minimize_quadratic(damped, Qu, low - u, high - u)
        k, free = found.x, found.free
        inner = jnp.where(free[:, None] & free[None, :], damped, jnp.eye(m, dtype=dtype))
        from_free = jnp.where(free[:, None], Qux, 0.0)
        K = -positive_solve(inner, from_free)[0]
        v = Qx + K.T @ (Quu @ k + Qu) + Qux.T @ k
        half = K.T @ Qux
        V = Qxx + K.T @ Quu @ K + half + half.T
        fit = found.least_pivot > jnp.finfo(dtype).eps * jnp.max(jnp.abs(damped))
        carry = (
            0.5 * (V + V.T),
            v,
            k @ Qu + beta * slope,
            k @ Quu @ k + beta * curvature,
            descends & fit,
            jnp.maximum(steepest, jnp.max(jnp.where(free, jnp.abs(Qu), 0.0))),
        )
        return carry, (k, K)

    zero = jnp.zeros((), dtype)
    start = (jnp.zeros((n, n), dtype), jnp.zeros(n, dtype), zero, zero, jnp.ones((), bool), zero)
    inputs = (expansion, rollout.controls, rollout.discount)
    (_, _, slope, curvature, descends, steepest), (steps, gains) = jax.lax.scan(
        back, start, inputs, reverse=True
    )
    finite = jnp.all(jnp.isfinite(steps)) & jnp.all(jnp.isfinite(gains))
    return Correction(steps, gains, slope, curvature, descends & finite, steepest)
