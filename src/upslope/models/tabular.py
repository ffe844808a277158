"""The model that counts."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError, check_choice, check_number, check_switch
from upslope.core.records import Step, Trajectories, Transitions
from upslope.environments.tabular.finite_mdp import FiniteMDP, draw
from upslope.models.counting import (
    TabularStatistics,
    checked_counts,
    count_rows,
    count_steps,
    visits_of,
)
from upslope.models.model import FitReport, Model, ModelDiagnostics, not_configured, space_text
from upslope.models.rows import checked_rows, discrete_column

if TYPE_CHECKING:
    from gymnasium import spaces

Unvisited = Literal["optimistic", "absorbing", "refuse"]
Estimate = Literal["maximum-likelihood", "last-value"]
LARGEST = 2**27  # numbers in a table [S, A, S]: half a gibibyte


class TabularModel(Model):
    r"""A finite MDP estimated by counting.

    .. math:: \hat P(s' \mid s, a) = \frac{N(s, a, s') + \alpha}{N(s, a) + \alpha S}, \qquad
              \hat R(s, a) = \frac{1}{N(s, a)} \sum_{i: s_i = s, a_i = a} r_i

    With :math:`\alpha = 0` this is the maximum likelihood; each row is divided by the number of
    its own samples, never by that of all. A pair sampled N times has
    :math:`E \lVert \hat P - P \rVert_1 \le \sqrt{S / N}`. Where a terminated step led is terminal.

    What happens where nothing was seen, or less than `known_after` times, has a name, `unvisited`:

    - `"optimistic"`: the pair stays where it is and earns `optimistic_reward` for ever, so that
      planning goes and looks (R-max);
    - `"absorbing"`: it stays where it is without reward;
    - `"refuse"`: an error; inside compiled programs, which cannot raise, a reward of NaN.

    Attributes:
      estimate: `"maximum-likelihood"`; or `"last-value"`, the model of a deterministic world that
        may change: what happened last is what happens. Static.
      unvisited: what happens where nothing was seen, see above. Static.
      known_after: how often a pair must have been tried until its estimate counts. Where outcomes
        are random one look says little: with 1, planning never returns to what began badly.
      prior: alpha, imaginary observations of every successor of a visited pair.
      optimistic_reward: reward that `"optimistic"` promises, at least; the largest one seen if that
        is more.
      end_state: a terminated step leads to one more state, numbered S, instead of the one that was
        observed; for environments in which the same state is sometimes the end and sometimes not.
        Static.
      time_limit: steps; None for never. Static.
      observation_json: space of the observations, see `Model`. Static.
      action_json: space of the actions, see `Model`. Static.
      statistics: what was counted; None before `configure`.

    Raises:
      UpslopeError: an unknown name, a negative prior, or, from `configure`, spaces that are not
        Discrete.

    References:
      Sutton and Barto (2018), sections 6.3 and 8.2; Brafman and Tennenholtz (2002) for optimism;
      Agarwal, Jiang, Kakade and Sun (2022), section 2.1.
    """

    name: ClassVar[str] = "tabular"
    example: ClassVar[str] = "dyna-maze"
    n_batches: ClassVar[int] = 0
    batch_size: ClassVar[int] = 0
    estimate: Estimate = eqx.field(static=True, default="maximum-likelihood")
    unvisited: Unvisited = eqx.field(static=True, default="optimistic")
    known_after: int | Int[Array, ""] = 1
    prior: float | Float[Array, ""] = 0.0
    optimistic_reward: float | Float[Array, ""] = 1.0
    end_state: bool = eqx.field(static=True, default=False)
    time_limit: int | None = eqx.field(static=True, default=None)
    observation_json: str | None = eqx.field(static=True, default=None)
    action_json: str | None = eqx.field(static=True, default=None)
    statistics: TabularStatistics | None = None

    def __check_init__(self) -> None:
        check_choice("TabularModel", "estimate", self.estimate, Estimate.__args__)
        check_choice("TabularModel", "unvisited", self.unvisited, Unvisited.__args__)
        check_number("TabularModel", "known_after", self.known_after, at_least=1, integer=True)
        check_number("TabularModel", "prior", self.prior, at_least=0)
        check_switch("TabularModel", "end_state", self.end_state)

    @classmethod
    def of_counts(
        cls,
        counts: ArrayLike,
        reward: ArrayLike,
        terminal: ArrayLike | None = None,
        starts: ArrayLike | None = None,
    ) -> TabularModel:
        """A model from counts that were made elsewhere. `dataclasses.replace` sets the rest.

        Args:
          counts: N(s, a, s'), [S, A, S].
          reward: mean rewards [S, A]; of pairs without counts they do not matter.
          terminal: bool [S], the states in which episodes end; None for none.
          starts: how often episodes began in each state, [S]; None for equally often in those
            that are not terminal.

        Raises:
          UpslopeError: shapes that do not fit together; a count that is negative, NaN or infinite.
        """
        from gymnasium import spaces

        table = np.asarray(counts, np.float64)
        n_states = table.shape[0] if table.ndim else 0
        ends = np.zeros(n_states, bool) if terminal is None else np.asarray(terminal, bool)
        began = (~ends).astype(float) if starts is None else np.asarray(starts, np.float64)
        statistics = checked_counts(table, np.asarray(reward, np.float64), ends, began)
        model = cls().configure(spaces.Discrete(n_states), spaces.Discrete(table.shape[1]))
        return dataclasses.replace(model, statistics=statistics)

    def configure(self, observation_space: spaces.Space, action_space: spaces.Space) -> Self:
        from gymnasium import spaces

        for name, space in (("observations", observation_space), ("actions", action_space)):
            if not isinstance(space, spaces.Discrete) or space.start != 0:
                raise UpslopeError(
                    f"TabularModel counts states and actions 0, 1, 2, ..., and got {name} in "
                    f"{space}: use EnsembleModel, which models vectors."
                )
        n_states = int(observation_space.n) + self.end_state  # pyright: ignore
        n_actions = int(action_space.n)  # pyright: ignore
        size = n_states * n_actions * n_states
        if size > LARGEST:
            raise UpslopeError(
                f"TabularModel got {n_states:,} states and {n_actions:,} actions: a table of "
                f"{size:,} counts is more than the {LARGEST:,} it may have. Join states, or use "
                "EnsembleModel on features of them."
            )
        return dataclasses.replace(
            self,
            observation_json=space_text(spaces.Discrete(n_states)),
            action_json=space_text(spaces.Discrete(n_actions)),
            statistics=TabularStatistics.none(n_states, n_actions),
        )

    def initialize(self, key: Key) -> Self:
        shape = self._known().counts.shape
        return dataclasses.replace(self, statistics=TabularStatistics.none(shape[0], shape[1]))

    def fit(self, key: Key, data: Transitions) -> tuple[Self, FitReport]:
        from gymnasium import spaces

        data = checked_rows("TabularModel", data)
        model, sizes = self, (None, None)
        if self.statistics is not None:
            n_states, n_actions, _ = self.statistics.counts.shape
            sizes = (n_states - self.end_state, n_actions)
        observation, following = (
            discrete_column("TabularModel", name, getattr(data, name), sizes[0])
            for name in ("observation", "next_observation")
        )
        action = discrete_column("TabularModel", "action", data.action, sizes[1])
        both = np.concatenate([observation, following])
        if both.min() == both.max():
            raise UpslopeError(
                f"TabularModel got {len(action):,} rows of one state, {both[0]}: a model needs "
                "steps that lead from state to state."
            )
        if self.statistics is None:
            model = self.configure(
                spaces.Discrete(int(both.max()) + 1), spaces.Discrete(int(action.max()) + 1)
            )
        n_states, n_actions, _ = model._known().counts.shape
        data = data._replace(observation=observation, action=action, next_observation=following)
        last_value = self.estimate == "last-value"
        statistics = count_rows(data, n_states, n_actions, self.end_state, last_value)
        model = dataclasses.replace(model, statistics=statistics)
        return model, _report(model, data)

    def update(
        self, key: Key, fresh: Trajectories, batches: Trajectories | None
    ) -> tuple[Self, ModelDiagnostics]:
        statistics = self._known()
        n_states = statistics.counts.shape[0]
        visits = visits_of(fresh, n_states, self.end_state)
        terminal = statistics.terminal
        moves, reward = jax.vmap(lambda s, a: self._row(terminal, s, a))(
            visits.state, visits.action
        )
        given = jnp.take_along_axis(moves, visits.successor[:, None], axis=1)[:, 0]
        square = jnp.square(reward - visits.reward) / statistics.rewards.variance
        after = count_steps(statistics, fresh, visits, self.estimate == "last-value")
        nan = jnp.full((), jnp.nan, given.dtype)
        return dataclasses.replace(self, statistics=after), ModelDiagnostics(
            loss=nan,
            model_error=_mean(1.0 - given, visits.valid),
            reward_error=jnp.sqrt(_mean(square, visits.valid)),
            coverage=nan,
            transitions=after.transitions,
        )

    def finite_mdp(self) -> FiniteMDP:
        """The estimate as a finite MDP, for `upslope.exact` and dynamic programming.

        States that were never seen are never reached; under `"refuse"` they stay where they are.

        Raises:
          UpslopeError: under `unvisited="refuse"`, actions that were never tried in a state that
            can be reached (which). Traced, their reward is NaN.
        """
        terminal, moves, reward, begins = _table(self)
        missing = np.zeros((0, 2), int)
        if self.unvisited == "refuse" and not isinstance(reward, Tracer):
            missing = np.argwhere(np.isnan(reward))
        if len(missing):
            raise UpslopeError(
                f"TabularModel {self._rarely()} {_pairs(missing)}, and unvisited='refuse'. Collect "
                "steps there, or choose unvisited='absorbing' or 'optimistic'."
            )
        return FiniteMDP(moves, reward, begins, terminal, self.time_limit)

    def reset(self, key: Key) -> tuple[Int[Array, ""], Int[Array, ""]]:
        starts = self._known().starts
        begins = jnp.where(jnp.sum(starts) > 0, starts, 1.0)
        state = draw(key, begins / jnp.sum(begins))
        return state, state

    def step(
        self, key: Key, state: Int[Array, ""], action: Int[Array, ""]
    ) -> tuple[Int[Array, ""], Step]:
        terminal = self._known().terminal
        moves, reward = self._row(terminal, state, action)
        if self.unvisited == "refuse" and not isinstance(reward, Tracer) and np.isnan(reward):
            raise UpslopeError(
                f"TabularModel {self._rarely()} action {int(action)} in state {int(state)}, and "
                "unvisited='refuse'. Collect steps there, or choose unvisited='absorbing' or "
                "'optimistic'."
            )
        following = draw(key, moves).astype(state.dtype)
        return following, Step(following, reward, terminal[following])

    def _row(self, terminal: Array, state: Array, action: Array) -> tuple[Array, Array]:
        """P hat [S] and R hat of one pair."""
        statistics = self._known()
        counts = statistics.counts[state, action]
        n_states = counts.shape[0]
        visits = jnp.sum(counts)
        seen, ended = visits >= self.known_after, terminal[state]
        prior = jnp.asarray(self.prior, counts.dtype)
        safe = jnp.where(seen, visits, 1.0)
        estimate = (counts + prior) / (safe + prior * n_states)
        stays = jax.nn.one_hot(state, n_states, dtype=counts.dtype)
        moves = jnp.where(seen & ~ended, estimate, stays)
        reward = jnp.where(seen, statistics.reward_sum[state, action] / safe, self._unknown())
        return moves, jnp.where(ended, 0.0, reward)

    def _unknown(self) -> Array:
        """The reward of a pair that is not known."""
        largest = self._known().largest_reward
        if self.unvisited == "optimistic":
            return jnp.maximum(jnp.asarray(self.optimistic_reward, largest.dtype), largest)
        return jnp.full((), jnp.nan if self.unvisited == "refuse" else 0.0, largest.dtype)

    def _rarely(self) -> str:
        times = int(self.known_after)
        return "has never seen" if times == 1 else f"has seen less than {times} times"

    def _known(self) -> TabularStatistics:
        if self.statistics is None:
            raise not_configured("TabularModel")
        return self.statistics


@eqx.filter_jit
def _table(model: TabularModel) -> tuple[Array, Array, Array, Array]:
    """The terminal states [S], P hat [S, A, S], R hat [S, A] and the starts [S]."""
    statistics = model._known()
    n_states, n_actions, _ = statistics.counts.shape
    terminal, starts = statistics.terminal, statistics.starts
    rows = jax.vmap(jax.vmap(lambda s, a: model._row(terminal, s, a), (None, 0)), (0, None))
    moves, reward = rows(jnp.arange(n_states), jnp.arange(n_actions))
    if model.unvisited == "refuse":
        reward = jnp.where(statistics.reached[:, None], reward, 0.0)
    total = jnp.sum(starts)
    begins = jnp.where(total > 0, starts / jnp.maximum(total, 1.0), 1.0 / n_states)
    return terminal, moves, reward, begins


def _mean(values: Array, valid: Array) -> Array:
    """The mean over valid rows; NaN without one."""
    return jnp.sum(jnp.where(valid, values, 0.0)) / jnp.sum(valid.astype(values.dtype))


def _pairs(pairs: np.ndarray) -> str:
    shown = ", ".join(f"({state}, {action})" for state, action in pairs[:5])
    more = f" and {len(pairs) - 5:,} more" if len(pairs) > 5 else ""
    return f"the state-action pairs {shown}{more}"


def _times(count: float) -> str:
    return "once" if count == 1 else f"{int(count):,} times"


def _report(model: TabularModel, data: Transitions) -> FitReport:
    statistics = jax.tree.map(np.asarray, model._known())
    n_states, n_actions, _ = statistics.counts.shape
    visits = statistics.counts.sum(axis=2)
    s, a = np.asarray(data.observation), np.asarray(data.action)
    following = np.asarray(data.next_observation)
    if model.end_state:
        following = np.where(data.terminated, n_states - 1, following)
    prior = float(model.prior)
    given = (statistics.counts[s, a, following] + prior) / (visits[s, a] + prior * n_states)
    off = np.asarray(data.reward, float) - statistics.reward_sum[s, a] / visits[s, a]
    spread = float(np.std(data.reward))
    live = statistics.reached & ~statistics.terminal
    known_after = int(model.known_after)
    missing = np.argwhere((visits < known_after) & live[:, None])
    never = "never tried" if known_after == 1 else f"tried less than {known_after} times"
    unknown: list[str] = []
    if len(missing):
        unknown.append(
            f"{len(missing):,} of {int(live.sum()) * n_actions:,} actions in the states seen were "
            f"{never} ({_pairs(missing)}): they are {model.unvisited!r}."
        )
    unseen = (
        n_states - int(statistics.reached.sum()) - model.end_state * (not statistics.reached[-1])
    )
    if unseen:
        unknown.append(f"{unseen:,} of {n_states:,} states were never seen.")
    tried = np.where(visits > 0, visits, np.inf)
    state, action = np.unravel_index(np.argmin(tried), tried.shape)
    fewest = tried[state, action]
    if model.estimate == "maximum-likelihood":
        unknown.append(
            f"action {action} in state {state} was tried {_times(fewest)}, the fewest: the "
            f"expected L1 error of its row is at most {min(2.0, (n_states / fewest) ** 0.5):.2g} "
            "(of 2)."
        )
    return FitReport(
        n_transitions=len(s),
        n_held_out=0,
        model_error=float(np.mean(1.0 - given)),
        reward_error=float(np.sqrt(np.mean(off**2))) / (spread if spread > 0 else 1.0),
        unknown=tuple(unknown),
    )
