"""Noise at the root and nowhere else, and how chance enters the choice of a move."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.environments import Nim
from upslope.planning.mcts.root_noise import with_root_noise

LOGITS = jnp.log(jnp.array([0.5, 0.3, 0.2]))
LEGAL = jnp.array([True, True, True])


def test_the_mix_sums_to_one_and_keeps_its_share():
    """(1 - eps) p + eps eta: the noise that is left over is a point of the simplex."""
    mixed = jnp.exp(with_root_noise(jax.random.key(0), LOGITS, LEGAL, 0.25, 0.5))
    assert mixed.sum() == pytest.approx(1.0, rel=1e-6)
    noise = (mixed - 0.75 * jnp.exp(LOGITS)) / 0.25
    assert noise.sum() == pytest.approx(1.0, rel=1e-5)
    assert (noise >= -1e-6).all()
    none = with_root_noise(jax.random.key(0), LOGITS, LEGAL, 0.0, 0.5)
    np.testing.assert_allclose(none, LOGITS, rtol=1e-6)


def test_illegal_actions_take_no_share():
    """The mean of Dir(alpha) over two legal actions is a half each, whatever the third would be."""
    legal = jnp.array([True, False, True])
    keys = jax.random.split(jax.random.key(1), 4000)
    draw = jax.jit(jax.vmap(lambda key: with_root_noise(key, LOGITS, legal, 1.0, 0.3)))
    shares = np.asarray(jnp.exp(draw(keys)))
    assert (shares[:, 1] == 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-5)
    # Var of a Dir(0.3, 0.3) component is 1/4 / 1.6: z below 4.5 (about 1 false alarm in 150,000).
    deviation = np.sqrt(0.25 / 1.6 / len(keys))
    assert abs(shares[:, 0].mean() - 0.5) < 4.5 * deviation
    assert shares[:, 0].var() == pytest.approx(0.25 / 1.6, rel=0.1)


@pytest.mark.slow
def test_below_the_root_nothing_is_noisy():
    """With one legal move at the root noise cannot matter there: the search is the same with it.

    From two objects that may be taken one at a time the root has a choice of one; below it there is
    again one. From more with up to three, where the root has a choice, noise does matter.
    """
    pytest.importorskip("mctx")
    from upslope.planning import PUCT

    def evaluator(state, observation):
        return jnp.array([0.3, -0.2, 0.1]), jnp.tanh(0.3 * state.left - 1.0)

    class Forced(Nim):
        """Nim whose first move is to take one."""

        def legal_actions(self, state):
            first = (state.left == self.heap) & (jnp.arange(3) > 0)
            return super().legal_actions(state) & ~first

    def values(game, fraction):
        planner = PUCT(game, evaluator=evaluator, n_simulations=24, dirichlet_alpha=0.3)
        state, _ = game.reset(jax.random.key(0))

        def plan(key, fraction):
            search = eqx.tree_at(lambda it: it.dirichlet_fraction, planner, fraction)
            return search.plan(key, state, ()).value

        keys = jax.random.split(jax.random.key(3), 4)
        return np.asarray(jax.jit(jax.vmap(plan, (0, None)))(keys, fraction))

    forced = Forced(9)
    np.testing.assert_array_equal(values(forced, 0.9), values(forced, 0.0))
    assert (values(Nim(9), 0.9) != values(Nim(9), 0.0)).any()


@pytest.mark.slow
def test_temperature_draws_from_the_visits_and_zero_takes_the_most():
    pytest.importorskip("mctx")
    from upslope.planning import PUCT, GumbelMCTS

    def evaluator(state, observation):
        return jnp.array([0.5, 0.0, -0.4]), 0.1 * jnp.sin(jnp.asarray(state.left, float))

    game = Nim(30)
    state, _ = game.reset(jax.random.key(0))
    keys = jax.random.split(jax.random.key(4), 3000)

    @jax.jit
    def plans(temperature):
        planner = PUCT(game, evaluator=evaluator, n_simulations=10).at_temperature(temperature)
        plan = lambda key: planner.plan(key, state, ())  # noqa: E731
        found = jax.vmap(plan)(keys)
        return found.action, found.extras.visits

    def draws(temperature):
        return jax.tree.map(np.asarray, plans(temperature))

    actions, visits = draws(1.0)
    share = visits[0] / visits[0].sum()
    assert (visits == visits[0]).all()
    counts = np.bincount(actions, minlength=3)
    deviation = np.sqrt(share * (1 - share) * len(keys))
    assert (np.abs(counts - share * len(keys)) <= 4.5 * deviation).all()
    actions, visits = draws(0.0)
    assert (visits[0][actions] == visits[0].max()).all()
    drawn = GumbelMCTS(game, evaluator=evaluator).at_temperature(0.5)
    assert drawn.gumbel_scale == 0.5
