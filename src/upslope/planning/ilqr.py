"""The iterative linear-quadratic regulator, within control limits."""

from __future__ import annotations

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from upslope.core.annotations import EnvironmentState, Key, Memory
from upslope.core.checks import check_number, check_switch
from upslope.core.static_function import as_module
from upslope.environments.environment import Environment
from upslope.objectives import EpisodicReturn
from upslope.objectives.objective import Objective
from upslope.planning.ilqr_passes import Correction, Rollout, Simulator, improve
from upslope.planning.planner import Planner, PlannerOutput
from upslope.planning.simulation import TerminalValue
from upslope.planning.smooth_environment import FlatStates, check_smooth

# Tassa, Erez and Todorov's schedule of the damping.
LEAST_DAMPING, MOST_DAMPING, FACTOR = 1e-6, 1e10, 2.0
# The share of the expected improvement that a trial must bring.
ARMIJO = 1e-4
SHRINKAGE = 0.5


class ILQRMemory(NamedTuple):
    """The warm start: the rest of the last plan."""

    controls: Float[Array, "H m"]
    fresh: Bool[Array, ""]  # whether nothing has been planned yet


class ILQRExtras(NamedTuple):
    """What a plan found."""

    controls: Array  # u [H, ...], each as the environment takes it
    states: Float[Array, "H n"]  # x before each control, the state's numbers as a vector
    gains: Float[Array, "H m n"]  # K: u + K (x - states) holds to the plan
    returns: Float[Array, " I"]  # after each iteration; the last one's repeated where it stopped
    gradient: Float[Array, ""]  # largest slope of the return in a free control, before the last one
    iterations: Int[Array, ""]  # done
    converged: Bool[Array, ""]


class _Search(NamedTuple):
    best: Rollout
    correction: Correction
    damping: Float[Array, ""]  # mu
    growth: Float[Array, ""]  # delta, the factor by which it changes next
    returns: Float[Array, " I"]
    iteration: Int[Array, ""]
    converged: Bool[Array, ""]


