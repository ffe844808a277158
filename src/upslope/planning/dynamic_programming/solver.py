"""The contract every solver keeps, and the loop that runs it until its bound is good enough."""

from __future__ import annotations

import abc
import time
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from upslope.core.checks import UpslopeError, check_choice, check_number
from upslope.planning.dynamic_programming.backup import Backup, FiniteModel, backup_of
from upslope.planning.dynamic_programming.certificate import Certificate, discounted_certificate
from upslope.planning.dynamic_programming.proper import (
    check_proper,
    first_proper_policy,
    undiscounted_certificate,
)
from upslope.planning.dynamic_programming.solution import Solution

DTYPES = ("float64", "float32")
# The bound asked for where none is given, as a share of the largest value that rewards can add up
# to, in double and in single precision.
SHARES = {"float64": 1e-9, "float32": 1e-5}
# Sweeps in the first call of a compiled loop, and seconds that a call may take: between calls the
# process hears Ctrl-C.
FIRST_CHUNK, SECONDS = 500, 1.0


class Iterate(NamedTuple):
    """Where an iteration stands."""

    values: Float[Array, " S"]
    policy: Int[Array, " S"]
    iterations: Int[Array, ""]  # done so far
    change: Float[Array, ""]  # what the stop looks at: a span or a norm of the last change
    best: Float[Array, ""]  # the smallest change so far
    idle: Int[Array, ""]  # iterations since it was the smallest; many of them: rounding has won

    def moved(self, values: Array, policy: Array, change: Array) -> Iterate:
        """One iteration further."""
        better = change < self.best
        return Iterate(
            values,
            policy,
            self.iterations + 1,
            change,
            jnp.where(better, change, self.best),
            jnp.where(better, 0, self.idle + 1),
        )


@jax.jit
def first_iterate(backup: Backup, policy: Int[Array, " S"] | None = None) -> Iterate:
    """Values 0, with a policy: by default the one that takes the largest reward at once."""
    n_states, dtype = backup.reward.shape[0], backup.reward.dtype
    infinite = jnp.asarray(jnp.inf, dtype)
    none = jnp.zeros((), jnp.int32)
    if policy is None:
        policy = jnp.argmax(backup.reward, axis=1)
    values = jnp.zeros(n_states, dtype)
    return Iterate(values, policy.astype(jnp.int32), none, infinite, infinite, none)


class Stop(NamedTuple):
    """When a call of an iteration ends."""

    goal: Float[Array, ""]  # what the change has to come down to
    last: Int[Array, ""] | np.int32  # the number of the last iteration
    patience: Int[Array, ""] | np.int32  # iterations without a smaller change: rounding has won

    def going(self, iterate: Iterate) -> Bool[Array, ""]:
        """Whether to go on."""
        above = iterate.change > self.goal
        return above & (iterate.iterations < self.last) & (iterate.idle < self.patience)


