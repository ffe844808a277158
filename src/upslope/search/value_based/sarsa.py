"""SARSA, of one step and of several."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from upslope.core.annotations import Key
from upslope.core.checks import check_number
from upslope.core.records import Trajectories
from upslope.objectives.objective import Objective
from upslope.policies.tabular_epsilon_greedy import (
    TabularEpsilonGreedy,
    epsilon_greedy_probabilities,
)
from upslope.policies.tabular_softmax import TabularSoftmax
from upslope.search.value_based.tabular_method import (
    Counts,
    TabularDiagnostics,
    TabularMethod,
    Transition,
    entry,
    moved,
    only_transition,
)


class Window(NamedTuple):
    """The last steps of the episode that still wait for their update, oldest first; leaves [n]."""

    state: Int[Array, " n"]
    action: Int[Array, " n"]
    reward: Float[Array, " n"]
    bootstrap: Float[Array, " n"]  # gamma d of what follows each step; 0 where it terminated
    filled: Int[Array, ""]  # how many


class SarsaState(NamedTuple):
    """The table, and the steps that wait."""

    values: Float[Array, "S A"]  # q
    counts: Counts  # [S, A] int: updates of each pair; () with a constant learning rate
    window: Window
    steps: Int[Array, ""]  # taken


class Sarsa(TabularMethod[SarsaState, Trajectories]):
    r"""SARSA: on-policy control, towards the value of the action that is then taken.

    .. math:: Q(S_t, A_t) \leftarrow Q(S_t, A_t) + \alpha \big[G_{t:t+n} - Q(S_t, A_t)\big], \quad
              G_{t:t+n} = \sum_{k=1}^n \gamma^{k-1} R_{t+k} + \gamma^n Q(S_{t+n}, A_{t+n})

    The action A_{t+n} is chosen before the update, as in the book; a step is updated once the n-th
    action after it is known, or its episode has ended. Nothing follows a terminated step. Where an
    episode was truncated no action follows, and the mean over the policy takes its place.
    Converges to the optimal action values with probability 1 where every pair is updated for ever,
    epsilon goes to zero and learning rates fall as Robbins and Monro ask; with a constant epsilon
    to the values of the best epsilon-greedy policy, which keeps away from cliffs.

    Attributes:
      n_step: n, steps of reward before the bootstrap. Static.

    Raises:
      UpslopeError: from `configure`: observations or actions that are not numbered.

    References:
      Rummery and Niranjan (1994); Sutton and Barto (2018), sections 6.4 and 7.2; Singh et al.
      (2000) for convergence.
    """

    name: ClassVar[str] = "sarsa"
    n_step: int = eqx.field(static=True, default=1)

    def __check_init__(self) -> None:
        check_number("Sarsa", "n_step", self.n_step, at_least=1, at_most=1000, integer=True)

    def init(self, key: Key, policy: TabularSoftmax, objective: Objective) -> SarsaState:
        values = self.start_table(policy)
        none, zeros = jnp.zeros(self.n_step, int), jnp.zeros(self.n_step)
        window = Window(
            state=none, action=none, reward=zeros, bootstrap=zeros, filled=jnp.zeros((), int)
        )
        return SarsaState(values, self.start_counts(values), window, jnp.zeros((), int))

    def ask(self, key: Key, state: SarsaState) -> TabularEpsilonGreedy:
        return self.actor(state.values, state.steps)

    def tell(
        self,
        key: Key,
        state: SarsaState,
        candidates: TabularEpsilonGreedy,
        experience: Trajectories,
        objective: Objective,
    ) -> tuple[SarsaState, TabularDiagnostics]:
        step = only_transition(experience, objective)
        values, counts, window = state.values, state.counts, state.window
        # The action of this step is the one that the oldest of a full window waited for.
        full = window.filled == self.n_step
        target = _returns(window, entry(values, step.state, step.action))[0]
        oldest = (window.state[0], window.action[0])
        error = target - entry(values, *oldest)
        rate, counts = self.learning_rate_of(counts, *oldest, full)
        values = moved(values, *oldest, rate, error)
        window = _with_step(window, step, full)
        values, counts, window = self._finish(values, counts, window, step, candidates.epsilon)
        diagnostics = TabularDiagnostics(
            td_error=jnp.where(full, jnp.abs(error), jnp.nan),
            action_value=values[step.state, step.action],
            reward=step.reward,
            epsilon=candidates.epsilon,
            learning_rate=jnp.where(full, rate, jnp.nan),
        )
        return SarsaState(values, counts, window, state.steps + 1), diagnostics

    def _finish(
        self,
        values: Array,
        counts: Counts,
        window: Window,
        step: Transition,
        epsilon: float | Array,
    ) -> tuple[Array, Counts, Window]:
        """If the episode is over, all that wait are updated, in their order."""
        row = values[step.successor]
        returns = _returns(window, jnp.sum(epsilon_greedy_probabilities(row, epsilon) * row))

        def update(index: Array, carry: tuple[Array, Counts]) -> tuple[Array, Counts]:
            values, counts = carry
            pair = (window.state[index], window.action[index])
            rate, counts = self.learning_rate_of(counts, *pair)
            return moved(values, *pair, rate, returns[index] - values[pair]), counts

        due = jnp.where(step.ended, window.filled, 0)
        values, counts = jax.lax.fori_loop(0, due, update, (values, counts))
        return values, counts, window._replace(filled=window.filled - due)

    def solution(self, state: SarsaState) -> TabularSoftmax:
        return TabularSoftmax(state.values)


def _returns(window: Window, tail: Array) -> Float[Array, " n"]:
    """G of each step of a window [n], with the value that follows the last one."""
    waits = jnp.arange(window.reward.shape[0]) < window.filled

    def back(later: Array, now: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        reward, bootstrap, waits = now
        # What follows a terminated step counts nothing, even if it is infinite.
        rest = jnp.where(bootstrap == 0.0, 0.0, bootstrap * later)
        later = jnp.where(waits, reward + rest, later)
        return later, later

    steps = (window.reward, window.bootstrap, waits)
    return jax.lax.scan(back, tail, steps, reverse=True)[1]


def _with_step(window: Window, step: Transition, full: Array) -> Window:
    """The window with a step at its end; a full one loses its oldest."""
    n = window.reward.shape[0]
    at = jnp.minimum(window.filled, n - 1)

    def put(leaf: Array, value: Array) -> Array:
        shifted = jnp.where(full, jnp.roll(leaf, -1), leaf)
        return shifted.at[at].set(value.astype(leaf.dtype))

    return Window(
        state=put(window.state, step.state),
        action=put(window.action, step.action),
        reward=put(window.reward, step.reward),
        bootstrap=put(window.bootstrap, step.bootstrap),
        filled=jnp.minimum(window.filled + 1, n),
    )
