"""Q-planning reaches the optimum of the model it draws from, which is not the world's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import upslope
from tabular_steps import GAMMA, chain, optimal_action_values
from upslope.core.checks import UpslopeError
from upslope.engine.executables import compiled
from upslope.environments import DynaMaze, FiniteMDP, garnet
from upslope.objectives import DiscountedReturn
from upslope.policies import TabularSoftmax
from upslope.search import QPlanning


def planned(method, model, iterations, gamma=GAMMA):
    """The table after some iterations from zero."""
    mdp = model if isinstance(model, FiniteMDP) else model.finite_mdp()
    objective = DiscountedReturn(gamma)

    def run(method, model, key):
        policy = TabularSoftmax(jnp.zeros((mdp.n_states, mdp.n_actions)))
        state = method.init(key, policy, objective)

        def body(state, number):
            now = jax.random.fold_in(key, number)
            return method.tell(now, state, method.ask(now, state), model, objective)

        state, seen = jax.lax.scan(body, state, jnp.arange(iterations))
        return state.values, seen

    arguments = (method, model, jax.random.key(0))
    values, seen = compiled(jax.jit(run).lower(*arguments))(*arguments)
    assert (np.asarray(seen.model_steps) == method.planning_steps).all()
    return np.asarray(values)


@pytest.mark.slow
@pytest.mark.parametrize("model", [chain, DynaMaze], ids=["chain", "maze"])
def test_a_deterministic_model_is_solved_exactly(x64, model):
    """A rate of 1 makes every update one of asynchronous value iteration: equal to 1e-10."""
    method = QPlanning(learning_rate=1.0, learning_rate_exponent=0.0, planning_steps=2000)
    world = model()
    mdp = world if isinstance(world, FiniteMDP) else world.finite_mdp()
    np.testing.assert_allclose(
        planned(method, world, 30), optimal_action_values(mdp), rtol=0, atol=1e-10
    )


@pytest.mark.slow
def test_a_fitted_model_is_solved_and_the_world_is_not(x64):
    """P_hat of 20 draws per pair: within 1e-2 of its optimum, and not of the world's."""
    world = garnet(jax.random.key(3), 5, 2, 3)
    generator = np.random.default_rng(0)
    moves = np.asarray(world.transition, float)
    counts = np.stack(
        [[generator.multinomial(20, row / row.sum()) for row in rows] for rows in moves]
    )
    fitted = FiniteMDP(counts / 20, world.reward, world.initial, world.terminal)
    method = QPlanning(planning_steps=10_000, learning_rate_exponent=0.85)
    values = planned(method, fitted, 200, gamma=0.8)
    of_model = optimal_action_values(fitted, 0.8)
    of_world = optimal_action_values(world, 0.8)
    assert np.abs(values - of_model).max() < 1e-2
    assert np.abs(values - of_world).max() > 0.05


def test_what_cannot_be_drawn_from_is_refused():
    for name in ("shortcut-maze", "blocking-maze"):
        with pytest.raises(UpslopeError, match=r"finite MDP such as dyna-maze.*dyna-q"):
            upslope.train(name, "q-planning", total_timesteps=10)
    with pytest.raises(UpslopeError, match="does not show its own"):
        upslope.train("short-corridor", "q-planning", total_timesteps=10)
