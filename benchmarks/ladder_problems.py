"""Known problems: the exact optimum, and what a policy found by any method is worth, exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

import upslope
from upslope import exact
from upslope.environments import Environment, FiniteMDP, LinearQuadratic, Pendulum
from upslope.objectives import DiscountedReturn

# Differences below this, relative to the optimum, are rounding.
ROUNDING = 1e-9


class Rung(NamedTuple):
    """A method on a problem.

    Attributes:
      family: what it is an example of.
      method: its registered name.
      steps: its budget, environment steps of each seed.
      settings: that differ from the preset or the defaults.
      simulated: simulated steps for each environment step, counted apart.
    """

    family: str
    method: str
    steps: int
    settings: dict[str, Any] = {}
    simulated: int = 0


class KnownProblem(NamedTuple):
    """A problem whose optimum can be computed.

    Attributes:
      title: for readers.
      make: builds the environment.
      gamma: discount of the return.
      rungs: what climbs it, from the bottom.
    """

    title: str
    make: Callable[[], Environment]
    gamma: float
    rungs: tuple[Rung, ...]


def toy_text(name: str, **settings: Any) -> FiniteMDP:
    """The table of a simulator of Gymnasium's as an environment of its own."""
    environment = upslope.make(name, **settings)
    assert not isinstance(environment, Environment)
    return exact.as_finite_mdp(environment)


def newest(name: str) -> str:
    """The id of the newest version of a simulator that the installed Gymnasium registers."""
    versions = [spec.version for spec in gymnasium.registry.values() if spec.name == name]
    return f"{name}-v{max(version for version in versions if version is not None)}"


def cart_on_a_line() -> LinearQuadratic:
    """A mass that a force pushes, ten steps a second: position and speed go to zero."""
    return LinearQuadratic(
        A=[[1.0, 0.1], [0.0, 1.0]],
        B=[[0.0], [0.1]],
        Q=[[1.0, 0.0], [0.0, 0.1]],
        R=[[0.1]],
        noise_factor=0.05 * np.eye(2),
    )


def pendulum_on_a_grid(n_angles: int = 25, n_speeds: int = 21) -> FiniteMDP:
    """Pendulum-v1 on a grid of angles and speeds, with the torques -2, 0 and 2 N m.

    A step is the pendulum's own; where it ends between grid points the state is one of the four
    around it, drawn with the weights of bilinear interpolation, so that its mean is exact. Angles
    go round. Episodes begin as the pendulum's do, at any angle with at most 1 rad/s.
    """
    pendulum = upslope.make("Pendulum-v1")
    assert isinstance(pendulum, Pendulum)
    angles = np.linspace(-np.pi, np.pi, n_angles, endpoint=False)
    speeds = np.linspace(-pendulum.max_speed, pendulum.max_speed, n_speeds)
    states = jnp.asarray(np.stack(np.meshgrid(angles, speeds, indexing="ij"), -1).reshape(-1, 2))
    torques = jnp.array([[-2.0], [0.0], [2.0]])
    step = lambda state, torque: pendulum.step(jax.random.key(0), state, torque)  # noqa: E731
    after, out = jax.vmap(jax.vmap(step, (None, 0)), (0, None))(states, torques)
    along = (np.asarray(after, float) - [-np.pi, -pendulum.max_speed]) / [
        2 * np.pi / n_angles,
        2 * pendulum.max_speed / (n_speeds - 1),
    ]
    corner = np.floor(along).astype(int)
    share = along - corner
    transition = np.zeros((*after.shape[:2], len(states)))
    state, torque = np.indices(after.shape[:2])
    for right in (0, 1):
        for up in (0, 1):
            angle = (corner[..., 0] + right) % n_angles
            speed = np.minimum(corner[..., 1] + up, n_speeds - 1)
            weight = np.prod(np.where([right, up], share, 1 - share), axis=-1)
            np.add.at(transition, (state, torque, angle * n_speeds + speed), weight)
    begins = (np.abs(np.asarray(states)[:, 1]) <= 1.0).astype(float)
    return FiniteMDP(
        transition=transition,
        reward=out.reward,
        initial=begins / begins.sum(),
        terminal=np.zeros(len(states), bool),
        time_limit=pendulum.time_limit,
    )


def with_doubles(environment: Environment) -> Environment:
    """The same numbers in double precision; only where that is enabled."""
    real, rest = eqx.partition(environment, eqx.is_inexact_array)
    return eqx.combine(jax.tree.map(lambda leaf: leaf.astype(jnp.float64), real), rest)


def optimum(environment: Environment, gamma: float) -> float:
    """The largest J that any policy can have, to double precision."""
    if isinstance(environment, LinearQuadratic):
        with jax.enable_x64(True):
            system = with_doubles(environment)
            found = exact.solve_linear_quadratic(system, gamma, environment.time_limit)
            return float(found.value)
    solution = upslope.solve(exact.as_finite_mdp(environment), "policy-iteration", gamma=gamma)
    return value_of_table(np.eye(solution.n_actions)[solution.policy], environment, gamma)


def value_of_table(table: np.ndarray, environment: Environment, gamma: float) -> float:
    """J of action probabilities [S, A], to double precision."""
    with jax.enable_x64(True):
        mdp = with_doubles(exact.as_finite_mdp(environment))
        return float(exact.value(np.asarray(table, float), mdp, DiscountedReturn(gamma)))


def value_of_gain(gain: np.ndarray, system: LinearQuadratic, gamma: float) -> float:
    """J of u = K [x; 1] with K [m, n + 1] over the system's time limit, to double precision."""
    with jax.enable_x64(True):
        policy = LinearControl(jnp.asarray(gain, float))
        objective = DiscountedReturn(gamma)
        return float(exact.value(policy, with_doubles(system), objective, system.time_limit))


