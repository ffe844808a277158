"""Returns that end in a value function: lambda-returns, n-step returns, V-trace."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import check_number


def lambda_returns(
    reward: Array,
    next_value: Array,
    terminated: Array,
    ended: Array,
    discount: float | Array,
    gae_lambda: float | Array,
) -> Array:
    r"""Lambda-returns along one or more streams.

    .. math:: G_t = r_t + \gamma (1 - \text{terminated}_t)
              \big((1 - \lambda_t) V(s_{t+1}) + \lambda_t G_{t+1}\big)

    with lambda_t = 0 where an episode or the stream ends, so that a truncated step bootstraps from
    its true successor. Equal to `generalized_advantages` plus V(s_t). lambda = 0 gives the one-step
    target and lambda = 1 the (bootstrapped) discounted return.

    Args:
      reward: [T, ...].
      next_value: [T, ...], V of the true successor, before any reset.
      terminated: booleans [T, ...]; the process ended.
      ended: booleans [T, ...]; terminated or truncated.
      discount: gamma, a number or one per step [T, ...].
      gae_lambda: lambda, likewise.

    Returns:
      G_t, [T, ...].

    References:
      Sutton and Barto (2018), equation 12.18.
    """
    following = discount * jnp.where(terminated, 0.0, 1.0)
    carried = gae_lambda * jnp.where(ended, 0.0, jnp.ones_like(reward))

    def back(later: Array, now: tuple[Array, Array, Array, Array]) -> tuple[Array, Array]:
        reward, following, carried, value = now
        total = reward + following * ((1.0 - carried) * value + carried * later)
        return total, total

    # After a terminated step nobody's value stands, and it may be anything, NaN too.
    value = jnp.where(terminated, 0.0, next_value)
    steps = (reward, following, carried, value)
    return jax.lax.scan(back, value[-1], steps, reverse=True)[1]


def n_step_returns(
    reward: Array,
    next_value: Array,
    terminated: Array,
    ended: Array,
    discount: float | Array,
    n_steps: int,
) -> Array:
    r"""Returns of at most n rewards, then the value.

    .. math:: G_t = \sum_{k<n} \gamma^k r_{t+k} + \gamma^n V(s_{t+n})

    Cut short where an episode or the stream ends: there the value of the true successor is taken
    (0 if it terminated). Arguments as for `lambda_returns`; n = 1 is the TD target.

    References:
      Sutton and Barto (2018), equation 7.1.
    """
    check_number("n_step_returns", "n_steps", n_steps, at_least=1, integer=True)
    following = discount * jnp.where(terminated, 0.0, 1.0)
    value = jnp.where(terminated, 0.0, next_value)
    last = (jnp.arange(reward.shape[0]) == reward.shape[0] - 1).reshape(
        -1, *[1] * (reward.ndim - 1)
    )
    stop = ended | last

    def longer(shorter: Array, _: None) -> tuple[Array, None]:
        after = jnp.where(stop, value, jnp.concatenate([shorter[1:], shorter[:1]]))
        return reward + following * after, None

    return jax.lax.scan(longer, reward + following * value, None, n_steps - 1)[0]


class VTrace(NamedTuple):
    """Off-policy corrected values and advantages, [T, ...]."""

    value: Array  # the V-trace target v_t
    advantage: Array  # rho_t (r_t + gamma v_{t+1} - V(s_t)): what the score is weighed with


def vtrace(
    log_ratio: Array,
    reward: Array,
    value: Array,
    next_value: Array,
    terminated: Array,
    ended: Array,
    discount: float | Array,
    gae_lambda: float | Array = 1.0,
    rho_clip: float | Array = 1.0,
    c_clip: float | Array = 1.0,
) -> VTrace:
    r"""V-trace: the values of pi from actions of another policy b.

    .. math:: v_t = V(s_t) + \delta_t + \gamma \lambda \bar c_t (v_{t+1} - V(s_{t+1})), \quad
              \delta_t = \bar\rho_t (r_t + \gamma V(s_{t+1}) - V(s_t))

    with rho = min(rho_clip, pi/b), c = min(c_clip, pi/b). On policy it is the n-step return; its
    fixed point is V^pi for rho_clip = infinity, else that of a policy between b and pi. A ratio
    beyond the clips cannot overflow.

    Args:
      log_ratio: log pi(a_t|s_t) - log b(a_t|s_t), [T, ...].
      reward: [T, ...], and those that follow as for `lambda_returns`.
      value: [T, ...], V(s_t).
      next_value: [T, ...], V(s_{t+1}).
      terminated: [T, ...], where the process ended.
      ended: [T, ...], where the episode ended, for whatever reason.
      discount: gamma.
      gae_lambda: lambda.
      rho_clip: positive; `math.inf` for none.
      c_clip: positive; `math.inf` for none.

    References:
      Espeholt et al. (2018), equation 1 and section 4.2.
    """
    rho = jnp.exp(jnp.minimum(log_ratio, jnp.log(rho_clip)))
    c = gae_lambda * jnp.exp(jnp.minimum(log_ratio, jnp.log(c_clip)))
    following = discount * jnp.where(terminated, 0.0, 1.0)
    next_value = jnp.where(terminated, 0.0, next_value)
    delta = rho * (reward + following * next_value - value)
    decay = following * c * jnp.where(ended, 0.0, 1.0)

    def back(later: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        delta, decay = now
        error = delta + decay * later
        return error, error

    error = jax.lax.scan(back, jnp.zeros_like(delta[0]), (delta, decay), reverse=True)[1]
    # The target after this step, mixed with V by lambda; V alone where the episode ends.
    later = jnp.concatenate([error[1:], jnp.zeros_like(error[:1])])
    target = next_value + gae_lambda * jnp.where(ended, 0.0, later)
    return VTrace(value + error, rho * (reward + following * target - value))
