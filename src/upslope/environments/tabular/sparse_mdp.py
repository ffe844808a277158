"""A finite MDP of many states, each with few successors."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike

from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError
from upslope.core.records import Step
from upslope.environments.tabular.finite_mdp import FiniteMDP, draw
from upslope.environments.tabular.random_mdp import check_garnet, gaps
from upslope.environments.tabular.tabular_environment import TabularEnvironment, check_distributions


class SparseMDP(TabularEnvironment):
    r"""A finite MDP as lists of successors: S A B numbers instead of S A S.

    .. math:: P(s' \mid s, a) = \sum_b p(s, a, b) \, 1[s' = y(s, a, b)]

    A successor may be listed twice; its probabilities add up. State and observation are the
    state's number. Terminal states keep themselves without reward in the arrays, as in
    `FiniteMDP`. 100,000 states with 10 actions and 5 successors take 60 MB.

    Attributes:
      successor: y [S, A, B], int.
      probability: p [S, A, B], rows sum to one.
      reward: R [S, A], the expected reward of taking a in s.
      initial: mu [S].
      terminal: bool [S].
      time_limit: steps; None for never. Static.

    Raises:
      UpslopeError: wrong shapes; a successor that is no state; a number that is not finite or a
        negative probability; rows that do not sum to one. Traced arrays are not checked.

    References:
      Puterman (1994), chapter 2.
    """

    name: ClassVar[str] = "sparse-mdp"
    successor: Int[Array, "S A B"]
    probability: Float[Array, "S A B"]
    reward: Float[Array, "S A"]
    initial: Float[Array, " S"]
    terminal: Bool[Array, " S"]
    time_limit: int | None = eqx.field(static=True)

    def __init__(
        self,
        successor: ArrayLike,
        probability: ArrayLike,
        reward: ArrayLike,
        initial: ArrayLike,
        terminal: ArrayLike | None = None,
        time_limit: int | None = None,
    ):
        given = (successor, probability, reward, initial, terminal)
        if any(isinstance(leaf, Tracer) for leaf in given):
            self.initial = jnp.asarray(initial, float)
            n_states = self.initial.shape[0]
            ends = jnp.zeros(n_states, bool) if terminal is None else jnp.asarray(terminal, bool)
            own = jnp.arange(n_states, dtype=jnp.int32)[:, None, None]
            first = jnp.arange(np.shape(probability)[-1]) == 0
            at_end = ends[:, None, None]
            self.successor = jnp.where(at_end, own, jnp.asarray(successor, jnp.int32))
            alone = jnp.broadcast_to(first[None, None].astype(float), np.shape(probability))
            self.probability = jnp.where(at_end, alone, jnp.asarray(probability, float))
            self.reward = jnp.where(ends[:, None], 0.0, jnp.asarray(reward, float))
        else:
            lists = np.asarray(successor), np.asarray(probability)
            rewards = np.asarray(reward)
            _check(*lists, rewards, np.asarray(initial), terminal)
            ends = np.zeros(len(rewards), bool) if terminal is None else np.array(terminal, bool)
            if ends.any():  # of millions of states no second copy is made without need
                lists = np.array(lists[0]), np.array(lists[1])
                lists[0][ends] = np.flatnonzero(ends)[:, None, None]
                lists[1][ends] = np.arange(lists[1].shape[-1]) == 0
                rewards = np.where(ends[:, None], 0.0, rewards)
            self.initial = jnp.array(initial, float)
            self.successor = jnp.array(lists[0], jnp.int32)
            self.probability = jnp.array(lists[1], float)
            self.reward = jnp.array(rewards, float)
        self.terminal = jnp.asarray(ends)
        self.time_limit = time_limit

    @classmethod
    def of(cls, mdp: FiniteMDP) -> SparseMDP:
        """The same MDP in lists, as long as its row with the most successors."""
        dense = np.asarray(mdp.transition)
        width = int(np.max(np.count_nonzero(dense, axis=-1)))
        successor = np.argsort(dense == 0, axis=-1, kind="stable")[..., :width]
        probability = np.take_along_axis(dense, successor, axis=-1)
        return cls(successor, probability, mdp.reward, mdp.initial, mdp.terminal, mdp.time_limit)

    @property
    def n_states(self) -> int:
        """S."""
        return self.successor.shape[-3]

    @property
    def n_actions(self) -> int:
        """A."""
        return self.successor.shape[-2]

    def reset(self, key: Key) -> tuple[Int[Array, ""], Int[Array, ""]]:
        state = draw(key, self.initial)
        return state, state

    def step(
        self, key: Key, state: Int[Array, ""], action: Int[Array, ""]
    ) -> tuple[Int[Array, ""], Step]:
        reward = self.reward[state, action]
        branch = draw(key, self.probability[state, action])
        state = self.successor[state, action, branch].astype(state.dtype)
        return state, Step(state, reward, self.terminal[state])


def sparse_garnet(
    key: Key,
    n_states: int = 100_000,
    n_actions: int = 10,
    branching: int = 5,
    time_limit: int | None = None,
) -> SparseMDP:
    """`garnet` of any size: distinct successors, probabilities between sorted uniform cuts.

    Args:
      key: consumed.
      n_states: S.
      n_actions: A.
      branching: b, from 1 to S.
      time_limit: of the MDP, steps.

    Raises:
      UpslopeError: a size below one, or a branching beyond the number of states.

    References:
      Bhatnagar et al. (2009), section 6; Floyd's sampling: Bentley and Floyd (1987).
    """
    check_garnet("sparse_garnet", n_states, n_actions, branching)
    successor_key, cut_key, reward_key = jax.random.split(key, 3)
    pairs = (n_states, n_actions)
    chosen: list[Array] = []
    for number, own in enumerate(jax.random.split(successor_key, branching)):
        last = n_states - branching + number
        one = jax.random.randint(own, pairs, 0, last + 1, jnp.int32)
        taken = jnp.zeros(pairs, bool)
        for other in chosen:
            taken = taken | (other == one)
        chosen.append(jnp.where(taken, last, one))
    probability = gaps(cut_key, pairs, branching)
    reward = jax.random.normal(reward_key, pairs)
    initial = jnp.full((n_states,), 1.0 / n_states)
    successor = jnp.stack(chosen, axis=-1)
    return SparseMDP(successor, probability, reward, initial, None, time_limit)


def _check(
    successor: np.ndarray,
    probability: np.ndarray,
    reward: np.ndarray,
    initial: np.ndarray,
    terminal: ArrayLike | None,
) -> None:
    shape = probability.shape
    if len(shape) != 3 or successor.shape != shape or not probability.size:
        raise UpslopeError(
            f"SparseMDP got successor of shape {successor.shape} and probability of shape {shape}: "
            "both must be [S, A, B] with at least one of each."
        )
    wanted = {"reward": (reward.shape, shape[:2]), "initial": (initial.shape, shape[:1])}
    if terminal is not None:
        wanted["terminal"] = (np.shape(terminal), shape[:1])
    for name, (got, want) in wanted.items():
        if got != want:
            raise UpslopeError(f"SparseMDP got {name} of shape {got}: it must be {want}.")
    if not np.issubdtype(successor.dtype, np.integer):
        raise UpslopeError(f"SparseMDP got successor of type {successor.dtype}: it must be whole.")
    for name, wrong in (
        ("successor", (successor < 0) | (successor >= shape[0])),
        ("probability", ~np.isfinite(probability) | (probability < 0)),
        ("reward", ~np.isfinite(reward)),
        ("initial", ~np.isfinite(initial) | (initial < 0)),
    ):
        if wrong.any():
            index = tuple(int(i) for i in np.argwhere(wrong)[0])
            array = {"successor": successor, "probability": probability, "reward": reward}
            value = array.get(name, initial)[index]
            remedy = f"a state from 0 to {shape[0] - 1}" if name == "successor" else "finite"
            remedy += ", not negative" if name in ("probability", "initial") else ""
            raise UpslopeError(f"SparseMDP got {name}{list(index)} = {value}: it must be {remedy}.")
    check_distributions("SparseMDP", probability, initial)
