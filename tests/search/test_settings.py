"""Hyper-parameters that cannot be meant: each is refused by name, with the value it had."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from small_policies import Table
from upslope.core.checks import UpslopeError
from upslope.estimators import LikelihoodRatio
from upslope.objectives import AverageValue, DiscountedReturn, EpisodicReturn
from upslope.sampling import EpisodeReturns, Episodes, Steps
from upslope.search import (
    CMAES,
    METHODS,
    PGPE,
    PPO,
    SNES,
    XNES,
    AugmentedRandomSearch,
    CrossEntropyMethod,
    GradientAscent,
    OpenAIES,
    reinforce,
)

NAN, INF = float("nan"), float("inf")
POSITIVE = {
    PPO: (
        "learning_rate",
        "clip_range",
        "max_grad_norm",
        "clip_range_vf",
        "target_kl",
        "total_timesteps",
    ),
    GradientAscent: ("learning_rate", "critic_learning_rate", "max_grad_norm", "total_timesteps"),
    CrossEntropyMethod: ("std", "extra_iterations"),
}
NOT_NEGATIVE = {PPO: ("ent_coef", "vf_coef"), CrossEntropyMethod: ("extra_std", "min_std")}
COUNTS = {
    PPO: ("n_envs", "n_steps", "n_epochs", "batch_size"),
    GradientAscent: ("n_episodes", "critic_epochs"),
    CrossEntropyMethod: ("population_size", "n_elites", "episodes_per_candidate"),
}
POPULATIONS = (CMAES, SNES, XNES, PGPE, OpenAIES, AugmentedRandomSearch)
POSITIVE |= dict.fromkeys(POPULATIONS, ("std",))
COUNTS |= dict.fromkeys(POPULATIONS, ("population_size", "episodes_per_candidate"))
TABLE = [
    *((c, n, v) for c, names in POSITIVE.items() for n in names for v in (0, -1.0, NAN, INF, "x")),
    *((c, n, v) for c, names in NOT_NEGATIVE.items() for n in names for v in (-0.1, NAN, INF)),
    *(
        (c, n, v)
        for c, names in COUNTS.items()
        for n in names
        for v in (0, -3, 2.5, NAN, INF, None)
        if (n, v) != ("batch_size", None)  # the divisor nearest to 64
    ),
    *((PPO, "gae_lambda", v) for v in (-0.1, 1.1, NAN)),
    *((DiscountedReturn, "gamma", v) for v in (1.0, 1.5, -0.1, NAN, INF, "x")),
    *((AverageValue, "gamma", v) for v in (1.0, -0.1, NAN)),
    *((EpisodicReturn, "horizon", v) for v in (0, -1, 1.5, NAN)),
    *((reinforce, n, v) for n in ("learning_rate", "n_episodes") for v in (0, -1, NAN, INF)),
]


@pytest.mark.parametrize(("make", "name", "value"), TABLE)
def test_a_number_out_of_range_is_named(make, name, value):
    with pytest.raises(UpslopeError) as error:
        make(**{name: value})
    assert f"{name}={value!r}" in str(error.value)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: PPO(2, 8, 1, 32), r"batch_size=32.*2 x 8 = 16"),
        (lambda: PPO(2, 8, 1, 5), r"batch_size=5.*divisor of 16"),
        (lambda: PPO(learning_rate_schedule="linear"), "total_timesteps=None"),
        (lambda: PPO(clip_range_schedule="linear"), "total_timesteps=None"),
        (lambda: reinforce(learning_rate_schedule="linear"), "total_timesteps=None"),
        (lambda: CrossEntropyMethod(population_size=1), "population_size=1"),
        (lambda: CrossEntropyMethod(10, 12), "n_elites=12"),
        (lambda: reinforce(baseline="leave-one-uot"), "'leave-one-out'"),
        (lambda: reinforce(optimizer="adamm"), "optimizer='adamm'.*'adam'"),
        (lambda: reinforce(credit="reward_to_go"), "credit=.*'reward-to-go'"),
        (lambda: LikelihoodRatio(credit="returns"), "credit='returns'.*'return'"),
        (lambda: PPO(learning_rate_schedule="lineal"), "learning_rate_schedule='lineal'"),
        (lambda: PPO(clip_range_schedule="lineal"), "clip_range_schedule='lineal'"),
        (lambda: reinforce(learning_rate_schedule="lineal"), "learning_rate_schedule='lineal'"),
        (lambda: DiscountedReturn(0.9, "discount"), "weights='discount'"),
        (lambda: DiscountedReturn(1.0), "EpisodicReturn"),
        (lambda: Steps(0, 4), "n_envs=0"),
        (lambda: Steps(4, -1), "n_steps=-1"),
        (lambda: Episodes(0), "n_episodes=0"),
        (lambda: EpisodeReturns(0, 1), "population_size=0"),
        (lambda: METHODS.get("pop"), "'ppo'"),
    ],
)
def test_what_does_not_fit_together_is_explained(make, match):
    with pytest.raises(UpslopeError, match=match):
        make()


def test_numbers_inside_a_program_are_not_looked_at():
    """A traced number has no value yet: hyper-parameters may be vmapped over."""
    rates = jax.vmap(lambda rate: PPO(learning_rate=rate).learning_rate)(jnp.asarray([0.1, 0.2]))
    np.testing.assert_allclose(rates, [0.1, 0.2])


@pytest.mark.slow
def test_gradient_ascent_follows_its_schedule_and_clips():
    """sgd: theta moves by eta (1 - steps / total) times the clipped gradient, and counts steps."""
    from small_worlds import Endless
    from upslope.sampling.episodes import sample_episodes

    method = reinforce(
        4, 0.5, "linear", optimizer="sgd", max_grad_norm=1e-3, total_timesteps=64, baseline="none"
    )
    objective, policy = EpisodicReturn(), Table(jnp.zeros((1, 2)))
    state = method.init(jax.random.key(0), policy, objective)
    tell = jax.jit(lambda s, e: method.tell(jax.random.key(0), s, policy, e, objective))
    for iteration, left in enumerate((1.0, 0.5, 0.0)):
        batch, _ = sample_episodes(jax.random.key(iteration), Endless(), state.policy, 4, 8)
        before = np.asarray(state.policy.logits)
        state, said = tell(state, batch)
        np.testing.assert_allclose(said.learning_rate, 0.5 * left, atol=1e-7)
        assert float(said.gradient_norm) > 1e-3
        moved = np.linalg.norm(np.asarray(state.policy.logits) - before)
        np.testing.assert_allclose(moved, 0.5 * left * 1e-3, rtol=1e-3, atol=1e-9)
        assert float(state.steps.value) == 32 * (iteration + 1)
