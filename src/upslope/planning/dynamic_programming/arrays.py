"""An MDP from a user's own arrays: which axis means what is asked, never guessed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeGuard, cast

import numpy as np
from numpy.typing import ArrayLike

from upslope.core.checks import UpslopeError, check_choice
from upslope.environments.tabular.finite_mdp import FiniteMDP
from upslope.environments.tabular.sparse_mdp import SparseMDP
from upslope.environments.tabular.tabular_environment import TOLERANCE
from upslope.planning.dynamic_programming.backup import FiniteModel

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class SparseMatrix(Protocol):
    """A matrix of SciPy, of whichever sparse format."""

    shape: tuple[int, ...]

    def tocsr(self) -> csr_array:
        """The same matrix by rows."""
        ...


# An array, or a sparse matrix for each action.
Numbers: TypeAlias = ArrayLike | Sequence[SparseMatrix]

TRANSITIONS, REWARDS = ("sas", "ass"), ("s", "sa", "sas", "ass")
# States that are looked at together: a million of them have arrays of 100 MB and more.
CHUNK = 50_000
MEANING = {
    "s": "[S], of being in s",
    "sa": "[S, A]",
    "sas": "[S, A, S], by successor",
    "ass": "[A, S, S], by successor",
}


def mdp_from_arrays(
    transition: Numbers,
    reward: Numbers,
    *,
    transitions: str | None = None,
    rewards: str | None = None,
    initial: ArrayLike | None = None,
    terminal: ArrayLike | None = None,
    time_limit: int | None = None,
) -> FiniteModel:
    r"""A `FiniteMDP`, or a `SparseMDP` of sparse matrices, from P and R in either usual layout.

    The layouts are told apart by their shapes; where two of them have the same shape (as many
    states as actions) they have to be named. Numbers are kept in double precision while JAX has
    it (`upslope.solve` does).

    Args:
      transition: P as [S, A, S] (`transitions="sas"`, Sutton and Barto's and ours) or as [A, S, S]
        (`"ass"`, pymdptoolbox's), or a sequence of A SciPy sparse matrices [S, S].
      reward: R as [S] (`rewards="s"`: earned by being in s, whatever the action), [S, A] (`"sa"`),
        [S, A, S] (`"sas"`) or [A, S, S] (`"ass"`) by successor, of which the expectation is taken;
        or a sequence of A sparse matrices [S, S].
      transitions: the layout of P.
      rewards: the layout of R.
      initial: mu [S]; None for uniform over the states that are not terminal.
      terminal: bool [S]; None for the states that every action keeps for ever without reward.
      time_limit: of the MDP as an environment, steps.

    Raises:
      UpslopeError: shapes that fit no layout, or two (what to add); a number that is not finite; a
        negative probability; rows that do not sum to one (which, and by how much).
    """
    if transitions is not None:
        check_choice("mdp_from_arrays", "transitions", transitions, TRANSITIONS)
    if rewards is not None:
        check_choice("mdp_from_arrays", "rewards", rewards, REWARDS)
    if _is_sparse(transition):
        return _from_sparse(list(transition), reward, rewards, initial, terminal, time_limit)
    moves = _numbers("transition", transition)
    if moves.ndim != 3:
        raise UpslopeError(
            f"solve got transition probabilities of shape {moves.shape}: they must be [S, A, S] "
            "or [A, S, S], or a list of one SciPy sparse matrix [S, S] per action."
        )
    given, layout = moves.shape, transitions or _layout_of(moves.shape)
    if layout == "ass":
        moves = np.moveaxis(moves, 0, 1)
    if moves.shape[0] != moves.shape[2] or not moves.size:
        raise UpslopeError(
            f"solve got transition probabilities of shape {given} with "
            f"transitions={layout!r}: they must be {MEANING[layout][:9]} with "
            "at least one state and one action."
        )
    n_states, n_actions, _ = moves.shape
    kind, numbers = _reward(reward, rewards, n_states, n_actions)
    if kind in ("sas", "ass"):
        by_successor = numbers if kind == "sas" else np.moveaxis(numbers, 0, 1)
        # Where a successor is impossible its reward does not count, whatever it is.
        numbers = np.where(moves > 0, by_successor, 0.0)
    start = _start(initial, terminal, n_states)
    mdp = FiniteMDP(moves, numbers, start, terminal, time_limit)
    return mdp if initial is not None or terminal is not None else _started(mdp)


def earning_forever(mdp: FiniteModel) -> np.ndarray:
    """The states that every action keeps and that pay for it: is one of them an end? [K]."""
    pays = (np.asarray(mdp.reward) != 0).any(axis=1) & ~np.asarray(mdp.terminal)
    if isinstance(mdp, SparseMDP):  # few states list themselves at all
        pays &= (np.asarray(mdp.successor)[:, 0] == np.arange(len(pays))[:, None]).any(axis=1)
    found: list[np.ndarray] = []
    for states in np.array_split(np.flatnonzero(pays), 1 + int(pays.sum()) // CHUNK):
        if isinstance(mdp, SparseMDP):
            own = np.asarray(mdp.successor)[states] == states[:, None, None]
            stays = np.sum(np.asarray(mdp.probability)[states] * own, axis=-1)
        else:
            stays = np.asarray(mdp.transition)[states, :, states]
        found.append(states[(stays >= 1.0 - TOLERANCE).all(axis=1)])
    return np.concatenate(found)


def _is_sparse(transition: object) -> TypeGuard[Sequence[SparseMatrix]]:
    if isinstance(transition, np.ndarray) and transition.dtype != object:
        return False
    if hasattr(transition, "tocsr"):
        raise UpslopeError(
            f"solve got one sparse matrix of shape {getattr(transition, 'shape', ())} as "
            "transition probabilities: it must be a sequence of them, one [S, S] per action."
        )
    if not isinstance(transition, Sequence | np.ndarray) or isinstance(transition, str):
        return False
    parts = cast(Sequence[object], transition)
    return len(parts) > 0 and all(hasattr(part, "tocsr") for part in parts)


def _numbers(name: str, value: object) -> np.ndarray:
    try:
        array = np.asarray(cast(ArrayLike, value), np.float64)
    except (TypeError, ValueError) as error:
        raise UpslopeError(
            f"solve got {name} of type {type(value).__name__} that is no array of numbers: {error}."
        ) from None
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        place = ", ".join(str(int(i)) for i in bad[0])
        raise UpslopeError(
            f"solve got {name}[{place}] = {array[tuple(bad[0])]}: it must be finite."
        )
    return array


def _layout_of(shape: tuple[int, ...]) -> str:
    first, second, third = shape
    sas, ass = first == third, second == third
    if sas and ass:
        raise UpslopeError(
            f"solve got transition probabilities of shape {shape}: with as many actions as states "
            "[S, A, S] and [A, S, S] look the same. Say which: transitions='sas' or 'ass'."
        )
    if not sas and not ass:
        raise UpslopeError(
            f"solve got transition probabilities of shape {shape}: they must be [S, A, S] or "
            "[A, S, S]."
        )
    return "sas" if sas else "ass"


def _reward(
    reward: object, given: str | None, n_states: int, n_actions: int
) -> tuple[str, np.ndarray]:
    """The layout of R and its numbers."""
    numbers = _numbers("reward", reward)
    shapes = {
        "s": (n_states,),
        "sa": (n_states, n_actions),
        "sas": (n_states, n_actions, n_states),
        "ass": (n_actions, n_states, n_states),
    }
    if given is not None:
        if numbers.shape != shapes[given]:
            raise UpslopeError(
                f"solve got rewards={given!r} with reward of shape {numbers.shape}: with "
                f"{n_states} states and {n_actions} actions it must be {shapes[given]}."
            )
        kind = given
    else:
        fits = [kind for kind, shape in shapes.items() if shape == numbers.shape]
        if n_states == n_actions and len(numbers.shape) < 3 and fits:
            # [S] could be [A]; [S, A] could be [A, S], or [S, S] by successor.
            names = "'s'" if numbers.ndim == 1 else "'sa'"
            raise UpslopeError(
                f"solve got reward of shape {numbers.shape} with as many actions as states "
                f"({n_states}), so that its axes cannot be told apart. If it is "
                f"{MEANING[fits[0]]}, say rewards={names}; otherwise bring it into that form."
            )
        if len(fits) > 1:
            raise UpslopeError(
                f"solve got reward of shape {numbers.shape}: with as many actions as states "
                "[S, A, S] and [A, S, S] look the same. Say which: rewards='sas' or 'ass'."
            )
        if not fits:
            raise UpslopeError(_misfit(numbers.shape, n_states, n_actions))
        kind = fits[0]
    if kind == "s":
        numbers = np.repeat(numbers[:, None], n_actions, axis=1)
    return kind, numbers


def _misfit(shape: tuple[int, ...], n_states: int, n_actions: int) -> str:
    known = "; ".join(MEANING.values())
    hint = ""
    if shape == (n_actions, n_states):
        hint = " This looks like [A, S]: transpose it."
    elif shape == (n_states, n_states):
        hint = (
            " This looks like rewards by state and successor: repeat them for every action, "
            "reward[:, None, :] broadcast to [S, A, S]."
        )
    elif shape == (n_actions,):
        hint = " This looks like one reward per action: broadcast it to [S, A]."
    return (
        f"solve got reward of shape {shape} with {n_states} states and {n_actions} actions: it "
        f"must be one of {known}.{hint}"
    )


def _start(initial: ArrayLike | None, terminal: ArrayLike | None, n_states: int) -> np.ndarray:
    if initial is not None:
        return _numbers("initial", initial)
    live = np.ones(n_states) if terminal is None else 1.0 - np.asarray(terminal, bool)
    if live.shape != (n_states,) or not live.any():
        live = np.ones(n_states)  # refused, or all of it the end
    return live / live.sum()


def _started(mdp: FiniteMDP) -> FiniteMDP:
    """The same MDP started uniformly where it has not ended."""
    import equinox as eqx
    import jax.numpy as jnp

    start = _start(None, np.asarray(mdp.terminal), mdp.n_states)
    return eqx.tree_at(lambda m: m.initial, mdp, jnp.asarray(start, mdp.initial.dtype))


def _from_sparse(
    matrices: list[SparseMatrix],
    reward: Numbers,
    rewards: str | None,
    initial: ArrayLike | None,
    terminal: ArrayLike | None,
    time_limit: int | None,
) -> SparseMDP:
    """Lists of successors from one sparse matrix per action."""
    n_states, n_actions = matrices[0].shape[0], len(matrices)
    for action, matrix in enumerate(matrices):
        if matrix.shape != (n_states, n_states):
            raise UpslopeError(
                f"solve got a sparse matrix of shape {matrix.shape} for action {action}: it must "
                f"be {(n_states, n_states)}."
            )
    rows = [matrix.tocsr() for matrix in matrices]
    for matrix in rows:
        matrix.sum_duplicates()
    width = max(1, max(int(np.diff(matrix.indptr).max(initial=0)) for matrix in rows))
    successor = np.zeros((n_states, n_actions, width), np.int32)
    probability = np.zeros((n_states, n_actions, width))
    for action, matrix in enumerate(rows):
        count = np.diff(matrix.indptr)
        state = np.repeat(np.arange(n_states), count)
        place = np.arange(len(state)) - np.repeat(matrix.indptr[:-1], count)
        successor[state, action, place] = matrix.indices
        probability[state, action, place] = matrix.data
    numbers = _sparse_reward(reward, rewards, rows)
    if terminal is None:
        own = successor == np.arange(n_states)[:, None, None]
        stays = np.sum(probability * own, axis=-1) >= 1.0 - TOLERANCE
        terminal = (stays & (numbers == 0)).all(axis=1)
    start = _start(initial, terminal, n_states)
    return SparseMDP(successor, probability, numbers, start, terminal, time_limit)


def _sparse_reward(reward: Numbers, rewards: str | None, rows: list[csr_array]) -> np.ndarray:
    """R [S, A] with sparse transitions."""
    n_states, n_actions = rows[0].indptr.size - 1, len(rows)
    if _is_sparse(reward):
        given = [matrix.tocsr() for matrix in reward]
        square = (n_states, n_states)
        if len(given) != n_actions or any(m.shape != square for m in given):
            raise UpslopeError(
                f"solve got {len(given)} sparse matrices of rewards: it must be {n_actions}, one "
                f"{square} per action, as for the transition probabilities."
            )
        pairs = zip(rows, given, strict=True)
        return np.stack([np.asarray(p.multiply(r).sum(axis=1)).ravel() for p, r in pairs], axis=1)
    kind, numbers = _reward(reward, rewards, n_states, n_actions)
    if kind in ("s", "sa"):
        return numbers
    by_action = np.moveaxis(numbers, 1, 0) if kind == "sas" else numbers
    pairs = zip(rows, by_action, strict=True)
    return np.stack([np.asarray(p.multiply(r).sum(axis=1)).ravel() for p, r in pairs], axis=1)