class ILQR(Planner):
    r"""Plans by a linear-quadratic regulator around the plan itself, again and again.

    .. math:: x_{t+1} + \delta x_{t+1} \approx x_{t+1} + f_x \delta x_t + f_u \delta u_t, \qquad
              -r \approx \text{its second-order expansion}, \qquad
              u \leftarrow u + \alpha k + K \delta x

    Every iteration differentiates the environment's steps along the plan, solves the
    linear-quadratic problem backward in time, and tries the improved controls in the environment
    itself with alpha = 1, 1/2, 1/4, ...: the best of them is taken if it brings its share of the
    expected improvement, so that the return never falls. If none does, or a curvature is not
    positive definite, the curvature in the controls is damped more (mu), and less again after a
    success. In a linear-quadratic problem one iteration is exact.

    Second derivatives of the dynamics are left out (Gauss-Newton, what sets iLQR apart from DDP),
    and of the Hessian of minus the reward the positive semidefinite part is kept. Control limits
    are part of the backward problem (box-DDP): it is solved within them by projected Newton.

    It is certain of what it expects: it plans in `environment.without_noise()`. Where steps are
    random all the same, it plans for one drawn future.

    Attributes:
      environment: in which it simulates, and whose steps it differentiates.
      objective: whose discount it counts rewards with.
      horizon: H, steps of a plan. Static.
      n_iterations: iterations at most; a plan stops when it has converged. Static.
      n_line_search: how many alpha are tried, all at once. Static.
      std: standard deviation of the noise on the first plan's first controls, in halves of the
        range of the actions (in their own unit without bounds): a plan that rests on a ridge must
        leave it.
      tolerance: a plan has converged when its return grows by less than this, relative to its size.
      warm_start: whether a plan begins where the last one ended. Static.
      terminal_value: V(state, observation) after the last action, twice differentiable; None for
        zero.

    Raises:
      UpslopeError: numbers out of their range; actions that are no Box; a state without numbers; an
        environment whose steps cannot be differentiated, or do not change with the action.

    References:
      Li and Todorov (2004); Tassa, Erez and Todorov (2012), "Synthesis and stabilization of complex
      behaviors through online trajectory optimization"; Tassa, Mansard and Todorov (2014),
      "Control-limited differential dynamic programming".
    """

    environment: Environment
    objective: Objective = EpisodicReturn()
    horizon: int = eqx.field(static=True, default=20)
    n_iterations: int = eqx.field(static=True, default=5)
    n_line_search: int = eqx.field(static=True, default=10)
    std: float = 0.1
    tolerance: float = 1e-4
    warm_start: bool = eqx.field(static=True, default=True)
    terminal_value: TerminalValue | None = eqx.field(converter=as_module, default=None)
    shape: tuple[int, ...] = eqx.field(init=False, static=True)

    def __post_init__(self) -> None:
        self.shape = check_smooth("ILQR", self.environment)

    def __check_init__(self) -> None:
        check_number("ILQR", "horizon", self.horizon, at_least=1, integer=True)
        check_number("ILQR", "n_iterations", self.n_iterations, at_least=1, integer=True)
        check_number("ILQR", "n_line_search", self.n_line_search, at_least=1, integer=True)
        check_number("ILQR", "std", self.std, at_least=0.0)
        check_number("ILQR", "tolerance", self.tolerance, at_least=0.0)
        check_switch("ILQR", "warm_start", self.warm_start)

    def initial_memory(self) -> Memory:
        return self._start() if self.warm_start else ()

    def _bounds(self) -> tuple[Array, Array]:
        bounds = self.environment.action_bounds()
        low, high = (-jnp.inf, jnp.inf) if bounds is None else bounds
        low, high = (
            jnp.broadcast_to(jnp.asarray(b, float), self.shape).reshape(math.prod(self.shape))
            for b in (low, high)
        )
        return low, high

    def _middle(self) -> tuple[Array, Array]:
        """The controls of which nothing is known, and half their range, [m] each."""
        low, high = self._bounds()
        bounded = jnp.isfinite(low) & jnp.isfinite(high)
        middle = jnp.where(bounded, (low + high) / 2, jnp.clip(jnp.zeros_like(low), low, high))
        return middle, jnp.where(bounded, (high - low) / 2, 1.0)

    def _start(self) -> ILQRMemory:
        middle, _ = self._middle()
        controls = jnp.broadcast_to(middle, (self.horizon, *middle.shape))
        return ILQRMemory(controls, jnp.ones((), bool))

    def plan(self, key: Key, state: EnvironmentState, memory: Memory) -> PlannerOutput:
        noise_key, model_key = jax.random.split(key)
        memory = memory if self.warm_start else self._start()
        low, high = self._bounds()
        middle, half = self._middle()
        flat = FlatStates.of(state, self.shape)
        x, rest = flat.split(state)
        simulator = Simulator(
            self.environment.without_noise(),
            flat,
            jax.random.split(model_key, self.horizon),
            x,
            rest,
            self.objective.discount,
            self.terminal_value,
        )
        drawn = self.std * half[None] * jax.random.normal(noise_key, memory.controls.shape)
        controls = memory.controls + jnp.where(memory.fresh, drawn, 0.0)
        controls = jnp.clip(controls, low[None], high[None])
        found = self._search(simulator, controls.astype(x.dtype), low, high)
        best = found.best.controls
        after = jnp.concatenate([best[1:], middle.astype(best.dtype)[None]])
        extras = ILQRExtras(
            best.reshape(self.horizon, *self.shape),
            found.best.x,
            found.correction.gain,
            found.returns,
            found.correction.gradient,
            found.iteration,
            found.converged,
        )
        return PlannerOutput(
            action=best[0].reshape(self.shape),
            action_weights=(),
            value=-found.best.cost,
            memory=ILQRMemory(after, jnp.zeros((), bool)) if self.warm_start else (),
            extras=extras,
        )

    def _search(self, simulator: Simulator, controls: Array, low: Array, high: Array) -> _Search:
        def refined(search: _Search) -> _Search:
            best = search.best
            correction = improve(best, simulator.expand(best), search.damping, low, high)
            sizes = SHRINKAGE ** jnp.arange(self.n_line_search, dtype=best.cost.dtype)

            def follow(size: Array) -> Rollout:
                return simulator.follow(best, correction, size, low, high)

            trials = jax.vmap(follow)(sizes)
            # A simulation that diverged is worth nothing.
            costs = jnp.where(jnp.isnan(trials.cost), jnp.inf, trials.cost)
            first = jnp.argmin(costs)
            expected = -sizes * (correction.slope + 0.5 * sizes * correction.curvature)
            gain = best.cost - costs[first]
            better = correction.descends & (gain > 0) & (gain >= ARMIJO * expected[first])
            best = jax.tree.map(
                lambda new, old: jnp.where(better, new[first], old), trials, search.best
            )
            small = self.tolerance * jnp.maximum(jnp.abs(best.cost), 1e-8)
            rest = correction.descends & (-correction.slope <= small)
            growth = jnp.where(
                better,
                jnp.minimum(1 / FACTOR, search.growth / FACTOR),
                jnp.maximum(FACTOR, search.growth * FACTOR),
            )
            damping = search.damping * growth
            damping = jnp.where(
                better,
                jnp.where(damping < LEAST_DAMPING, 0.0, damping),
                jnp.maximum(LEAST_DAMPING, damping),
            )
            later = jnp.arange(self.n_iterations) >= search.iteration
            return _Search(
                best,
                correction,
                damping,
                growth,
                jnp.where(later, -best.cost, search.returns),
                search.iteration + 1,
                rest | (better & (gain <= small)),
            )

        def goes_on(search: _Search) -> Array:
            more = search.iteration < self.n_iterations
            return more & ~search.converged & (search.damping < MOST_DAMPING)

        best = simulator.follow(controls)
        horizon, m = controls.shape
        dtype = controls.dtype
        zero = jnp.zeros((), dtype)
        nothing = Correction(
            jnp.zeros((horizon, m), dtype),
            jnp.zeros((horizon, m, len(simulator.x)), dtype),
            zero,
            zero,
            jnp.zeros((), bool),
            zero,
        )
        start = _Search(
            best,
            nothing,
            zero,
            jnp.ones((), dtype),
            jnp.full(self.n_iterations, -best.cost, dtype),
            jnp.zeros((), jnp.int32),
            jnp.zeros((), bool),
        )
        return jax.lax.while_loop(goes_on, refined, start)

    @property
    def model_steps(self) -> int:
        """At most: trials of every iteration, and a step differentiated for each of the plan."""
        return self.horizon * (1 + self.n_iterations * (self.n_line_search + 1))
