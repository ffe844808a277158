"""Tables of Gymnasium's toy-text environments, `env.unwrapped.P`, as finite MDPs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from upslope.core.checks import UpslopeError
from upslope.core.said_once import close_quietly
from upslope.environments.tabular.finite_mdp import FiniteMDP
from upslope.environments.tabular.sparse_mdp import SparseMDP
from upslope.environments.tabular.tabular_environment import TOLERANCE

if TYPE_CHECKING:
    from gymnasium import Env

    from upslope.environments.adaptors.gymnasium import GymnasiumSpec

# P[s][a] = [(probability, next state, reward, terminated), ...]
TransitionTable: TypeAlias = Mapping[int, Mapping[int, Sequence[tuple[float, int, float, bool]]]]

# The most numbers S * A * S of a dense MDP; larger ones are lists of successors.
MOST_DENSE = 4_000_000
# Wrappers that leave rewards and transitions as the table has them.
HARMLESS = ("TimeLimit", "OrderEnforcing", "PassiveEnvChecker", "RecordEpisodeStatistics")


class TableMDP(NamedTuple):
    """An MDP from a table of transitions, and what a user should know of it."""

    mdp: FiniteMDP | SparseMDP
    notes: tuple[str, ...] = ()


def has_table(environment: GymnasiumSpec) -> bool:
    """Whether a simulator has a table of transitions under it."""
    env = environment.build()
    try:
        return isinstance(getattr(env.unwrapped, "P", None), Mapping)
    finally:
        close_quietly(env, environment.id)


def table_of(source: GymnasiumSpec | TransitionTable) -> TableMDP:
    """The finite MDP of a simulator's table `P`, or of such a table itself.

    The table is `P[s][a] = [(probability, s', reward, terminated), ...]`. A step that terminates
    earns its reward and nothing after it, whatever the table says of the state it leads to. States
    that are only ever entered so are the MDP's terminal states; where a state is entered in both
    ways one more state is added for the end. The start distribution is the environment's
    `initial_state_distrib`, the time limit its own; values do not count the limit.

    Args:
      source: a recipe of a Gymnasium environment, or a table.

    Raises:
      UpslopeError: there is no table; a wrapper changes what the table does not know of; an entry
        that is no transition, rows that do not sum to one.
    """
    if isinstance(source, Mapping):
        return _table_mdp("The table", source, None, None)
    env = source.build()
    try:
        table = getattr(env.unwrapped, "P", None)
        if not isinstance(table, Mapping):
            raise UpslopeError(
                f"{source.id} is a simulator without a table of transitions (P): its dynamics "
                "cannot be read. Search for a policy instead: upslope train "
                f"{source.id}."
            )
        _check_wrappers(env, source.id)
        _check_hidden_rules(env, source.id)
        start = getattr(env.unwrapped, "initial_state_distrib", None)
        return _table_mdp(source.id, table, start, source.time_limit)
    finally:
        close_quietly(env, source.id)


def finite_mdp_of(environment: GymnasiumSpec) -> FiniteMDP:
    """The dense MDP of a simulator's table, for exact values and gradients.

    Raises:
      UpslopeError: as `table_of`, or it is too large for an array [S, A, S].
    """
    mdp = table_of(environment).mdp
    if isinstance(mdp, SparseMDP):
        raise UpslopeError(
            f"{environment.id} has {mdp.n_states:,} states, too many for an array [S, A, S]: "
            "exact gradients of it need a SparseMDP and a discounted objective."
        )
    return mdp


def _check_wrappers(env: Env, name: str) -> None:
    layer: Any = env
    while layer is not env.unwrapped:
        if type(layer).__name__ not in HARMLESS:
            raise UpslopeError(
                f"{name} is wrapped in {type(layer).__name__}, which may change rewards or "
                "transitions that the table P does not know of: solve the environment without it, "
                "or give arrays of your own."
            )
        layer = layer.env


def _check_hidden_rules(env: Env, name: str) -> None:
    """Taxi's passenger may change the destination in `step`, which its table does not say."""
    if getattr(env.unwrapped, "fickle_passenger", False):
        raise UpslopeError(
            f"{name} with a fickle passenger changes the destination on the way, which its "
            "table P leaves out: the table is not what is played. Solve it without."
        )


