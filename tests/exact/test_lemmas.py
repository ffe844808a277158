"""The performance difference, the simulation lemma, and what conservative steps guarantee."""

import jax.numpy as jnp
import numpy as np

from exact_problems import gap, random_mdp, random_table
from upslope import exact
from upslope.environments import FiniteMDP
from upslope.exact.chain import successor_value

GAMMA = 0.9


def with_rewards_of(model, mdp):
    return FiniteMDP(model.transition, mdp.reward, model.initial, np.zeros(mdp.n_states, bool))


def test_performance_difference(x64):
    for seed in range(10):
        mdp = random_mdp(seed)
        new, old = random_table(seed + 100), random_table(seed + 200)
        left, right = exact.performance_difference(new, old, mdp, GAMMA)
        np.testing.assert_allclose(left, right, rtol=1e-10)
        assert gap(left, 0 * left + 1) > 1e-6
    # the old policy's occupancy is the first-order surrogate, not the difference
    advantage = exact.discounted_values(old, mdp, GAMMA).advantage
    visits = exact.discounted_occupancy(old, mdp, GAMMA, normalized=False)
    surrogate = jnp.sum(visits * jnp.sum(new * advantage, axis=1))
    assert gap(surrogate, left) > 1e-2


def test_simulation_lemma_in_both_forms(x64):
    for seed in range(20):
        mdp, model = random_mdp(seed, 6, unit=True), random_mdp(seed + 50, 6, unit=True)
        pi = random_table(seed, 6)
        for other in (model, with_rewards_of(model, mdp)):
            for form in ("true-occupancy", "model-occupancy"):
                left, right = exact.simulation_gap(pi, mdp, other, GAMMA, form)
                np.testing.assert_allclose(right, left, rtol=1e-10, atol=1e-12)


def test_mixing_the_forms_is_wrong(x64):
    """The occupancy of the model with the value in the model."""
    mdp, pi = random_mdp(1, 6, unit=True), random_table(2, 6)
    model = with_rewards_of(random_mdp(3, 6), mdp)
    left, _ = exact.simulation_gap(pi, mdp, model, GAMMA)
    value = exact.discounted_values(pi, model, GAMMA).value
    # both started where the truth starts
    started = FiniteMDP(model.transition, model.reward, mdp.initial, np.zeros(6, bool))
    visits = exact.discounted_occupancy(pi, started, GAMMA, normalized=False)
    error = successor_value(model, value) - successor_value(mdp, value)
    mixed = GAMMA * jnp.sum(visits * jnp.sum(pi * error, axis=1))
    assert gap(mixed, left) > 1e-2


def test_simulation_bounds(x64):
    for seed in range(20):
        mdp, pi = random_mdp(seed, 6, unit=True), random_table(seed, 6)
        model = with_rewards_of(random_mdp(seed + 50, 6), mdp)
        left, _ = exact.simulation_gap(pi, mdp, model, GAMMA)
        published, centred = exact.simulation_bound(pi, mdp, model, GAMMA)
        assert abs(left) <= centred <= published
        np.testing.assert_allclose(centred / published, GAMMA / 2, rtol=1e-10)


def test_the_centred_bound_is_tight_up_to_the_last_factor(x64):
    """A chain that a model sends to the worst state: no bound a third as large holds."""
    stay = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    swap = np.array([[[0.0, 1.0]], [[0.0, 1.0]]])
    arrays = ([[1.0], [0.0]], [1.0, 0.0], [False, False])
    mdp, model, pi = FiniteMDP(swap, *arrays), FiniteMDP(stay, *arrays), np.ones((2, 1))
    left, _ = exact.simulation_gap(pi, mdp, model, GAMMA)
    _, centred = exact.simulation_bound(pi, mdp, model, GAMMA)
    assert centred / 12 < abs(left) <= centred
    np.testing.assert_allclose(left, 9.0, rtol=1e-10)


def shift(new, old, mdp):
    """How far the occupancy moves, in L1."""
    after, before = (exact.discounted_occupancy(p, mdp, GAMMA) for p in (new, old))
    return float(jnp.sum(jnp.abs(after - before)))


def test_conservative_steps_move_the_occupancy_little(x64):
    r"""||d' - d||_1 <= 2 a gamma / (1 - gamma) for mixtures with weight a; not for greedy steps."""
    limit, jumps = 2 * 0.01 * GAMMA / (1 - GAMMA), []
    for seed in range(5):
        mdp, old = random_mdp(seed), random_table(seed)
        best = np.argmax(exact.discounted_values(old, mdp, GAMMA).action_value, axis=1)
        greedy = np.eye(3)[best]
        assert shift(0.99 * old + 0.01 * greedy, old, mdp) <= limit
        jumps.append(shift(greedy, old, mdp))
        for step in (0.1, 0.3):
            assert shift((1 - step) * old + step * greedy, old, mdp) <= 2 * step * 9
    assert max(jumps) > 2 * limit


def test_a_greedy_policy_flips_where_a_softmax_hardly_moves(x64):
    """A value that rises from .22 to .24 past its rival's .23."""

    def greedy(q):
        return np.eye(2)[np.argmax(q)]

    def softmax(q):
        return np.exp(q) / np.exp(q).sum()

    before, after = np.array([0.22, 0.23]), np.array([0.24, 0.23])
    assert 0.5 * np.abs(greedy(after) - greedy(before)).sum() == 1.0
    moved = 0.5 * np.abs(softmax(after) - softmax(before)).sum()
    assert moved < 0.25 * 0.02 * 1.001  # Lipschitz with constant 1/4 in the difference
    np.testing.assert_allclose(softmax(after)[0] - 0.5, 0.0025, atol=1e-6)
    np.testing.assert_allclose(moved, 0.005, atol=1e-6)
