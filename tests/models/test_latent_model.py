"""The latent model as an environment: what a search meets in it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.environments import CartPole, TicTacToe
from upslope.models import LatentModel
from upslope.models.latent_model import unit_interval
from upslope.policies import default_policy


def model_of(environment, n_actions, **settings):
    policy = default_policy(
        jax.random.key(0), environment.observation_space, environment.action_space, hidden=(8,)
    )
    return LatentModel.fresh(
        jax.random.key(1), policy, n_actions, hidden_size=6, hidden=(8,), **settings
    )


def test_hidden_states_stay_in_the_unit_interval():
    model = model_of(CartPole(), 2)
    state = model.state_of(jnp.asarray([10.0, -3.0, 0.1, 2.0]))
    for action in (0, 1, 1):
        assert state.legal is None
        assert float(state.hidden.min()) == 0.0
        np.testing.assert_allclose(state.hidden.max(), 1.0, rtol=1e-6)
        state, step = model.step(jax.random.key(0), state, jnp.asarray(action))
        assert not bool(step.terminated)
    np.testing.assert_array_equal(unit_interval(jnp.full(3, 7.0)), jnp.zeros(3))


def test_before_it_has_learnt_it_predicts_nothing():
    model = model_of(CartPole(), 2)
    state = model.state_of(jnp.ones(4))
    after, step = model.step(jax.random.key(0), state, jnp.asarray(1))
    np.testing.assert_array_equal(step.observation.logits, jnp.zeros(2))
    np.testing.assert_allclose([step.reward, step.observation.value], 0.0, atol=1e-5)
    other, _ = model.step(jax.random.key(0), state, jnp.asarray(0))
    assert not np.allclose(after.hidden, other.hidden)  # but actions differ from the beginning


def test_actions_are_masked_at_the_root_alone():
    game = TicTacToe()
    position, _ = game.reset(jax.random.key(0))
    position, step = game.step(jax.random.key(0), position, jnp.asarray(4))
    model = model_of(game, 9, turn=-1.0)
    root = model.state_of(step.observation)
    assert model.action_mask(root).tolist() == [n != 4 for n in range(9)]
    below, after = model.step(jax.random.key(0), root, jnp.asarray(0))
    assert model.action_mask(below).all()
    assert float(after.discount) == -1.0  # the next value is the opponent's


@pytest.mark.parametrize("turn", [1.0, -1.0])
def test_it_keeps_the_contract_of_environments(turn):
    model = model_of(CartPole(), 2, turn=turn)
    state, seen = model.reset(jax.random.key(0))
    same, step = model.step(jax.random.key(1), state, jnp.asarray(0))
    other, again = model.step(jax.random.key(2), state, jnp.asarray(0))
    np.testing.assert_array_equal(same.hidden, other.hidden)  # no chance
    assert jax.tree.structure(seen) == jax.tree.structure(step.observation)
    assert float(step.reward) == float(again.reward)
    assert (step.discount is None) == (turn == 1.0)
    assert model.action_space.n == 2
