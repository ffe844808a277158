"""What has to hold without a discount: the end is reached, and putting it off costs."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from upslope.core.checks import UpslopeError
from upslope.environments.tabular.sparse_mdp import SparseMDP
from upslope.planning.dynamic_programming.backup import Backup, FiniteModel
from upslope.planning.dynamic_programming.certificate import Certificate, acting, rounding
from upslope.planning.dynamic_programming.policy_evaluation import solve_rows

# States that an error names, and sweeps in which a component has to show that it loses.
MOST_NAMED, MOST_SWEEPS = 8, 5_000
# Actions whose gap is below this share of the largest value count as possibly optimal.
NEAR = 1e-5


class Edges(NamedTuple):
    """The transitions that can happen."""

    pair: np.ndarray  # s * A + a
    target: np.ndarray  # s'
    probability: np.ndarray
    n_actions: int

    @property
    def source(self) -> np.ndarray:
        """s of each."""
        return self.pair // self.n_actions


def edges_of(mdp: FiniteModel) -> Edges:
    """The transitions of positive probability out of states that are not terminal."""
    n_actions = mdp.reward.shape[1]
    live = ~np.asarray(mdp.terminal)
    if isinstance(mdp, SparseMDP):
        possible = (np.asarray(mdp.probability) > 0) & live[:, None, None]
        state, action, place = np.nonzero(possible)
        target = np.asarray(mdp.successor)[state, action, place].astype(np.int64)
        probability = np.asarray(mdp.probability)[possible]
    else:
        possible = (np.asarray(mdp.transition) > 0) & live[:, None, None]
        state, action, target = np.nonzero(possible)
        probability = np.asarray(mdp.transition)[possible]
    return Edges(state.astype(np.int64) * n_actions + action, target, probability, n_actions)


def check_proper(mdp: FiniteModel, owner: str) -> None:
    """Raises unless the undiscounted values are well defined.

    Every state must have a policy that ends, and every policy that may never end must lose without
    bound while it does not.

    Raises:
      UpslopeError: which states cannot reach the end, or can avoid it without a loss.

    References:
      Bertsekas and Tsitsiklis (1991), assumptions 1 and 2.
    """
    terminal = np.asarray(mdp.terminal)
    if not terminal.any():
        raise UpslopeError(
            f"{owner} got gamma=1 for an MDP without terminal states: its rewards add up for ever. "
            "Use gamma < 1, a horizon (backward-induction), or the average reward "
            "(relative-value-iteration)."
        )
    edges = edges_of(mdp)
    reached, _ = _ways(edges, terminal)
    if not reached.all():
        lost = np.flatnonzero(~reached)
        raise UpslopeError(
            f"{owner} got gamma=1, but from {named(lost)} no policy reaches the end: rewards there "
            "add up for ever. Use gamma < 1, or a horizon (backward-induction)."
        )
    staying = _staying(mdp, edges)
    if len(staying):
        raise UpslopeError(
            f"{owner} got gamma=1, but in {named(staying)} a policy can avoid the end for ever "
            "without losing by it, so that undiscounted values do not tell it from one that ends. "
            "Use gamma < 1, let every step cost something, or give a horizon "
            "(backward-induction)."
        )


def first_proper_policy(mdp: FiniteModel) -> np.ndarray:
    """A policy that ends from every state: each action may lead nearer to the end, int [S]."""
    edges, terminal = edges_of(mdp), np.asarray(mdp.terminal)
    _, nearer = _ways(edges, terminal)
    policy = np.zeros(len(terminal), np.int32)
    good = nearer[edges.source] == edges.target
    policy[edges.source[good]] = edges.pair[good] % edges.n_actions
    return policy


def named(states: np.ndarray) -> str:
    """`state 3`, or `states 1, 2, 3 and 97 more`."""
    first = ", ".join(str(int(state)) for state in states[:MOST_NAMED])
    more = len(states) - MOST_NAMED
    tail = f" and {more:,} more" if more > 0 else ""
    return f"state{'' if len(states) == 1 else 's'} {first}{tail}"


def _ways(edges: Edges, terminal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which states can reach the end, and a successor that is nearer to it, -1 for none."""
    n_states = len(terminal)
    ends = np.flatnonzero(terminal)
    # Backwards from one node that stands for all terminal states.
    source = np.concatenate([edges.target, np.full(len(ends), n_states)])
    target = np.concatenate([edges.source, ends])
    order, before = breadth_first_order(_graph(source, target, n_states + 1), n_states)
    reached = np.zeros(n_states + 1, bool)
    reached[order] = True
    nearer = np.where(before[:n_states] == n_states, -1, before[:n_states])
    return reached[:n_states], nearer


def _graph(source: np.ndarray, target: np.ndarray, size: int) -> csr_array:
    ones = np.ones(len(source), np.int8)
    return coo_array((ones, (source, target)), (size, size)).tocsr()


