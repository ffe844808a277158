"""What on-policy methods with a critic compute of every step before they improve anything."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from upslope.core import tree
from upslope.core.annotations import Action, Memory, Observation
from upslope.core.records import Trajectories
from upslope.estimators.trajectory.advantages import generalized_advantages
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy, ValueFunction
from upslope.policies.unroll import successor_values, unroll
from upslope.search.gradient.reward_scale import RewardScale


class OnPolicyBatch(NamedTuple):
    """What an update needs of every step; leaves [T, N, ...], or [B, ...] rows of it."""

    observation: Observation  # as the policy reads it; an array or a tree
    seen: Observation  # as the value function reads it, normalised; () where it reads features
    action: Action
    ended: Array  # bool: terminated or truncated
    valid: Array  # bool
    log_prob: Array  # of the action under the policy that took it
    value: Array  # V before the update
    advantage: Array
    target: Array  # advantage + value


class PreparedBatch(NamedTuple):
    """The steps of an iteration as the policy and the critic of before the update see them."""

    batch: OnPolicyBatch
    critic_memory: Memory  # [N, ...] the critic's before the first step
    next_critic_memory: Memory  # [N, ...] after the last step
    reward_scale: RewardScale | None  # with these rewards counted


def on_policy_batch(
    policy: Policy,
    critic: ValueFunction,
    experience: Trajectories,
    objective: Objective,
    gae_lambda: float | Array,
    *,
    critic_memory: Memory,
    reward_scale: RewardScale | None = None,
) -> PreparedBatch:
    r"""Log-probabilities, values, generalised advantages and value targets of every step.

    .. math:: A_t = \sum_{k \ge 0} \Big(\prod_{i=1}^{k} \gamma d_{t+i-1} \lambda\Big) \delta_{t+k},
              \qquad \delta_t = r_t + \gamma d_t V(s_{t+1}) - V(s_t), \qquad R_t = A_t + V(s_t)

    d is the environment's own discount, 1 where it has none. In a stream that began anew
    (`experience.restarted`) the critic's memory and the running return of the reward scale begin
    anew too: what they remember belongs to an episode that was abandoned.

    Args:
      policy: that acted.
      critic: the value function.
      experience: streams, [T, N, ...].
      objective: which discount, and whether a truncated episode is bootstrapped.
      gae_lambda: in [0, 1].
      critic_memory: of the critic before the first step, [N, ...]; `()` without memory.
      reward_scale: divides rewards by the spread of returns; None leaves them as they are.

    References:
      Schulman et al. (2016), "High-Dimensional Continuous Control Using GAE", equation 16.
    """
    terminated, valid = experience.terminated, experience.valid
    ended = terminated | experience.truncated
    if not objective.bootstrap_on_truncation:
        terminated = ended
    if experience.restarted is not None:
        critic_memory = begun_anew(critic, experience.restarted, critic_memory)
    discount = objective.step_discount(experience)
    reward = experience.reward
    if reward_scale is not None:
        reward, reward_scale = reward_scale(reward, ended, valid, discount, experience.restarted)
    if objective.differential:
        reward = reward - objective.average(experience._replace(reward=reward))
    look = jax.vmap(
        jax.vmap(policy.extract_features if critic.reads_features else policy.normalize)
    )
    seen = look(experience.observation)
    value, next_value, next_critic_memory = successor_values(
        critic,
        seen,
        look(experience.next_observation),
        experience.terminated,
        experience.truncated,
        critic_memory,
    )
    advantage = generalized_advantages(
        reward, value, next_value, terminated, ended, discount, gae_lambda
    )
    if critic.reads_features:
        say = jax.vmap(jax.vmap(policy.from_features))
        distribution, seen = say(seen, experience.observation), ()
    else:
        distribution, _ = unroll(policy, experience.observation, ended, experience.memory)
    log_prob = jax.vmap(jax.vmap(lambda d, a: d.log_prob(a)))(distribution, experience.action)
    batch = OnPolicyBatch(
        observation=experience.observation,
        seen=seen,
        action=experience.action,
        ended=ended,
        valid=valid,
        log_prob=log_prob,
        value=value,
        advantage=advantage,
        target=advantage + value,
    )
    return PreparedBatch(
        batch=batch,
        critic_memory=critic_memory,
        next_critic_memory=next_critic_memory,
        reward_scale=reward_scale,
    )


def begun_anew(critic: ValueFunction, restarted: Array, memory: Memory) -> Memory:
    """The critic's memory [N, ...], the first one in the streams that began anew [N]."""
    first = jax.tree.map(
        lambda start, now: jnp.broadcast_to(start, now.shape).astype(now.dtype),
        critic.initial_memory(),
        memory,
    )
    return tree.where(restarted, first, memory)
