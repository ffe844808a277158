"""Linear dynamics by least squares."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError, check_number
from upslope.core.records import Step, Trajectories, Transitions
from upslope.core.static_function import as_module
from upslope.models.least_squares import (
    Comoments,
    Regression,
    Triangle,
    covariance_factor,
    regress,
)
from upslope.models.model import FitReport, Model, ModelDiagnostics, not_configured, space_text
from upslope.models.outcomes import RewardFunction, TerminationFunction, known_end, known_reward
from upslope.models.rows import checked_rows
from upslope.models.starts import Starts
from upslope.models.vector_spaces import VectorSpaces, check_fits, checked_spaces, spaces_of

if TYPE_CHECKING:
    from gymnasium import spaces

N_STARTS = 256
MOST_INPUTS = 16  # of a reward that is fitted
INSIDE_90 = 1.6448536  # standard deviations of a Gaussian


class LinearSystem(NamedTuple):
    """x' = A x + B u + c + L z, and r = -(x'Qx + 2 x'Su + u'Ru + q'x + p'u + k)."""

    A: Float[Array, "n n"]
    B: Float[Array, "n m"]
    c: Float[Array, " n"]
    noise_factor: Float[Array, "n n"]  # L: the noise has covariance L L^T
    Q: Float[Array, "n n"]
    R: Float[Array, "m m"]
    S: Float[Array, "n m"]
    q: Float[Array, " n"]
    p: Float[Array, " m"]
    k: Float[Array, ""]


class LinearKnowledge(NamedTuple):
    """All that a linear model remembers, and what it made of it. z is (x, u) - `centre`."""

    centre: Float[Array, " d"]  # where the first steps were
    moments: Comoments  # of (z, the products of pairs of z, x' - x, r)
    dynamics: Regression  # of x' - x on z
    rewards: Regression  # of r on z and the products
    noise_factor: Float[Array, "n n"]
    starts: Starts


class LinearGaussianModel(Model):
    r"""Linear dynamics with Gaussian noise, and a quadratic reward, by least squares.

    .. math:: x_{t+1} = A x_t + B u_t + c + L z_t, \qquad z_t \sim N(0, I), \qquad
              (\hat A, \hat B, \hat c) = \arg\min \sum_t
              \lVert x_{t+1} - A x_t - B u_t - c \rVert^2 + \text{ridge}

    The least squares are the maximum likelihood under the Gaussian. The noise covariance is that of
    the residuals over N - n - m - 1. The reward is a quadratic function of (x, u), fitted likewise,
    unless a function says what it is. Directions in which nothing moved get the weight zero; `fit`
    names them, because there the model knows nothing. It works from sums, so that an `update` costs
    the same however many steps there were.

    Attributes:
      ridge: in units of the variance of each input: 0.01 shrinks weights by about 1 %.
      reward: r(x, u, x') of one's own; None fits a quadratic function.
      termination: whether (x, u, x') terminates; None for never.
      time_limit: steps; None for never. Static.
      observation_json: space of the observations, see `Model`. Static.
      action_json: space of the actions, see `Model`. Static.
      knowledge: what was learnt; None before `configure`.

    Raises:
      UpslopeError: a negative ridge, or, from `configure`, spaces that are not Box.

    References:
      Dean et al. (2020), "On the Sample Complexity of the Linear Quadratic Regulator", section 2.
    """

    name: ClassVar[str] = "linear-gaussian"
    example: ClassVar[str] = "linear-quadratic"
    n_batches: ClassVar[int] = 0
    batch_size: ClassVar[int] = 0
    ridge: float | Float[Array, ""] = 0.0
    reward: RewardFunction | None = eqx.field(converter=as_module, default=None)
    termination: TerminationFunction | None = eqx.field(converter=as_module, default=None)
    time_limit: int | None = eqx.field(static=True, default=None)
    observation_json: str | None = eqx.field(static=True, default=None)
    action_json: str | None = eqx.field(static=True, default=None)
    knowledge: LinearKnowledge | None = None

    def __check_init__(self) -> None:
        check_number("LinearGaussianModel", "ridge", self.ridge, at_least=0)

    def configure(self, observation_space: spaces.Space, action_space: spaces.Space) -> Self:
        from gymnasium import spaces

        owner = "LinearGaussianModel"
        checked_spaces(owner, observation_space, action_space, choices=False)
        d = math.prod(observation_space.shape or ()) + math.prod(action_space.shape or ())
        if self.reward is None and d > MOST_INPUTS:
            raise UpslopeError(
                f"LinearGaussianModel got {d} numbers of observation and action: a quadratic "
                f"reward of them has {d + d * (d + 1) // 2} coefficients, too many to refit in "
                f"every update. Beyond {MOST_INPUTS} give it the reward, reward=function of "
                "(x, u, x')."
            )
        unbounded = spaces.Box(-np.inf, np.inf, observation_space.shape, np.float32)
        model = dataclasses.replace(
            self, observation_json=space_text(unbounded), action_json=space_text(action_space)
        )
        return model.initialize(jax.random.key(0))

    def initialize(self, key: Key) -> Self:
        n, d = self.spaces.n_observed, self.n_inputs
        p = self.n_features
        moments = Comoments.zeros(p + n + 1)
        knowledge = LinearKnowledge(
            centre=jnp.zeros(d),
            moments=moments,
            dynamics=_nothing(d, n),
            rewards=_nothing(p, 1),
            noise_factor=jnp.zeros((n, n)),
            starts=Starts.none(jnp.zeros(n), N_STARTS),
        )
        return dataclasses.replace(self, knowledge=knowledge)

    @property
    def spaces(self) -> VectorSpaces:
        """What its vectors are."""
        if self.observation_json is None or self.action_json is None:
            raise not_configured("LinearGaussianModel")
        return VectorSpaces.of(self.observation_json, self.action_json)

    @property
    def n_inputs(self) -> int:
        """d = n + m."""
        return self.spaces.n_observed + self.spaces.n_action_numbers

    @property
    def n_features(self) -> int:
        """p: what the reward is regressed on; d where it need not be."""
        d = self.n_inputs
        return d if self.reward is not None else d + d * (d + 1) // 2

    def fit(self, key: Key, data: Transitions) -> tuple[Self, FitReport]:
        owner = "LinearGaussianModel"
        data = checked_rows(owner, data)
        model = self
        if self.observation_json is None:
            model = self.configure(*spaces_of(owner, data))
        data = check_fits(owner, data, model.spaces)
        self._check_rows(data, model.n_inputs)
        n, d, p = model.spaces.n_observed, model.n_inputs, model.n_features
        columns = jax.tree.map(np.asarray, data)
        count = len(columns.reward)
        inputs = np.c_[columns.observation, np.reshape(columns.action, (count, -1))]
        centre = np.mean(inputs, axis=0, dtype=np.float64)

        def rows(block: slice) -> np.ndarray:
            z = np.asarray(inputs[block], np.float64) - centre
            features = z if model.reward is not None else np.c_[z, _products(z)]
            seen = np.asarray(columns.observation[block], np.float64)
            change = np.asarray(columns.next_observation[block], np.float64) - seen
            return np.c_[features, change, columns.reward[block]]

        triangle, ridge = Triangle.of(rows, count, p + n + 1), float(self.ridge)
        dynamics = triangle.regress(d, p, n, ridge)
        knowledge = LinearKnowledge(
            centre=jnp.asarray(centre, float),
            moments=triangle.comoments,
            dynamics=dynamics,
            rewards=triangle.regress(p, p + n, 1, ridge),
            noise_factor=covariance_factor(dynamics.residual),
            starts=Starts.of_rows(columns, N_STARTS),
        )
        model = dataclasses.replace(model, knowledge=knowledge)
        return model, FitReport(
            n_transitions=count,
            n_held_out=0,
            model_error=_relative(dynamics, triangle, d, p),
            reward_error=_reward_error(model, columns, triangle),
            unknown=tuple(model._unknown()),
        )

    def update(
        self, key: Key, fresh: Trajectories, batches: Trajectories | None
    ) -> tuple[Self, ModelDiagnostics]:
        known, rows = self._known(), Transitions.of(fresh)
        valid = rows.weight > 0
        action = jax.vmap(self.spaces.action_vector)(rows.action)
        change = rows.next_observation - rows.observation
        inputs = jnp.c_[rows.observation, action]
        first = known.moments.count == 0
        centre = jnp.where(first, Comoments.of(inputs, valid).mean, known.centre)
        z = inputs - centre[None]
        features = jax.vmap(self._features)(z)
        new = Comoments.of(jnp.c_[features, change, rows.reward], valid)
        moments = known.moments.merge(new)
        errors = _errors(self, rows._replace(action=action), change, moments)
        d, p, n = self.n_inputs, self.n_features, self.spaces.n_observed
        dynamics = regress(_part(moments, d, p, n), d, self.ridge)
        knowledge = LinearKnowledge(
            centre=centre,
            moments=moments,
            dynamics=dynamics,
            rewards=regress(_part(moments, p, p + n, 1), p, self.ridge),
            noise_factor=covariance_factor(dynamics.residual),
            starts=known.starts.seen(fresh),
        )
        return dataclasses.replace(self, knowledge=knowledge), errors

    def system(self) -> LinearSystem:
        """The matrices, for Riccati equations.

        Raises:
          UpslopeError: the reward is a function of one's own, whose matrices are not known.
        """
        if self.reward is not None:
            raise UpslopeError(
                "LinearGaussianModel.system() gives the matrices of a fitted reward, and this "
                "model has reward=...: fit one without it."
            )
        known, n = self._known(), self.spaces.n_observed
        d, centre = self.n_inputs, known.centre
        slope, quadratic = self._reward_form()
        # r = k0 + slope' z + z' H z around the centre, written around zero.
        linear = slope - 2.0 * quadratic @ centre
        constant = known.rewards.intercept[0] - slope @ centre + centre @ quadratic @ centre
        moves = known.dynamics.weights.T  # [n, d]
        offset = known.dynamics.intercept - moves @ centre
        eye = jnp.eye(n, d, dtype=moves.dtype)
        return LinearSystem(
            A=(moves + eye)[:, :n],
            B=moves[:, n:],
            c=offset,
            noise_factor=known.noise_factor,
            Q=-quadratic[:n, :n],
            R=-quadratic[n:, n:],
            S=-quadratic[:n, n:],
            q=-linear[:n],
            p=-linear[n:],
            k=-constant,
        )

    def reset(self, key: Key) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        observation = self._known().starts.draw(key)
        return observation, observation

    def step(
        self, key: Key, state: Float[Array, " n"], action: Array
    ) -> tuple[Float[Array, " n"], Step]:
        known = self._known()
        change, reward = self._mean(state, self.spaces.action_vector(action))
        noise = jax.random.normal(key, change.shape, change.dtype)
        following = state + change + known.noise_factor @ noise
        if self.reward is not None:
            reward = known_reward(self.reward, state, action, following)
        ends = jnp.zeros((), bool)
        if self.termination is not None:
            ends = known_end(self.termination, state, action, following)
        return following, Step(following, reward, ends)

    def _mean(self, state: Array, action: Array) -> tuple[Array, Array]:
        """The expected change [n], and the fitted reward."""
        known = self._known()
        z = jnp.concatenate([state, action]) - known.centre
        change = known.dynamics.intercept + z @ known.dynamics.weights
        reward = known.rewards.intercept[0] + self._features(z) @ known.rewards.weights[:, 0]
        return change, reward

    def _features(self, z: Float[Array, " d"]) -> Float[Array, " p"]:
        if self.reward is not None:
            return z
        first, second = np.triu_indices(self.n_inputs)
        return jnp.concatenate([z, z[first] * z[second]])

    def _reward_form(self) -> tuple[Array, Array]:
        """Slope [d] and symmetric matrix [d, d] of the fitted reward around the centre."""
        d = self.n_inputs
        weights = self._known().rewards.weights[:, 0]
        upper = jnp.zeros((d, d), weights.dtype).at[np.triu_indices(d)].set(weights[d:])
        return weights[:d], 0.5 * (upper + upper.T)

    def _check_rows(self, data: Transitions, d: int) -> None:
        count = len(np.asarray(data.reward))
        ended = int(np.asarray(data.terminated).sum())
        if count < d + 2:
            raise UpslopeError(
                f"LinearGaussianModel got {count} rows to fit {d} inputs and an intercept to: it "
                f"needs at least {d + 2}."
            )
        if ended and self.termination is None:
            raise UpslopeError(
                f"LinearGaussianModel got {ended:,} rows that terminated: linear dynamics do not "
                "end. Say when they do, termination=function of (x, u, x'), or use EnsembleModel."
            )

    def _unknown(self) -> list[str]:
        """The directions in which nothing moved, a sentence each."""
        known, n = self._known(), self.spaces.n_observed
        names = [f"observation[{i}]" for i in range(n)]
        names += [f"action[{i}]" for i in range(self.n_inputs - n)]
        found: list[str] = []
        values, vectors = (
            np.asarray(known.dynamics.excitation),
            np.asarray(known.dynamics.directions),
        )
        for value, direction in zip(values, vectors.T, strict=True):
            if value == 0:
                parts = [
                    f"{weight:+.2f} {name}"
                    for weight, name in zip(direction, names, strict=True)
                    if abs(weight) > 0.05
                ]
                found.append(
                    "nothing moved in the direction " + " ".join(parts) + " (in standard "
                    "deviations): what happens there is unknown."
                )
        return found

    def _known(self) -> LinearKnowledge:
        if self.knowledge is None:
            raise not_configured("LinearGaussianModel")
        return self.knowledge


def _nothing(n_inputs: int, n_targets: int) -> Regression:
    return Regression(
        jnp.zeros(n_targets),
        jnp.zeros((n_inputs, n_targets)),
        jnp.zeros((n_targets, n_targets)),
        jnp.zeros(n_inputs),
        jnp.eye(n_inputs),
    )


def _part(moments: Comoments, n_inputs: int, start: int, n_targets: int) -> Comoments:
    """The moments of the first components and of some of the later ones."""
    chosen = np.r_[np.arange(n_inputs), np.arange(start, start + n_targets)]
    products = moments.products[chosen[:, None], chosen[None]]
    return Comoments(moments.count, moments.mean[chosen], products)


def _relative(found: Regression, triangle: Triangle, n_inputs: int, first: int) -> float:
    """The residuals' root mean square in standard deviations of the targets."""
    free = max(triangle.count - n_inputs - 1, 1)
    left = np.diagonal(np.asarray(found.residual, np.float64)) * free
    whole = np.sum(triangle.factor[:, first : first + len(left)] ** 2, axis=0)
    return float(np.sqrt(np.mean(left / np.where(whole > 0, whole, 1.0))))


def _reward_error(model: LinearGaussianModel, data: Transitions, triangle: Triangle) -> float:
    p, n = model.n_features, model.spaces.n_observed
    if model.reward is None:
        return _relative(model._known().rewards, triangle, p, p + n)
    function = model.reward
    each = jax.jit(jax.vmap(lambda o, a, following: known_reward(function, o, a, following)))
    columns = (data.observation, data.action, data.next_observation)
    off = np.asarray(each(*(jnp.asarray(x, float) for x in columns))) - np.asarray(data.reward)
    spread = float(np.std(np.asarray(data.reward)))
    return float(np.sqrt(np.mean(off**2))) / (spread if spread > 0 else 1.0)


def _products(z: np.ndarray) -> np.ndarray:
    first, second = np.triu_indices(z.shape[1])
    return z[:, first] * z[:, second]


def _errors(
    model: LinearGaussianModel, rows: Transitions, change: Array, moments: Comoments
) -> ModelDiagnostics:
    """How well the model foresees steps; the moments of all of them give the units."""
    n, p, valid = model.spaces.n_observed, model.n_features, rows.weight > 0
    means, rewards = jax.vmap(model._mean)(rows.observation, rows.action)
    if model.reward is not None:
        function = model.reward
        rewards = jax.vmap(lambda o, a, following: known_reward(function, o, a, following))(
            rows.observation, rows.action, rows.next_observation
        )
    spread = jnp.sqrt(jnp.diagonal(moments.products) / jnp.maximum(moments.count, 1.0))[p:]
    unit = jnp.where(spread > 0, spread, 1.0)
    off = (means - change) / unit[None, :n]
    known = model._known()
    deviation = jnp.sqrt(jnp.sum(jnp.square(known.noise_factor), axis=1))
    inside = jnp.abs(means - change) <= INSIDE_90 * deviation[None]
    wrong = (rewards - rows.reward) / unit[n]

    def mean(values: Array) -> Array:
        each = jnp.mean(values, axis=1)
        return jnp.sum(jnp.where(valid, each, 0.0)) / jnp.sum(valid.astype(each.dtype))

    return ModelDiagnostics(
        loss=mean(jnp.square(means - change)),
        model_error=jnp.sqrt(mean(jnp.square(off))),
        reward_error=jnp.sqrt(mean(jnp.square(wrong)[:, None])),
        coverage=mean(inside.astype(off.dtype)),
        transitions=moments.count,
    )
