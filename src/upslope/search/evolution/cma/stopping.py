"""Why a run of CMA-ES cannot be expected to get any better."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from upslope.search.evolution.cma.covariance import Shape

REASONS = {
    "flat": "the best quarter's returns are all equal: the objective is flat here",
    "tolfun": "the returns of this population and the best of recent ones differ by less than that",
    "tolfunhist": "the best returns of recent populations differ by less than that",
    "tolx": "no parameter's standard deviation and step is larger than that",
    "tolfacupx": "a standard deviation grew by more than that: std is far too small for where the "
    "optimum is, or there is none",
    "tolconditioncov": "the covariance matrix is too ill-conditioned: some direction "
    "has no optimum, or the parameters have very unlike scales",
    "noeffectaxis": "a tenth of a standard deviation along an axis does not change the mean",
    "noeffectcoord": "a fifth of a standard deviation of a parameter does not change the mean",
    "stagnation": "medians and bests of populations have not improved for long",
    "maxiter": "more iterations than a run of this size can use",
    "resolution": "the best quarter's returns are all equal, and no parameter's standard deviation "
    "is larger than a thousandth of the first: the objective resolves no more",
}
# Those that say the run has arrived, and those that say it has not and whither it went.
CONVERGED = ("tolfun", "tolfunhist", "tolx", "noeffectaxis", "noeffectcoord", "resolution")
DIVERGED = ("tolfacupx",)
PATIENCE = 20
LONGEST = 2000  # half of the long history, in entries
LOOK, LONG_LOOK = 5, 25  # populations between two looks, and two at the long history


def stopping_reasons(stop: int | Array) -> list[str]:
    """The names, keys of `REASONS`, of the reasons in a state's or a diagnostic's `stop`."""
    return [name for bit, name in enumerate(REASONS) if int(stop) >> bit & 1]


def has_converged(stop: int | Array) -> bool:
    """Whether a criterion of convergence is among the reasons, and none of divergence."""
    names = set(stopping_reasons(stop))
    return not names.isdisjoint(CONVERGED) and names.isdisjoint(DIVERGED)


class Tolerances(Protocol):
    """The numbers that the reasons are judged by; fields of `CMAES`."""

    @property
    def std(self) -> float | Array:
        """The first standard deviation of a parameter."""
        ...

    @property
    def tolfun(self) -> float | Array:
        """Of returns, of this population and the best of recent ones."""
        ...

    @property
    def tolfunhist(self) -> float | Array:
        """Of the best returns of recent populations."""
        ...

    @property
    def tolx(self) -> float | Array:
        """Of the standard deviation of every parameter."""
        ...

    @property
    def tolfacupx(self) -> float | Array:
        """By which a standard deviation may grow."""
        ...

    @property
    def tolconditioncov(self) -> float | Array:
        """The condition number that C may have."""
        ...


class History(NamedTuple):
    """What of the past the reasons are read from. Zero where nothing is recorded yet."""

    recent: Array  # [H] best return of recent populations, a ring
    best: Array  # [2 L] best and median of every fifth population, the last first
    median: Array  # [2 L]
    flat: Array  # scalar int: populations in a row whose best quarter was flat
    iteration: Array  # scalar int
    stop: Array  # scalar int: reasons as bits, as last looked at

    @classmethod
    def start(
        cls, dimension: int, population_size: int, dtype: DTypeLike, *, integers: bool = False
    ) -> History:
        """Of no populations at all; sizes are for the smallest population in use.

        With whole numbers the recent past is at least `PATIENCE` D populations: a neighbour of one
        coordinate's is drawn once in 2 D.
        """
        recent = 10 + int(30 * dimension / population_size)
        if integers:
            recent = max(recent, PATIENCE * dimension)
        half = min(LONGEST, max(50, int((100 + 100 * dimension**1.5 / population_size) / 10)))
        blank = lambda size: jnp.zeros((size,), dtype)  # noqa: E731
        zero = jnp.zeros((), int)
        return cls(blank(recent), blank(2 * half), blank(2 * half), zero, zero, zero)

    @property
    def best_recent(self) -> Array:
        """The best of the recent returns, a scalar; -inf before the first."""
        return jnp.max(self.recent, initial=-jnp.inf, where=self._known)

    @property
    def worst_recent(self) -> Array:
        """The worst of them; inf before the first."""
        return jnp.min(self.recent, initial=jnp.inf, where=self._known)

    @property
    def _known(self) -> Array:
        return jnp.arange(self.recent.size) < self.iteration

    def recorded(self, ordered: Array, count: int | Array) -> History:
        """With the returns [P] of one more population, best first; `count` of them count."""
        # Written so that a NaN counts as flat.
        flat = jnp.where(ordered[0] > ordered[(3 * count) // 4], 0, self.flat + 1)
        recent = self.recent.at[self.iteration % self.recent.size].set(ordered[0])
        return self._replace(recent=recent, flat=flat, iteration=self.iteration + 1)


def looked_at(
    history: History,
    ordered: Array,
    count: int | Array,
    mean: Array,
    sigma: Array,
    path: Array,
    shape: Shape,
    tolerances: Tolerances,
    *,
    integers: bool = False,
) -> History:
    """The history with its reasons to stop looked for anew, at every fifth population.

    Stagnation, which is a matter of the long history, is looked for at every 25th.

    Args:
      history: with this population recorded.
      ordered: returns [P], the best first.
      count: how many of them there are.
      mean: [D].
      sigma: scalar.
      path: p_c [D].
      shape: of the Gaussian.
      tolerances: below which nothing is expected any more.
      integers: whether some parameters are whole numbers. Equal returns, which equal whole numbers
        have, and a best return that has not improved for a while are then no reasons to stop, and
        the others wait until it has stood still for the whole recent past.

    References:
      Hansen (2016), section B.3; Hansen's pycma for the tolerances.
    """
    size, eps = mean.size, jnp.finfo(mean.dtype).eps

    def look() -> tuple[Array, Array, Array]:
        median = 0.5 * (ordered[(count - 1) // 2] + ordered[count // 2])
        bests = jnp.roll(history.best, 1).at[0].set(ordered[0])
        medians = jnp.roll(history.median, 1).at[0].set(median)
        # A look at the long history takes as long as a population of a small problem.
        long = history.iteration > jnp.maximum(size * (5 + 100 / count), LOOK * bests.size - 1)
        long = long & (history.iteration % LONG_LOOK == 0)
        stagnation = jax.lax.cond(long, no_better, lambda *_: jnp.asarray(False), bests, medians)
        spread = ordered[0] - ordered[count - 1]
        past = history.best_recent - history.worst_recent
        stds = sigma * shape.stds
        axis = 0.1 * sigma * shape.axis(history.iteration // LOOK % size)
        limit = jnp.minimum(jnp.sqrt(tolerances.tolconditioncov), jnp.sqrt(0.5 / eps))
        still = jnp.all(stds < tolerances.tolx) & jnp.all(jnp.abs(sigma * path) < tolerances.tolx)
        flat = ~jnp.asarray(integers) & (history.flat > 1)
        fine = jnp.all(stds < 1e-3 * tolerances.std)
        reasons = {
            "flat": flat & ~fine,
            "tolfun": (spread < tolerances.tolfun) & (past < tolerances.tolfun),
            "tolfunhist": (history.iteration > 9) & (past < tolerances.tolfunhist),
            "tolx": still,
            "tolfacupx": jnp.any(stds > tolerances.std * tolerances.tolfacupx),
            "tolconditioncov": ~(shape.axis_ratio <= limit),
            "noeffectaxis": jnp.all(mean == mean + axis),
            "noeffectcoord": jnp.any(mean == mean + 0.2 * stds),
            "stagnation": stagnation,
            "resolution": flat & fine,
            "maxiter": history.iteration >= 100 + 150 * (size + 3) ** 2 // count**0.5,
        }
        if integers:
            quiet = (history.iteration >= history.recent.size) & (past < tolerances.tolfun)
            reasons = {
                name: held & quiet if name in CONVERGED else held for name, held in reasons.items()
            }
            reasons["stagnation"] = jnp.asarray(False)
        bits = [reasons[name].astype(int) << bit for bit, name in enumerate(REASONS)]
        return bests, medians, jnp.sum(jnp.stack(bits))

    due = history.iteration % LOOK == 0
    best, median, stop = jax.lax.cond(
        due, look, lambda: (history.best, history.median, history.stop)
    )
    return history._replace(best=best, median=median, stop=stop)


def no_better(bests: Array, medians: Array) -> Array:
    """Whether the newer halves of both [2 L], the last first, have medians no better."""
    halves = jnp.sort(jnp.concatenate([bests, medians]).reshape(4, -1), axis=1)
    middle = halves[:, halves.shape[1] // 2]
    return (middle[0] <= middle[1]) & (middle[2] <= middle[3])
