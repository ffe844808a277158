"""What a solver found, and how far it may be from the truth."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from upslope.core.checks import UpslopeError
from upslope.core.html_table import html_table

if TYPE_CHECKING:
    from upslope.policies.tabular_softmax import TabularSoftmax

# The logit of an action that is not taken: its probability is 0 in every precision.
NEVER = -1e9


@dataclasses.dataclass(frozen=True, eq=False)
class Solution:
    r"""A policy and its values in a finite MDP, with a bound on their error.

    .. math:: |v(s) - v_*(s)| \le \text{bound}, \qquad |v(s) - v_\pi(s)| \le \text{bound}

    for every state: the optimal values and those of the policy lie no further from `values` than
    `bound`, which is computed from `values` themselves by one backup in double precision, rounding
    included. It holds whether or not the iteration has converged. It is about the MDP as it is
    stored, each row of probabilities divided by its sum.

    Attributes:
      method: the solver's name.
      policy: the action of each state, int [S]; [H, S] over a finite horizon.
      values: v [S]; [H, S] over a finite horizon; for the average reward the differential values,
        relative to state 0.
      action_values: q [S, A], or [H, S, A]; values are their maxima, up to the bound.
      bound: no value is further from the truth; infinite where none is known. For the average
        reward it bounds the error of `average_reward`.
      iterations: of the method.
      converged: whether the bound is within the tolerance that was asked for.
      reason: why the iteration ended, a sentence.
      gamma: the discount.
      tolerance: the bound that was asked for.
      terminal: bool [S].
      initial: mu [S]; None where it was not given.
      average_reward: of the policy, per step, in every state; None for other objectives.
      notes: what else there is to know of the problem, in sentences.
    """

    method: str
    policy: np.ndarray
    values: np.ndarray
    action_values: np.ndarray
    bound: float
    iterations: int
    converged: bool
    reason: str
    gamma: float
    tolerance: float
    terminal: np.ndarray
    initial: np.ndarray | None = None
    average_reward: float | None = None
    notes: Sequence[str] = ()

    @property
    def n_states(self) -> int:
        """S."""
        return self.action_values.shape[-2]

    @property
    def n_actions(self) -> int:
        """A."""
        return self.action_values.shape[-1]

    @property
    def horizon(self) -> int | None:
        """H of a finite horizon, or None."""
        return self.values.shape[0] if self.values.ndim == 2 else None

    @functools.cached_property
    def optimal_actions(self) -> np.ndarray:
        """Which actions may be optimal within the bound, bool [S, A] (or [H, S, A]).

        Every other action is certainly worse. With a bound at the level of rounding these are the
        ties.
        """
        best = np.max(self.action_values, axis=-1, keepdims=True)
        slack = 2.0 * self.bound if self.average_reward is None else 4.0 * self.bound
        rounding = 4.0 * np.finfo(self.action_values.dtype).eps * np.max(np.abs(best), initial=0.0)
        return self.action_values >= best - slack - rounding

    @property
    def start_value(self) -> float | None:
        """The expected value at the start; None where the start was not given."""
        if self.initial is None:
            return None
        first = self.values if self.horizon is None else self.values[0]
        return float(np.dot(np.asarray(self.initial, np.float64), first))

    def policy_table(self) -> np.ndarray:
        """The policy's probabilities, 0 and 1, [S, A] or [H, S, A]."""
        return np.eye(self.n_actions)[self.policy]

    def as_policy(self, n_observations: int | None = None) -> TabularSoftmax:
        """The policy as one of the library's, which acts, is evaluated, saved and exported.

        Args:
          n_observations: rows that it shall have, at most S; None for all. (A state that was added
            for the end of an episode is never observed.)

        Raises:
          UpslopeError: over a finite horizon, where the action depends on the time.
        """
        if self.horizon is not None:
            raise UpslopeError(
                f"A solution over a horizon of {self.horizon} steps chooses by the time as well as "
                "by the state: read policy[step, state]. A policy of the state alone comes from a "
                "solver without a horizon."
            )
        import jax.numpy as jnp

        from upslope.policies.tabular_softmax import TabularSoftmax

        table = self.policy_table()[:n_observations]
        return TabularSoftmax(jnp.asarray(np.where(table > 0, 0.0, NEVER), jnp.float32))

    def rows(self) -> list[tuple[str, str]]:
        """What there is to say of it, names and texts."""
        size = f"{self.n_states:,}"
        steps = "" if self.horizon is None else f", {self.horizon:,} steps"
        rows = [
            ("method", self.method),
            ("states", size),
            ("actions", f"{self.n_actions:,}"),
            ("gamma", f"{self.gamma:g}{steps}"),
        ]
        if self.average_reward is not None:
            rows[-1] = ("average reward", f"{self.average_reward:.10g} per step")
        elif self.start_value is not None:
            rows.append(("value of the start", f"{self.start_value:.10g}"))
        what = "no value" if self.average_reward is None else "the average is not"
        rows += [
            ("guaranteed error", f"{self.bound:.2g} ({what} is off by more)")
            if self.average_reward is None
            else ("guaranteed error", f"{self.bound:.2g} of the average reward"),
            ("iterations", f"{self.iterations:,}"),
            ("ended", self.reason),
        ]
        return rows

    def __repr__(self) -> str:
        width = max(len(name) for name, _ in self.rows())
        lines = [f"  {name:<{width}}  {text}" for name, text in self.rows()]
        lines += [f"  note{'':<{width - 4}}  {note}" for note in self.notes]
        return "\n".join(["Solution", *lines])

    def _repr_html_(self) -> str:
        rows = [*self.rows(), *(("note", note) for note in self.notes)]
        return html_table("Solution", (), rows)
