"""iCEM: its noise, its elites, its warm start."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from planning_problems import Targets, quadratic

from upslope.core.checks import UpslopeError
from upslope.environments import TicTacToe
from upslope.planning import ImprovedCrossEntropyPlanner
from upslope.planning.icem import coloured_noise


@pytest.mark.slow
@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("horizon", [9, 16])
def test_the_power_spectrum_of_the_noise(beta, horizon):
    """Variance 1 in every step, and power proportional to 1 / f^beta."""
    noise = np.asarray(coloured_noise(jax.random.key(0), beta, 20_000, (horizon, 2)))
    assert noise.shape == (20_000, horizon, 2)
    np.testing.assert_allclose(noise.var(axis=(0, 2)), 1.0, atol=0.06)
    power = (np.abs(np.fft.rfft(noise, axis=1)) ** 2).mean(axis=(0, 2))
    frequency = np.maximum(np.fft.rfftfreq(horizon), 1 / horizon)
    ratio = power / frequency**-beta
    np.testing.assert_allclose(ratio / ratio.mean(), 1.0, atol=0.06)
    assert abs(np.corrcoef(noise[:, 0, 0], noise[:, 0, 1])[0, 1]) < 4.5 / np.sqrt(20_000)


def planned(planner, state, memory=None, seed=0):
    memory = planner.initial_memory() if memory is None else memory
    plan = jax.jit(lambda key, state, memory: planner.plan(key, state, memory))
    return plan(jax.random.key(seed), state, memory)


def test_the_populations_shrink():
    planner = ImprovedCrossEntropyPlanner(
        quadratic(), n_candidates=100, n_elites=10, n_iterations=4, decay=2.0, horizon=5
    )
    assert planner.populations == (100, 50, 25, 20)
    assert planner.n_kept == 3
    assert planner.model_steps == (195 + 4 * 3 + 1) * 5


@pytest.mark.slow
def test_near_the_optimum_of_a_quadratic():
    """Within 7 % of the best open-loop plan, which SciPy finds; one round alone is not."""
    optimize = pytest.importorskip("scipy.optimize")
    system = quadratic()
    a, b, q, r = (np.asarray(getattr(system, name)) for name in "ABQR")
    start = np.array([1.0, 0.5])

    def cost(actions):
        x, total = start, 0.0
        for u in actions:
            total += x @ q @ x + r[0, 0] * u * u
            x = a @ x + b[:, 0] * u
        return total

    best = optimize.minimize(cost, np.zeros(8)).fun
    settings = {"horizon": 8, "n_candidates": 60, "n_elites": 8, "n_iterations": 8, "std": 2.0}
    keys = jax.random.split(jax.random.key(0), 8)

    def costs(**changes):
        planner = ImprovedCrossEntropyPlanner(system, **settings | changes)
        memory, state = planner.initial_memory(), jnp.asarray(start, float)
        plans = jax.jit(jax.vmap(planner.plan, (0, None, None)))(keys, state, memory)
        return -np.asarray(plans.value)

    found = costs()
    assert (found <= 1.07 * best).all()
    assert (found >= best - 1e-3).all()
    assert (costs(n_iterations=1) > 1.07 * best).all()


@pytest.mark.slow
def test_what_a_plan_leaves_to_the_next():
    """The distribution and the elites, one step on; targets that jump punish an unshifted start."""
    process = Targets.drawn(0)
    planner = ImprovedCrossEntropyPlanner(
        process, n_candidates=64, n_elites=8, n_iterations=6, horizon=6, noise_beta=0.0
    )
    first = planned(planner, jnp.asarray(0))
    targets = np.asarray(process.targets)
    assert abs(float(first.action[0]) - targets[0]) < 0.15
    left = first.memory
    assert bool(left.known)
    ahead = np.asarray(left.sequences.mean)[:4, 0]
    assert np.abs(ahead - targets[1:5]).mean() < np.abs(ahead - targets[:4]).mean() / 2
    elites = np.asarray(left.elites)[:, :4, 0]
    assert np.abs(elites - targets[1:5]).mean() < np.abs(elites - targets[:4]).mean() / 2
    # The elites of the last plan compete: one round of very few samples is no worse than they are.
    frugal = ImprovedCrossEntropyPlanner(
        process, n_candidates=8, n_elites=8, n_iterations=1, horizon=6, keep_elites=1.0
    )
    warm = planned(frugal, jnp.asarray(1), left, seed=1)
    kept_part = -np.square(np.asarray(left.elites)[:, :5, 0] - targets[1:6]).sum(axis=1)
    assert float(warm.value) >= kept_part.max() - 4.0
    cold = planned(frugal, jnp.asarray(1), seed=1)
    assert float(warm.value) > float(cold.value)


@pytest.mark.slow
def test_batched_equals_single():
    planner = ImprovedCrossEntropyPlanner(
        quadratic(0.1), n_candidates=16, n_elites=4, horizon=4, act_by="mean"
    )
    keys = jax.random.split(jax.random.key(0), 3)
    states = jax.random.normal(keys[0], (3, 2))
    memory = planner.initial_memory()
    many = jax.jit(
        jax.vmap(lambda *arguments: planner.plan(*arguments), (0, 0, None))
    )(keys, states, memory)  # fmt: skip
    plan = jax.jit(lambda *arguments: planner.plan(*arguments))
    for n in range(3):
        one = plan(keys[n], states[n], memory)
        np.testing.assert_allclose(one.action, many.action[n], rtol=1e-5, atol=1e-6)
        assert one.action.shape == (1,)


@pytest.mark.parametrize(
    ("make_it", "reason"),
    [
        (lambda: ImprovedCrossEntropyPlanner(TicTacToe()), "are no numbers|'rollout'"),
        (lambda: ImprovedCrossEntropyPlanner(quadratic(), n_elites=90), "more than it draws"),
        (lambda: ImprovedCrossEntropyPlanner(quadratic(), noise_beta=-1.0), "noise_beta"),
        (lambda: ImprovedCrossEntropyPlanner(quadratic(), decay=0.5), "decay"),
        (lambda: ImprovedCrossEntropyPlanner(quadratic(), n_candidates=0), "at least 2"),
        (lambda: ImprovedCrossEntropyPlanner(quadratic(), act_by="bset"), "Did you mean 'best'"),
    ],
)
def test_refusals(make_it, reason):
    with pytest.raises(UpslopeError, match=reason):
        make_it()
