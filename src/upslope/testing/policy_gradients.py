"""The gradient of J from whole episodes, on and off the policy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from upslope.testing.contract import Bug, Case, Contract, slope
from upslope.testing.episodes import (
    BEHAVIOR,
    ENVIRONMENTS,
    LOGITS,
    EpisodeBatch,
    SmallEnvironment,
    log_softmax,
)

Credit = Callable[[EpisodeBatch], np.ndarray]


def weighted_scores(logits: np.ndarray, batch: EpisodeBatch, credit: np.ndarray) -> np.ndarray:
    """sum_t credit_t grad log pi(a_t|s_t), averaged over the episodes; [S, A]."""
    pi, gradient = np.exp(log_softmax(logits)), np.zeros_like(logits)
    for n, t in np.ndindex(credit.shape):
        state = batch.observation[n, t]
        gradient[state] -= credit[n, t] * pi[state]
        gradient[state, batch.action[n, t]] += credit[n, t]
    return gradient / len(credit)


def rewards(batch: EpisodeBatch) -> np.ndarray:
    """gamma^t r_t [N, T], 0 after the end."""
    discount = batch.gamma ** np.arange(batch.reward.shape[1])
    return np.where(batch.valid, discount * batch.reward, 0.0)


def to_go(array: np.ndarray) -> np.ndarray:
    """Sums from each step on, [N, T]."""
    return np.cumsum(array[:, ::-1], axis=1)[:, ::-1]


def right(logits: np.ndarray, batch: EpisodeBatch) -> np.ndarray:
    """Reward-to-go, discounted from the start."""
    return weighted_scores(logits, batch, np.where(batch.valid, to_go(rewards(batch)), 0.0))


def with_credit(credit: Credit) -> Callable[[np.ndarray, EpisodeBatch], np.ndarray]:
    """An estimator that weighs the scores of the valid steps by `credit` [N, T]."""
    return lambda logits, batch: weighted_scores(
        logits, batch, np.where(batch.valid, credit(batch), 0.0)
    )


def whole_return(batch: EpisodeBatch) -> np.ndarray:
    """R(tau) at every step, [N, T]."""
    return np.broadcast_to(np.sum(rewards(batch), axis=1)[:, None], batch.reward.shape)


def steps(batch: EpisodeBatch) -> np.ndarray:
    """The length of each episode, [N, 1]."""
    return np.sum(batch.valid, axis=1)[:, None]


def undated(batch: EpisodeBatch) -> np.ndarray:
    """sum_k gamma^(k-t) r_k: gamma^t dropped."""
    discount = batch.gamma ** np.arange(batch.reward.shape[1])
    return to_go(rewards(batch)) / discount


def shifted(batch: EpisodeBatch) -> np.ndarray:
    """From the next reward on."""
    ahead = to_go(rewards(batch))
    return np.concatenate([ahead[:, 1:], np.zeros_like(ahead[:, :1])], axis=1)


def undiscounted(batch: EpisodeBatch) -> np.ndarray:
    """sum_k r_k from each step on."""
    return to_go(np.where(batch.valid, batch.reward, 0.0))


def centred(batch: EpisodeBatch) -> np.ndarray:
    """R(tau) less the mean of the batch, its own included."""
    whole = whole_return(batch)
    return whole - np.mean(whole[:, 0])


def standardized(batch: EpisodeBatch) -> np.ndarray:
    """`centred` over the batch's standard deviation."""
    return centred(batch) / (np.std(whole_return(batch)[:, 0]) + 1e-8)


def padded(logits: np.ndarray, batch: EpisodeBatch) -> np.ndarray:
    """`right` without the mask."""
    everything = batch._replace(valid=np.ones_like(batch.valid))
    return weighted_scores(logits, batch, to_go(rewards(everything)))


def _case(
    name: str, environment: SmallEnvironment, asks: str, behavior: np.ndarray = LOGITS
) -> Case:
    return Case(
        name,
        asks,
        lambda function: environment.expectation(function, LOGITS, behavior),
        lambda: slope(environment.objective, LOGITS),
    )