class Solver(eqx.Module):
    """Finds the optimal policy and values of a finite MDP whose numbers are known.

    Attributes:
      name: the registry's. A class attribute.
      iteration: what is counted, a word. A class attribute.
      acts_greedily: whether the solution's policy is the greedy one of its values; else it is the
        iterate's. A class attribute.
      tolerance: the bound on the error of every value that is asked for; None for 1e-9 (float32:
        1e-5) of max |R| / (1 - gamma), and without a discount of the largest value.
      max_iterations: after which the solver gives up, and says so.
    """

    name: ClassVar[str] = "solver"
    iteration: ClassVar[str] = "sweeps"
    acts_greedily: ClassVar[bool] = True
    tolerance: eqx.AbstractVar[float | None]
    max_iterations: eqx.AbstractVar[int]

    def __check_init__(self) -> None:
        owner = type(self).__name__
        check_choice(owner, "dtype", self.precision, DTYPES)
        if self.tolerance is not None:
            check_number(owner, "tolerance", self.tolerance, above=0.0)
        check_number(owner, "max_iterations", self.max_iterations, at_least=1, integer=True)

    @abc.abstractmethod
    def advance(self, backup: Backup, gamma: Array, iterate: Iterate, stop: Stop) -> Iterate:
        """Iterations until the stop says so.

        Args:
          backup: in the precision of the iteration.
          gamma: scalar.
          iterate: where to go on from.
          stop: when to end.
        """

    def patience(self, gamma: float) -> int:
        """Iterations without a smaller change after which rounding has won over contraction."""
        return 30 + int(min(1.0 / max(1.0 - gamma, 1e-12), 10_000.0))

    def goal(self, gamma: float, tolerance: float) -> float:
        """The change at which the bound is expected to be within the tolerance.

        The span seminorm here: the optimal values lie in an interval as wide as
        gamma / (1 - gamma) times the span of T v - v.
        """
        return 1.8 * tolerance * (1.0 - gamma) / max(gamma, 1e-300)

    def solve(self, mdp: FiniteModel, gamma: float = 0.99) -> Solution:
        """The optimal policy and values of an MDP.

        Args:
          mdp: a `FiniteMDP` or a `SparseMDP`.
          gamma: discount, in [0, 1]. 1 needs an end that no policy can put off without a loss.

        Raises:
          UpslopeError: gamma outside [0, 1]; with gamma = 1 states from which the end cannot be
            reached, or can be avoided without a loss (which).
        """
        check_number(type(self).__name__, "gamma", gamma, at_least=0.0, at_most=1.0)
        check_size(mdp)
        policy = None
        if gamma == 1.0:
            check_proper(mdp, self.name)
            policy = first_proper_policy(mdp)
        with jax.enable_x64(True):
            return self._solve(mdp, float(gamma), policy)

    def _solve(self, mdp: FiniteModel, gamma: float, policy: np.ndarray | None) -> Solution:
        dtype = np.dtype(self.precision)
        backup = backup_of(mdp, dtype)
        exact = backup if self.precision == "float64" else backup_of(mdp, np.dtype("float64"))
        iterate = first_iterate(backup, policy)
        size = float(np.max(np.abs(np.asarray(mdp.reward)), initial=0.0)) or 1.0
        share = SHARES[self.precision]
        wanted = self.tolerance or share * size / (1.0 - gamma if gamma < 1.0 else 1.0)
        goal = self.goal(gamma, wanted)
        while True:
            iterate = self._advanced(backup, gamma, iterate, goal)
            found = self._certified(exact, iterate, gamma)
            bound, values, action_values = rounded(found, self.precision)
            if gamma == 1.0 and self.tolerance is None:
                wanted = share * max(size, float(np.max(np.abs(values))))
            capped = int(iterate.iterations) >= self.max_iterations
            idle = int(iterate.idle) >= self.patience(gamma)
            if bound <= wanted or capped or idle or goal <= 0.0:
                break
            # The change was small enough and the bound is not: ask for less, down to rounding.
            goal = min(goal, float(iterate.change)) * max(min(0.5 * wanted / bound, 0.5), 1e-3)
        return Solution(
            method=self.title,
            policy=np.asarray(found.policy),
            values=values,
            action_values=action_values,
            bound=bound,
            iterations=int(iterate.iterations),
            converged=bound <= wanted,
            reason=self._reason(bound, wanted, capped),
            gamma=gamma,
            tolerance=wanted,
            terminal=np.asarray(mdp.terminal),
            initial=np.asarray(mdp.initial),
        )

    def _certified(self, exact: Backup, iterate: Iterate, gamma: float) -> Certificate:
        """What an iterate is worth, in double precision."""
        values = iterate.values
        if values.dtype != np.float64:
            values = values.astype(jnp.float64)
        policy = None if self.acts_greedily else iterate.policy
        if gamma == 1.0:
            return undiscounted_certificate(exact, values, policy)
        return discounted_certificate(exact, values, policy, np.float64(gamma))

    @property
    def precision(self) -> str:
        """Of the iteration, float64 or float32; the bound is always computed in double."""
        return "float64"

    @property
    def title(self) -> str:
        """What a solution calls the method."""
        return self.name

    def _advanced(self, backup: Backup, gamma: float, iterate: Iterate, goal: float) -> Iterate:
        """`advance`, in calls short enough that the process hears Ctrl-C between them."""
        chunk, number = FIRST_CHUNK, backup.reward.dtype.type
        discount, aim = number(gamma), number(goal)  # of NumPy: they cost no dispatch of their own
        patience = np.int32(self.patience(gamma))
        iterate = iterate._replace(idle=np.int32(0))
        while True:
            done = int(iterate.iterations)
            last = min(done + chunk, self.max_iterations)
            began = time.perf_counter()
            stop = Stop(aim, np.int32(last), patience)
            iterate = self.advance(backup, discount, iterate, stop)
            if int(iterate.iterations) < last or last == self.max_iterations:
                return iterate
            taken = max(time.perf_counter() - began, 1e-4)
            chunk = max(int(chunk * min(SECONDS / taken, 4.0)), 1)

    def _reason(self, bound: float, wanted: float, capped: bool) -> str:
        if bound <= wanted:
            return f"the bound is within the tolerance of {wanted:.2g}"
        if not np.isfinite(bound):
            return (
                "NOT converged: no bound on the error could be certified; the values are the last "
                "iterate's"
            )
        missed = f"the bound {bound:.2g} is above the tolerance of {wanted:.2g}"
        if capped:
            return (
                f"NOT converged: the cap of max_iterations={self.max_iterations:,} "
                f"{self.iteration} was reached, {missed}; allow more"
            )
        if self.precision == "float32":
            return (
                f"NOT converged: rounding in float32, {missed}; use dtype float64, or ask for a "
                "larger tolerance"
            )
        return f"NOT converged: rounding in double precision, {missed}; ask for a larger tolerance"


def rounded(found: Certificate, dtype: str) -> tuple[float, np.ndarray, np.ndarray]:
    """Values and action values in a precision, with the bound that they have there."""
    wide = np.asarray(found.values)
    values = wide.astype(dtype, copy=False)
    cast = float(np.max(np.abs(values - wide), initial=0.0))
    return (
        float(found.bound) + cast,
        values,
        np.asarray(found.action_values).astype(dtype, copy=False),
    )


def check_size(mdp: FiniteModel) -> None:
    """Raises for batches of MDPs: one at a time is solved."""
    if mdp.reward.ndim != 2:
        raise UpslopeError(
            f"solve got an MDP with reward of shape {mdp.reward.shape}: it must be one MDP, "
            "[S, A]. Solve the MDPs of a batch one by one."
        )
