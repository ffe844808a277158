"""Which J is maximised: the sum, its discount and its step weights."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.checks import UpslopeError, check_choice, check_number

if TYPE_CHECKING:
    from upslope.core.records import Trajectories

Credit = Literal["return", "reward-to-go"]


class Objective(eqx.Module):
    """J(theta), always maximised. The discount is a field of the objective and of nothing else.

    Attributes:
      name: the command line's name for it.
      differential: whether values are differential, that is, measured against the average reward.
      bootstrap_on_truncation: whether J counts what would have come after a truncation, so that a
        value is bootstrapped there. Under a finite-horizon objective truncation is terminal.
    """

    name: ClassVar[str] = "objective"
    differential: ClassVar[bool] = False
    bootstrap_on_truncation: ClassVar[bool] = True

    @property
    @abc.abstractmethod
    def discount(self) -> float | Array:
        """gamma as it enters returns and bootstraps (1 where nothing is discounted)."""

    @abc.abstractmethod
    def step_weights(self, n_steps: int) -> Float[Array, " T"]:
        """What the score of step t is multiplied with besides its advantage, [T]."""

    @abc.abstractmethod
    def episode_return(self, discounted_sum: Array, length: Array) -> Array:
        """The sample of J in one episode, given sum_t gamma^t r_t and its length."""

    def step_discount(self, trajectories: Trajectories) -> float | Array:
        r"""What the value after each step is multiplied with, :math:`\gamma d_t`.

        gamma alone where the environment has no discount d of its own, else [T, N].

        Raises:
          UpslopeError: for an average over steps, which has no place for a discount.
        """
        if trajectories.discount is None:
            return self.discount
        if self.differential:
            raise UpslopeError(
                f"{type(self).__name__} got trajectories of an environment with a discount of its "
                "own, and an average over steps has none: use EpisodicReturn or DiscountedReturn."
            )
        return self.discount * jnp.where(trajectories.valid, trajectories.discount, 1.0)

    def return_weight(self, episodes: Trajectories) -> Float[Array, "T ..."]:
        r"""What the reward of step t counts in the return of its episode.

        .. math:: \prod_{k<t} \gamma d_k

        for whole episodes that start at t = 0: [T, 1], or [T, N] where the environment has a
        discount d of its own.
        """
        return cumulative_discount(self.step_discount(episodes), episodes.reward.shape[0])

    def step_weight(self, episodes: Trajectories) -> Float[Array, "T ..."]:
        r"""`step_weights` for each step of whole episodes that start at t = 0, [T, 1].

        Where the environment has a discount d of its own it is part of the weight, which is
        :math:`\prod_{k<t} \gamma d_k` then, [T, N].
        """
        n_steps = episodes.reward.shape[0]
        weights = self.step_weights(n_steps)[:, None]
        if episodes.discount is None:
            return weights
        return weights * own_weight(episodes)

    def credit(self, episodes: Trajectories, credit: Credit) -> Float[Array, "T N"]:
        r"""What each action is credited with, [T, N], such that the weighted sum is unbiased.

        With `"reward-to-go"` step t gets :math:`G_t = r_t + \gamma d_t G_{t+1}`, where d is the
        environment's own discount (1 where it has none); with `"return"` it gets the whole return
        of its episode, :math:`G_0` over the step weight of t (which undoes that weight). Steps
        whose weight is below the rounding error get nothing: in expectation they would add no more
        than that.
        """
        reward = jnp.where(episodes.valid, episodes.reward, 0.0)
        if self.differential:
            reward = jnp.where(episodes.valid, reward - self.average(episodes), 0.0)
        to_go = discounted_to_go(reward, self.step_discount(episodes))
        if credit == "reward-to-go":
            return to_go
        weight = self.step_weight(episodes)
        decay = weight / weight[:1]  # a common factor stays in the weight
        eps = float(jnp.finfo(decay.dtype).eps)  # pyright: ignore  # without types in JAX
        counts = jnp.abs(decay) > eps
        return jnp.where(counts, to_go[:1] / jnp.where(counts, decay, 1.0), 0.0)

    def average(self, trajectories: Trajectories) -> Array:
        """The mean reward per step of a batch, a scalar."""
        steps = jnp.maximum(jnp.sum(trajectories.valid), 1)
        return jnp.sum(jnp.where(trajectories.valid, trajectories.reward, 0.0)) / steps


def discounted_to_go(
    reward: Float[Array, "T ..."], discount: float | Array
) -> Float[Array, "T ..."]:
    """G_t = r_t + gamma_t G_{t+1} along the first axis, from zero after the last step.

    Args:
      reward: [T, ...].
      discount: gamma, a number or one per step [T, ...].
    """
    if jnp.ndim(discount) == 0:

        def back(later: Array, now: Array) -> tuple[Array, Array]:
            total = now + discount * later
            return total, total

        return jax.lax.scan(back, jnp.zeros_like(reward[0]), reward, reverse=True)[1]

    def back_each(later: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        total = now[0] + now[1] * later
        return total, total

    start = jnp.zeros_like(reward[0])
    return jax.lax.scan(back_each, start, (reward, jnp.asarray(discount)), reverse=True)[1]


def own_weight(trajectories: Trajectories) -> Float[Array, "T N"]:
    r"""The product of the environment's own discounts before each step of its episode, [T, N]."""
    if trajectories.discount is None:
        return jnp.ones_like(trajectories.reward)
    ended = trajectories.terminated | trajectories.truncated
    discount = jnp.where(trajectories.valid, trajectories.discount, 1.0)

    def forth(weight: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        discount, ended = now
        return jnp.where(ended, 1.0, weight * discount), weight

    return jax.lax.scan(forth, jnp.ones_like(discount[0]), (discount, ended))[1]


def cumulative_discount(discount: float | Array, n_steps: int) -> Float[Array, "T ..."]:
    r"""The product of the discounts before each step, :math:`\prod_{k<t} \gamma_k`.

    Args:
      discount: gamma, a number or one per step [T, N].
      n_steps: T.

    Returns:
      [T, 1] for a number, else [T, N].
    """
    if jnp.ndim(discount) == 0:
        return (discount ** jnp.arange(n_steps, dtype=float))[:, None]
    discount = jnp.asarray(discount)
    return jnp.concatenate([jnp.ones_like(discount[:1]), jnp.cumprod(discount[:-1], axis=0)])


class EpisodicReturn(Objective):
    r"""The undiscounted return of an episode from the start distribution.

    .. math:: J = E\Big[\sum_{t=0}^{H-1} r_t\Big]

    Attributes:
      horizon: H; None leaves the end to the environment and its time limit. Static.

    References:
      Sutton and Barto (2018), equation 13.4.
    """

    name: ClassVar[str] = "episodic"
    bootstrap_on_truncation: ClassVar[bool] = False
    horizon: int | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if self.horizon is not None:
            check_number("EpisodicReturn", "horizon", self.horizon, at_least=1, integer=True)

    @property
    def discount(self) -> float:
        return 1.0

    def step_weights(self, n_steps: int) -> Float[Array, " T"]:
        return jnp.ones(n_steps)

    def episode_return(self, discounted_sum: Array, length: Array) -> Array:
        return discounted_sum


class DiscountedReturn(Objective):
    r"""The discounted value of the start distribution.

    .. math:: J = E\Big[\sum_{t \ge 0} \gamma^t r_t\Big]

    Its gradient weighs the score of step t with gamma^t. Nearly every implementation leaves that
    weight out; here that is a choice with a name.

    Attributes:
      gamma: the discount factor, in [0, 1).
      weights: `"discounted"` keeps gamma^t (times the environment's own discounts), so that
        score-function estimates are unbiased for grad J. `"undiscounted"` leaves both out:
        **biased**, not the gradient of any function (Nota and Thomas, 2020), but what practice
        uses, because it does not forget late steps. Static.

    References:
      Sutton et al. (2000), start-state formulation; Nota and Thomas (2020).
    """

    name: ClassVar[str] = "discounted"
    gamma: float | Array = 0.99
    weights: Literal["discounted", "undiscounted"] = eqx.field(static=True, default="discounted")

    def __check_init__(self) -> None:
        check_number(
            "DiscountedReturn",
            "gamma",
            self.gamma,
            at_least=0.0,
            below=1.0,
            why="For gamma = 1 use EpisodicReturn (episodes that end) or AverageReward.",
        )
        check_choice("DiscountedReturn", "weights", self.weights, ("discounted", "undiscounted"))

    @property
    def discount(self) -> float | Array:
        return self.gamma

    def step_weight(self, episodes: Trajectories) -> Float[Array, "T ..."]:
        if self.weights == "undiscounted":
            return self.step_weights(episodes.reward.shape[0])[:, None]
        return super().step_weight(episodes)

    def step_weights(self, n_steps: int) -> Float[Array, " T"]:
        if self.weights == "undiscounted":
            return jnp.ones(n_steps)
        return self.gamma ** jnp.arange(n_steps, dtype=float)

    def episode_return(self, discounted_sum: Array, length: Array) -> Array:
        return discounted_sum


class AverageReward(Objective):
    r"""Reward per step in the long run.

    .. math:: J = \lim_{T \to \infty} \frac1T E\Big[\sum_{t<T} r_t\Big]

    From sampled episodes or streams the average is over the steps seen, so J is estimated up to
    the truncation of the stream; values are differential (rewards minus the average).

    References:
      Sutton and Barto (2018), section 13.6.
    """

    name: ClassVar[str] = "average-reward"
    differential: ClassVar[bool] = True

    @property
    def discount(self) -> float:
        return 1.0

    def step_weights(self, n_steps: int) -> Float[Array, " T"]:
        return jnp.full(n_steps, 1.0 / n_steps)

    def episode_return(self, discounted_sum: Array, length: Array) -> Array:
        return discounted_sum / jnp.maximum(length, 1)


class AverageValue(Objective):
    r"""The discounted value averaged over the policy's own stationary distribution.

    .. math:: J = \sum_s \rho(s) v_\gamma(s)
              = \frac{1}{1-\gamma} \lim_T \frac1T E\Big[\sum_{t<T} r_t\Big]

    It orders policies as the average reward does, whatever gamma is, and is estimated through it.

    Attributes:
      gamma: the discount factor, in [0, 1).

    References:
      Sutton and Barto (2018), section 10.4, "The Futility of Discounting in Continuing Problems".
    """

    name: ClassVar[str] = "average-value"
    differential: ClassVar[bool] = True
    gamma: float | Array = 0.99

    def __check_init__(self) -> None:
        check_number("AverageValue", "gamma", self.gamma, at_least=0.0, below=1.0)

    @property
    def discount(self) -> float:
        return 1.0

    def step_weights(self, n_steps: int) -> Float[Array, " T"]:
        return jnp.full(n_steps, 1.0 / n_steps) / (1.0 - self.gamma)

    def episode_return(self, discounted_sum: Array, length: Array) -> Array:
        return discounted_sum / jnp.maximum(length, 1) / (1.0 - self.gamma)