POLICY_GRADIENT = Contract(
    "policy-gradient",
    "gradient(logits [S, A], batch: EpisodeBatch) -> [S, A]",
    "In expectation over batches of the policy's own episodes, the gradient of "
    "J = E sum_t gamma^t r_t.",
    right,
    tuple(_case(name, environment, asks) for name, (environment, asks) in ENVIRONMENTS.items()),
    (
        Bug(
            "mean of the log-probabilities in place of their sum",
            "Each episode counts by one over its length: short ones are preferred.",
            "Gymnasium's REINFORCE tutorial (Farama-Foundation/Gymnasium#1336), GRPO's "
            "normalisation by length (huggingface/trl#2995)",
            with_credit(lambda b: whole_return(b) / np.maximum(steps(b), 1)),
        ),
        Bug(
            "mean over the steps of the batch in place of the episodes",
            "The sum is divided by a random number that depends on the actions.",
            "surrogate losses written with .mean() over valid steps",
            lambda logits, b: right(logits, b) * len(b.reward) / np.sum(b.valid),
        ),
        Bug(
            "sum over episodes in place of the mean",
            "The gradient grows with the batch.",
            "course code (huggingface/deep-rl-class#70)",
            lambda logits, b: right(logits, b) * len(b.reward),
        ),
        Bug(
            "rewards shifted by one step",
            "An action is not credited with its own reward.",
            "openai/spinningup#50",
            with_credit(shifted),
        ),
        Bug(
            "gamma^t dropped",
            "The reward-to-go is discounted from its own step: the gradient of no objective.",
            "most libraries; facebookresearch/Pearl#46",
            with_credit(undated),
        ),
        Bug(
            "the discount left out",
            "The gradient of the undiscounted return.",
            "course code",
            with_credit(undiscounted),
        ),
        Bug(
            "rewards of the past in place of the future",
            "What an action leads to is not credited; what came before cancels, so that in the "
            "mean only the immediate reward is left.",
            "a missing [::-1]; bandit code used on sequences",
            with_credit(lambda b: np.cumsum(rewards(b), axis=1)),
        ),
        Bug(
            "padding counted",
            "What stands after the end of an episode enters the sum.",
            "batched code without a mask",
            padded,
        ),
        Bug(
            "baseline of the same batch",
            "Each return is part of its own baseline: the gradient shrinks by 1 - 1/N.",
            "REINFORCE with a batch mean; use the mean of the others",
            with_credit(centred),
        ),
        Bug(
            "standardised returns",
            "Divided by their own standard deviation: another scale in each batch.",
            "advantage normalisation; GRPO (huggingface/trl PR 3256)",
            with_credit(standardized),
        ),
        Bug(
            "sign turned round",
            "A loss where a gain belongs.",
            "udacity/deep-reinforcement-learning#42",
            lambda logits, b: -right(logits, b),
        ),
    ),
)


def ratios(logits: np.ndarray, batch: EpisodeBatch) -> np.ndarray:
    """pi(a|s) / b(a|s) [N, T], 1 after the end."""
    log_prob = log_softmax(logits)[batch.observation, batch.action]
    return np.where(batch.valid, np.exp(log_prob - batch.behavior_log_prob), 1.0)


def off_policy(logits: np.ndarray, batch: EpisodeBatch) -> np.ndarray:
    """Per-decision weights: a reward is weighed by the ratios up to it."""
    weighed = to_go(np.cumprod(ratios(logits, batch), axis=1) * rewards(batch))
    return weighted_scores(logits, batch, np.where(batch.valid, weighed, 0.0))


OFF_POLICY_GRADIENT = Contract(
    "off-policy-gradient",
    "gradient(logits [S, A], batch: EpisodeBatch) -> [S, A]",
    "In expectation over batches of another policy's episodes (batch.behavior_log_prob), the "
    "gradient of J of the policy of the logits.",
    off_policy,
    tuple(
        _case(name, environment, asks, BEHAVIOR)
        for name, (environment, asks) in ENVIRONMENTS.items()
    ),
    (
        Bug(
            "no importance weights",
            "The episodes are taken for the policy's own.",
            "replayed batches in on-policy code",
            right,
        ),
        Bug(
            "ratio of the present step alone",
            "The states are still those of the other policy.",
            "PPO-style ratios taken for an unbiased estimate",
            lambda logits, b: weighted_scores(
                logits, b, np.where(b.valid, ratios(logits, b) * to_go(rewards(b)), 0.0)
            ),
        ),
        Bug(
            "ratio upside down",
            "b / pi in place of pi / b.",
            "a sign in the exponent",
            lambda logits, b: weighted_scores(
                logits,
                b,
                np.where(
                    b.valid,
                    to_go(np.cumprod(1 / ratios(logits, b), axis=1) * rewards(b)),
                    0.0,
                ),
            ),
        ),
        Bug(
            "gradient stopped at the ratio",
            "The surrogate's only dependence on the parameters is cut: no gradient at all.",
            "a detach() around the whole ratio",
            lambda logits, b: np.zeros_like(logits),
        ),
    ),
)
