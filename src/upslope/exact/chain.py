"""The Markov chain that a policy makes of a finite MDP, and what its graph says."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from upslope.core.checks import UpslopeError
from upslope.environments.tabular.finite_mdp import FiniteMDP
from upslope.exact.tables import PolicyOrTable, Tabular, as_finite_mdp, known, policy_table

EXACT = jax.lax.Precision.HIGHEST  # no accelerator may round a product to fewer bits


class Chain(NamedTuple):
    """A Markov chain with a reward in each state."""

    transition: Array  # [S, S], rows sum to one
    reward: Array  # [S], expected


def induced_chain(pi: PolicyOrTable, mdp: Tabular) -> Chain:
    r"""What the process is once the policy is fixed.

    .. math:: P^\pi(s, s') = \sum_a \pi(a \mid s) P(s' \mid s, a), \quad
              r^\pi(s) = \sum_a \pi(a \mid s) R(s, a)

    Args:
      pi: a policy or a table [S, A].
      mdp: a `FiniteMDP` or an environment with `finite_mdp()`.

    References:
      Puterman (1994), equations 5.6.1 and 5.6.2.
    """
    pi, mdp = policy_table(pi, mdp), as_finite_mdp(mdp)
    transition = jnp.einsum("sa,sat->st", pi, mdp.transition, precision=EXACT)
    return Chain(transition, jnp.sum(pi * mdp.reward, axis=1))


def successor_value(mdp: FiniteMDP, value: Array) -> Array:
    r"""The expected value one step later, :math:`\sum_{s'} P(s' \mid s, a) v(s')`, [S, A, ...].

    Args:
      mdp: the MDP.
      value: [S] or, for several value functions at once, [S, K].
    """
    return jnp.einsum("sat,t...->sa...", mdp.transition, value, precision=EXACT)


def recurrent_classes(transition: ArrayLike) -> list[list[int]]:
    """The classes of states that a chain never leaves once there; every other state is transient.

    Args:
      transition: [S, S], concrete numbers. An edge is a probability above zero.

    Returns:
      The classes in the order of their first states, states ascending.

    References:
      Puterman (1994), appendix A.2.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    edges = np.asarray(transition) > 0
    number, label = connected_components(csr_array(edges), directed=True, connection="strong")
    tails, heads = np.nonzero(edges)
    leaves = np.zeros(number, bool)
    leaves[label[tails[label[tails] != label[heads]]]] = True
    classes = [np.flatnonzero(label == k).tolist() for k in range(number) if not leaves[k]]
    return sorted(classes)


def check_one_recurrent_class(transition: ArrayLike) -> None:
    """Raises unless the chain has one recurrent class, if its numbers are known."""
    if not known(transition):
        return
    classes = recurrent_classes(transition)
    if len(classes) > 1:
        raise UpslopeError(
            f"The chain has {len(classes)} recurrent classes, {_listed(classes)}: its average "
            "reward and its stationary distribution depend on where it starts. They are defined "
            "here for one recurrent class (and any number of transient states)."
        )


def live_states(pi: Array, mdp: FiniteMDP) -> Array:
    """The states before the end from which the end comes with certainty, bool [S].

    With traced probabilities every action counts as possible, with traced transitions every
    state that is not terminal as live.

    Raises:
      UpslopeError: a state that the process may reach from its start never ends with certainty.
    """
    if not known(mdp):
        return ~mdp.terminal
    transition = np.asarray(mdp.transition)
    edges = np.any((transition > 0) & _possible(pi, mdp)[:, :, None], axis=1)
    terminal = np.asarray(mdp.terminal)
    trapped = np.zeros_like(terminal)
    for states in recurrent_classes(edges):
        if not terminal[states].all():
            trapped[states] = True
    endless = _reach(edges.T, trapped)
    bad = endless & _reach(edges, np.asarray(mdp.initial) > 0)
    if bad.any():
        raise UpslopeError(
            f"From {_listed([np.flatnonzero(bad).tolist()])[1:-1]} (states) the episode does not "
            "end with certainty under this policy: its undiscounted value is not defined. Give a "
            "horizon, or an objective with a discount or an average."
        )
    return jnp.asarray(~terminal & ~endless)


def _possible(pi: Array, mdp: FiniteMDP) -> np.ndarray:
    if known(pi):
        return np.asarray(pi) > 0
    return np.ones((mdp.n_states, mdp.n_actions), bool)


def _reach(edges: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The states on some path from `start`, these included, bool [S]."""
    reached, front = start.copy(), start
    while front.any():
        front = edges[front].any(axis=0) & ~reached
        reached |= front
    return reached


def _listed(classes: list[list[int]]) -> str:
    """The classes in braces, long ones and long lists of them cut."""
    texts = []
    for states in classes[:6]:
        shown = ", ".join(str(s) for s in states[:10])
        texts.append("{" + shown + (f", ... ({len(states)})" if len(states) > 10 else "") + "}")
    return ", ".join(texts) + (", ..." if len(classes) > 6 else "")