def _table_mdp(
    name: str, table: TransitionTable, start: ArrayLike | None, limit: int | None
) -> TableMDP:
    pair, target, probability, reward, ended, n_states, n_actions = _entries(name, table)
    notes: list[str] = []
    entered, going = ended & (probability > 0), ~ended & (probability > 0)
    sources = pair // n_actions
    first = np.zeros(n_states)
    if start is not None:
        first = np.asarray(start, float).ravel()
        if first.shape != (n_states,):
            raise UpslopeError(
                f"{name} has initial_state_distrib of shape {first.shape}: it must be "
                f"({n_states},), one probability per state."
            )
    terminal = np.zeros(n_states, bool)
    terminal[target[entered]] = True
    terminal &= first == 0
    while True:  # fewer and fewer: an end is entered by nothing else that is ever played
        reached = target[going & ~terminal[sources]]
        if not terminal[reached].any():
            break
        terminal[reached] = False
    mixed = entered & ~terminal[target] & ~terminal[sources]
    total = n_states
    if mixed.any():
        total += 1
        shared = np.unique(target[mixed])
        target = np.where(mixed, n_states, target)
        terminal = np.append(terminal, True)
        notes.append(
            f"state {n_states} is the end, added because {len(shared)} state"
            f"{' is' if len(shared) == 1 else 's are'} entered both with and without ending the "
            "episode"
        )
    initial = np.where(terminal, 0.0, 1.0)
    if start is not None:
        initial = np.zeros(total)
        initial[:n_states] = first
    elif not initial.any():
        initial[:] = 1.0
    else:
        notes.append("the table says no start: values of the start are over all states alike")
    initial = initial / initial.sum()
    sums = np.bincount(pair, probability * reward, n_states * n_actions)
    expected = np.zeros((total, n_actions))
    expected[:n_states] = sums.reshape(n_states, n_actions)
    mdp = _mdp(pair, target, probability, expected, initial, terminal, limit)
    return TableMDP(mdp, tuple(notes))


def _mdp(
    pair: np.ndarray,
    target: np.ndarray,
    probability: np.ndarray,
    reward: np.ndarray,
    initial: np.ndarray,
    terminal: np.ndarray,
    limit: int | None,
) -> FiniteMDP | SparseMDP:
    total, n_actions = reward.shape
    if total * n_actions * total <= MOST_DENSE:
        moves = np.zeros((total * n_actions, total))
        np.add.at(moves, (pair, target), probability)
        moves = moves.reshape(total, n_actions, total)
        moves[terminal] = np.eye(total)[terminal][:, None]
        return FiniteMDP(moves, reward, initial, terminal, limit)
    order = np.argsort(pair, kind="stable")
    pair, target, probability = pair[order], target[order], probability[order]
    count = np.bincount(pair, minlength=total * n_actions)
    place = np.arange(len(pair)) - np.repeat(np.cumsum(count) - count, count)
    successor = np.zeros((total * n_actions, int(count.max())), np.int32)
    chance = np.zeros(successor.shape)
    successor[pair, place], chance[pair, place] = target, probability
    chance = chance.reshape(total, n_actions, -1)
    chance[terminal] = np.eye(chance.shape[-1])[0]
    return SparseMDP(successor.reshape(chance.shape), chance, reward, initial, terminal, limit)


def _entries(
    name: str, table: TransitionTable
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, int, int]:
    """The table's transitions, one after another, and how many states and actions there are."""
    n_states = len(table)
    if sorted(map(str, table)) != sorted(map(str, range(n_states))) or not n_states:
        raise UpslopeError(
            f"{name} has a table P of {n_states} states that are not numbered 0 to "
            f"{n_states - 1}: number them so."
        )
    n_actions = len(table[0])
    rows: list[tuple[float, ...]] = []
    for state in range(n_states):
        actions = table[state]
        if len(actions) != n_actions:
            raise UpslopeError(
                f"{name} has {len(actions)} actions in state {state} and {n_actions} in state 0: "
                "every state needs the same; let an impossible action do what waiting does."
            )
        for action in range(n_actions):
            for entry in actions[action]:
                if len(entry) != 4:
                    raise UpslopeError(
                        f"{name} has P[{state}][{action}] with {entry!r:.60}: a transition is "
                        "(probability, next state, reward, terminated)."
                    )
                chance, successor, reward, ended = entry
                rows.append(
                    (state * n_actions + action, successor, chance, float(reward), bool(ended))
                )
    array = np.array(rows, np.float64).reshape(-1, 5)
    pair, target = array[:, 0].astype(np.int64), array[:, 1].astype(np.int64)
    wrong = ~np.isfinite(array).all(axis=1) | (target < 0) | (target >= n_states)
    wrong |= array[:, 2] < 0
    if wrong.any():
        row = int(np.argmax(wrong))
        state, action = divmod(int(pair[row]), n_actions)
        raise UpslopeError(
            f"{name} has P[{state}][{action}] with {rows[row][1:]!r}: a transition needs a state "
            f"from 0 to {n_states - 1}, a probability that is not negative and a finite reward."
        )
    sums = np.bincount(pair, array[:, 2], n_states * n_actions)
    off = np.flatnonzero(np.abs(sums - 1.0) > TOLERANCE)
    if len(off):
        state, action = divmod(int(off[0]), n_actions)
        raise UpslopeError(
            f"{name} has P[{state}][{action}] whose probabilities sum to {sums[off[0]]:.6g}: they "
            "must sum to 1."
        )
    return pair, target, array[:, 2], array[:, 3], array[:, 4] > 0, n_states, n_actions