class LinearControl(NamedTuple):
    """u = K [x; 1] as a policy that the exact layer reads."""

    gain: Any

    def __call__(self, observation: Any) -> Any:
        from upslope.core.distributions import Deterministic

        return Deterministic(self.gain[:, :-1] @ observation + self.gain[:, -1])


def regrets(policies: Any, environment: Environment, gamma: float, best: float) -> np.ndarray:
    """J* - J of the best guess of each seed's policy, [S], exactly.

    The guess is what held-out evaluations act by: the mode. Where it is a table it is read off in
    every state; where it is a linear law, from the origin and the unit vectors.

    Args:
      policies: actors with leaves [S, ...].
      environment: a finite MDP or a linear-quadratic system.
      gamma: discount.
      best: J of the optimum.

    Raises:
      AssertionError: a policy that is better than the optimum: one of both is wrong.
    """
    if isinstance(environment, LinearQuadratic):
        n = environment.A.shape[-1]
        acts = np.asarray(modes(policies, jnp.concatenate([jnp.eye(n), jnp.zeros((1, n))])), float)
        gains = [np.column_stack([(one[:-1] - one[-1]).T, one[-1]]) for one in acts]
        values = [value_of_gain(gain, environment, gamma) for gain in gains]
    else:
        acts = np.asarray(modes(policies, exact.observations(environment)))
        n_actions = exact.as_finite_mdp(environment).n_actions
        values = [value_of_table(np.eye(n_actions)[one], environment, gamma) for one in acts]
    return regret_of(np.array(values), best)


def regret_of(values: np.ndarray, best: float) -> np.ndarray:
    """J* - J, with what is rounding set to zero.

    Raises:
      AssertionError: a value above the best one.
    """
    regret, slack = best - values, ROUNDING * max(abs(best), 1e-3)
    assert np.all(regret >= -slack), f"J = {values.max()} is above the optimum, {best}"
    return np.where(regret < slack, 0.0, regret)


@jax.jit
def modes(policies: Any, observations: jax.Array) -> jax.Array:
    """What each of S actors does for sure after each of N observations, [S, N, ...]."""

    def one(actor: Any) -> jax.Array:
        actor = actor.greedy()
        noise = actor.noise(jax.random.key(0))
        return jax.vmap(lambda seen: actor.act(noise, seen, actor.initial_memory()).action)(
            observations
        )

    return jax.vmap(one)(policies)


def chance(environment: Environment, gamma: float, best: float) -> float:
    """The regret of knowing nothing: actions drawn evenly, or no control at all."""
    if isinstance(environment, LinearQuadratic):
        n, m = environment.B.shape
        return best - value_of_gain(np.zeros((m, n + 1)), environment, gamma)
    mdp = exact.as_finite_mdp(environment)
    even = np.full((mdp.n_states, mdp.n_actions), 1.0 / mdp.n_actions)
    return best - value_of_table(even, environment, gamma)


SEARCH = {"policy": "tabular-softmax"}
PLAN = {"model": "tabular", "planner": "value-iteration", "epsilon": 0.0}


def tabular_rungs(
    learning: int, blind: int, fits: int, share: float = 0.25, **model: float
) -> tuple[Rung, ...]:
    """The rungs of a finite problem.

    Args:
      learning: budget of the methods that learn from single steps.
      blind: budget of those that learn from whole returns.
      fits: how often the fitted model is planned in.
      share: of `learning` that the fitted model gets.
      model: settings of the fitted model.
    """
    planned = int(share * learning)
    fitted = PLAN | {"n_steps": planned // fits, "model_settings": model}
    return (
        Rung("gradient-free", "cem", blind, SEARCH),
        Rung("policy gradient", "reinforce", blind, SEARCH | {"n_episodes": 16}),
        Rung("Q-learning", "q-learning", learning),
        Rung("Dyna", "dyna-q", learning, {"planning_steps": 50}, 50),
        Rung("fitted model, planning", "model-based", planned, fitted),
    )


PROBLEMS = {
    "dyna-maze": KnownProblem(
        "Dyna maze", lambda: upslope.make("dyna-maze"), 0.95, tabular_rungs(20_000, 200_000, 100)
    ),
    "frozen-lake": KnownProblem(
        "FrozenLake-v1, not slippery",
        lambda: toy_text("FrozenLake-v1", is_slippery=False),
        0.95,
        tabular_rungs(20_000, 200_000, 100),
    ),
    "slippery-lake": KnownProblem(
        "FrozenLake-v1, slippery",
        lambda: toy_text("FrozenLake-v1"),
        0.99,
        tabular_rungs(50_000, 300_000, 100, known_after=10),
    ),
    "taxi": KnownProblem(
        "Taxi", lambda: toy_text(newest("Taxi")), 0.95, tabular_rungs(200_000, 1_000_000, 2000)
    ),
    "pendulum-grid": KnownProblem(
        "the pendulum on a grid",
        pendulum_on_a_grid,
        0.97,
        tabular_rungs(200_000, 1_000_000, 50, optimistic_reward=0.0),
    ),
    "linear-quadratic": KnownProblem(
        "linear-quadratic: a mass on a line",
        cart_on_a_line,
        0.98,
        (
            Rung("gradient-free", "cma-es", 300_000, {"policy": "deterministic-linear"}),
            Rung(
                "policy gradient", "reinforce", 300_000,
                {"policy": "gaussian-linear", "n_episodes": 16, "learning_rate": 0.05},
            ),
            Rung(
                "fitted model, planning", "model-based", 3_000,
                {"model": "linear-gaussian", "planner": "lqr", "n_steps": 10},
            ),
        ),
    ),
}  # fmt: skip
