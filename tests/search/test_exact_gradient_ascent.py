"""Exact ascent: the optimum of the corridor, monotone natural steps, what is refused."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import upslope
from upslope import exact
from upslope.core.checks import UpslopeError
from upslope.environments import CartPole, FiniteMDP, ShortCorridor
from upslope.environments.tabular.random_mdp import seeded_garnet
from upslope.objectives import AverageReward, DiscountedReturn, EpisodicReturn
from upslope.policies import TabularSoftmax
from upslope.search import ExactGradientAscent, ExactNaturalGradient
from upslope.search.search_method import ProblemSpec


@pytest.fixture
def known(x64):
    return seeded_garnet(6, 3, 2, seed=1, time_limit=None)


def ascend(method, policy, world, objective, iterations):
    """The last policy, and J before every step."""

    @jax.jit
    def run(state):
        def body(state, _):
            return method.tell(jax.random.key(0), state, state.policy, world, objective)

        return jax.lax.scan(body, state, length=iterations)

    state, diagnostics = run(method.init(jax.random.key(0), policy, objective))
    return method.solution(state), np.asarray(diagnostics.objective)


def best_value(mdp, gamma):
    """The optimal J by value iteration, in numpy."""
    transition, reward = np.asarray(mdp.transition), np.asarray(mdp.reward)
    value = np.zeros(len(reward))
    for _ in range(2000):
        value = np.max(reward + gamma * transition @ value, axis=1)
    return np.asarray(mdp.initial) @ value


@pytest.mark.parametrize(
    ("method", "iterations"),
    [(ExactGradientAscent(0.05), 200), (ExactNaturalGradient(0.05), 40)],
    ids=["vanilla", "natural"],
)
def test_the_corridor_is_solved_to_its_closed_form(x64, method, iterations):
    policy, _ = ascend(
        method,
        TabularSoftmax(jnp.array([[0.5, -0.3]])),
        ShortCorridor(time_limit=None),
        EpisodicReturn(),
        iterations,
    )
    right = jax.nn.softmax(policy.logits[0])[1]
    np.testing.assert_allclose(right, 2 - np.sqrt(2), atol=1e-8)


def test_one_step_is_eta_times_the_gradient(known):
    policy = TabularSoftmax(jax.random.normal(jax.random.key(3), (6, 3)))
    objective = DiscountedReturn(0.9)
    moved, _ = ascend(ExactGradientAscent(0.7), policy, known, objective, 1)
    by_theorem = exact.policy_gradient_theorem(policy, known, objective)
    np.testing.assert_allclose(
        moved.logits - policy.logits, 0.7 * by_theorem.logits, rtol=1e-9, atol=1e-12
    )


def test_natural_steps_are_soft_policy_iteration(known):
    """pi' is proportional to pi exp(eta A / (1 - gamma)), monotone, and soon at the optimum.

    Agarwal et al. (2021), lemma 15 and theorem 16. The vanilla step fails the first assertion.
    """
    gamma, eta = 0.9, 0.5
    objective = DiscountedReturn(gamma)
    policy = TabularSoftmax(jax.random.normal(jax.random.key(4), (6, 3)))
    pi = jax.nn.softmax(policy.logits)
    values = exact.discounted_values(pi, known, gamma)
    wanted = jax.nn.softmax(policy.logits + eta * values.advantage / (1 - gamma))
    moved, _ = ascend(ExactNaturalGradient(eta), policy, known, objective, 1)
    np.testing.assert_allclose(jax.nn.softmax(moved.logits), wanted, atol=1e-8)
    wrong, _ = ascend(ExactGradientAscent(eta), policy, known, objective, 1)
    assert np.max(np.abs(jax.nn.softmax(wrong.logits) - wanted)) > 1e-2

    iterations = 50
    last, curve = ascend(ExactNaturalGradient(eta), policy, known, objective, iterations)
    assert np.all(np.diff(curve) > -1e-9)
    gap = best_value(known, gamma) - float(exact.value(last, known, objective))
    assert -1e-6 < gap < np.log(3) / (eta * iterations) + 1 / ((1 - gamma) ** 2 * iterations)
    assert gap < 1e-6


def test_the_natural_gradient_leaves_a_plateau_that_holds_the_vanilla_one(x64):
    """A two-state chain started near the wrong corner (Kakade 2002, figure 3)."""
    transition = np.zeros((2, 2, 2))
    transition[0, 0, 0] = transition[1, 0, 1] = transition[0, 1, 1] = transition[1, 1, 0] = 1.0
    world = FiniteMDP(transition, np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([0.8, 0.2]))
    policy = TabularSoftmax(jnp.array([[3.0, -2.0], [-2.0, 3.0]]))
    ends = {}
    for method in (ExactGradientAscent(0.5), ExactNaturalGradient(0.5)):
        last, _ = ascend(method, policy, world, AverageReward(), 60)
        ends[method.name] = float(exact.value(last, world, AverageReward()))
    assert ends["natural-gradient"] > 1.99
    assert ends["exact-gradient"] < 1.5


@pytest.mark.slow
def test_damping_is_handed_on(known):
    policy = TabularSoftmax(jax.random.normal(jax.random.key(5), (6, 3)))
    objective = DiscountedReturn(0.9)
    moved, _ = ascend(ExactNaturalGradient(1.0, damping=0.3), policy, known, objective, 1)
    wanted = exact.natural_gradient(policy, known, objective, 0.3)
    np.testing.assert_allclose(moved.logits - policy.logits, wanted.logits, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "budget"), [("exact-gradient", 200), ("natural-gradient", 40)])
def test_training_with_it_finds_the_corridors_best_policy(method, budget, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = upslope.train("short-corridor", method, seeds=3, total_timesteps=budget, evaluations=1,
                        final_episodes=20)  # fmt: skip
    right = jax.nn.softmax(run.policies.logits[:, 0])[:, 1]
    np.testing.assert_allclose(right, 2 - np.sqrt(2), atol=1e-3)
    curves = run.history.arrays()["objective"].reshape(-1, 3)
    np.testing.assert_allclose(curves[-1], -6 - 4 * np.sqrt(2), atol=1e-3)
    assert np.all(run.history.arrays()["steps"] <= budget)


ENDLESS = FiniteMDP(np.eye(2)[:, None].repeat(2, 1), np.ones((2, 2)), np.ones(2) / 2)


@pytest.mark.parametrize(
    ("method", "world", "objective", "said"),
    [
        (ExactGradientAscent(), CartPole(), EpisodicReturn(), "can only be sampled"),
        (ExactNaturalGradient(), upslope.make("linear-quadratic"), EpisodicReturn(), "finite MDPs"),
        (ExactGradientAscent(), ENDLESS, EpisodicReturn(), "does not end with certainty"),
        (ExactGradientAscent(), ENDLESS, AverageReward(), "recurrent classes"),
    ],
    ids=["cartpole", "lq", "endless", "reducible"],
)
def test_worlds_it_cannot_look_into_are_refused_before_any_work(method, world, objective, said):
    policy = jax.eval_shape(functools.partial(TabularSoftmax, jnp.zeros((2, 2))))
    with pytest.raises(UpslopeError, match=said):
        method.configure(ProblemSpec(None, None, None, policy, objective, world))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ExactGradientAscent(learning_rate=0.0), "learning_rate"),
        (lambda: ExactGradientAscent(optimizer="newton"), "optimizer"),  # pyright: ignore
        (lambda: ExactGradientAscent(max_grad_norm=-1.0), "max_grad_norm"),
        (lambda: ExactNaturalGradient(learning_rate=-1.0), "learning_rate"),
        (lambda: ExactNaturalGradient(damping=-0.1), "damping"),
    ],
)
def test_bad_numbers_are_named(make, said):
    with pytest.raises(UpslopeError, match=said):
        make()