def end_components(edges: Edges, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs with which a policy can stay for ever, and the component of each state.

    Args:
      edges: of the MDP.
      allowed: which pairs [S A] a policy may use.

    References:
      de Alfaro (1997), section 3.3: maximal end components.
    """
    n_states = len(allowed) // edges.n_actions
    allowed = allowed.copy()
    while True:
        used = allowed[edges.pair]
        source, target = edges.source[used], edges.target[used]
        _, component = connected_components(
            _graph(source, target, n_states), directed=True, connection="strong"
        )
        leaving = np.unique(edges.pair[used][component[source] != component[target]])
        if not len(leaving):
            return allowed, component
        allowed[leaving] = False


def _staying(mdp: FiniteModel, edges: Edges) -> np.ndarray:
    """States in which the process can be kept from the end for ever without a loss."""
    reward = np.asarray(mdp.reward, np.float64).ravel()
    live = np.repeat(~np.asarray(mdp.terminal), edges.n_actions)
    free, _ = end_components(edges, live & (reward >= 0))
    if free.any():
        return np.unique(np.flatnonzero(free) // edges.n_actions)
    kept, _ = end_components(edges, live)
    if not kept.any() or reward[kept].max() < 0:
        return np.array([], int)
    return _earning(edges, kept, reward)


def _earning(edges: Edges, kept: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """States of mixed components, unless every policy that stays in them loses on average.

    The best average reward is at most max (T v - v), whatever v: relative value iteration brings it
    below zero where it is.
    """
    used = kept[edges.pair]
    pair, target, probability = edges.pair[used], edges.target[used], edges.probability[used]
    states = np.unique(pair // edges.n_actions)
    pairs = np.flatnonzero(kept)
    values = np.zeros(len(kept) // edges.n_actions)
    for _ in range(MOST_SWEEPS):
        later = np.bincount(pair, probability * values[target], len(kept))
        best = np.full(len(values), -np.inf)
        np.maximum.at(best, pairs // edges.n_actions, (reward + later)[pairs])
        change = best[states] - values[states]
        if change.max() < 0:
            return np.array([], int)
        values[states] += 0.5 * change  # half a step: periodic chains converge, too
    return states


@jax.jit
def undiscounted_certificate(
    backup: Backup, values: Float[Array, " S"], policy: Int[Array, " S"] | None
) -> Certificate:
    r"""A bound on the error of undiscounted values, from how long episodes last.

    .. math:: v - t \, w_\pi \le v_\pi \le v_* \le v + t' \, w

    w_pi is the expected number of steps of the policy; w is at least 1/2 more than its expected
    successor for every action that may be optimal. Both inequalities are checked: v plus t' w is
    not raised by a backup, v minus t w_pi not lowered by the policy's. The bound is infinite where
    the check fails.

    Args:
      backup: in double precision; every state reaches the end.
      values: v [S], 0 at the end.
      policy: an action for each state [S]; None for the greedy policy of v.

    References:
      Puterman (1994), theorem 7.2.2; Bertsekas and Tsitsiklis (1991), proposition 2.
    """
    live = ~backup.terminal
    values = jnp.where(live, values, 0.0)
    action_values = backup.action_values(values, 1.0)
    best = jnp.where(live, jnp.max(action_values, axis=1), 0.0)
    error = rounding(backup, values, 1.0)
    policy, acted = acting(action_values, policy, error)
    size = jnp.maximum(jnp.max(jnp.abs(values)), jnp.max(jnp.abs(backup.reward)))
    rows = backup.rows(policy)
    one, gamma = jnp.ones_like(values), jnp.ones((), values.dtype)
    steps = solve_rows(rows, backup.terminal, one, gamma, jnp.zeros_like(values))[0]
    ends = jnp.all(jnp.where(live, (steps - rows.expected(steps) >= 0.5) & (steps > 0), True))
    short = 2.0 * jnp.maximum(jnp.max(jnp.where(live, values - acted, 0.0)) + error, 0.0)

    gap = values[:, None] - action_values
    near = (gap <= NEAR * size) & live[:, None]

    def drift(weight: Array) -> Array:
        """How much the weight falls in one step, at least, of an action that may be optimal."""
        later = backup.expected(weight)
        return jnp.min(jnp.where(near, weight[:, None] - later, jnp.inf))

    def going(carry: tuple[Array, Array, Array]) -> Array:
        weight, _, count = carry
        falls = drift(weight)
        return ~(falls >= 0.5) & (count < MOST_SWEEPS) & jnp.all(jnp.isfinite(weight))

    def lengthen(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        weight, _, count = carry
        later = jnp.max(jnp.where(near, backup.expected(weight), -jnp.inf), axis=1)
        after = jnp.where(live & jnp.any(near, axis=1), 1.0 + later, weight)
        return jnp.maximum(after, weight), weight, count + 1

    begin = jnp.where(live, jnp.where(ends, jnp.maximum(steps, 1.0), 1.0), 0.0)
    weight, _, _ = jax.lax.while_loop(going, lengthen, (begin, begin, jnp.zeros((), jnp.int32)))
    over = 2.0 * jnp.maximum(jnp.max(jnp.where(live, best - values, 0.0)) + error, 0.0)
    raised = over * (backup.expected(weight) - weight[:, None])
    holds = jnp.all(jnp.where(near, True, (raised + error <= gap) | ~live[:, None]))
    holds = holds & (drift(weight) >= 0.5) & ends
    bound = jnp.maximum(over * jnp.max(weight), short * jnp.max(steps))
    bound = bound + jnp.max(jnp.where(live, best - acted, 0.0)) + error
    action_values = jnp.where(live[:, None], action_values, 0.0)
    return Certificate(best, action_values, policy, jnp.where(holds, bound, jnp.inf))


def closed_classes(mdp: FiniteModel) -> list[np.ndarray]:
    """The parts of an MDP that no action leaves, each the numbers of its states."""
    edges, n_states = edges_of(mdp), mdp.reward.shape[0]
    n_parts, part = connected_components(
        _graph(edges.source, edges.target, n_states), directed=True, connection="strong"
    )
    left = np.zeros(n_parts, bool)
    leaving = part[edges.source] != part[edges.target]
    left[part[edges.source[leaving]]] = True
    return [np.flatnonzero(part == number) for number in np.flatnonzero(~left)]
