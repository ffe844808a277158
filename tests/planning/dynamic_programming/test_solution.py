"""What a solution says, and what it can be used for."""

import numpy as np
import pytest
from finite_problems import random_arrays

import upslope
from upslope.core.checks import UpslopeError
from upslope.exact import discounted_values

METHOD = "value-iteration"


@pytest.fixture(scope="module")
def lake():
    return upslope.solve("FrozenLake-v1", METHOD, 0.95)


def test_it_reads_well(lake):
    text = repr(lake)
    assert "guaranteed error" in text
    assert "0.18047" in text
    assert "truncates episodes after 100 steps" in text
    html = lake._repr_html_()
    assert html.startswith("<table>")
    assert "value of the start" in html


def test_action_values_are_one_backup_and_values_their_maxima(lake):
    np.testing.assert_array_equal(lake.values, lake.action_values.max(axis=1))
    assert lake.action_values.shape == (16, 4)
    mdp = upslope.exact.as_finite_mdp(upslope.make("FrozenLake-v1"))
    backup = np.asarray(mdp.reward) + 0.95 * np.asarray(mdp.transition) @ lake.values
    np.testing.assert_allclose(lake.action_values, backup, atol=1e-6)


def test_the_policy_is_one_of_the_librarys(lake, x64):
    mdp = upslope.exact.as_finite_mdp(upslope.make("FrozenLake-v1"))
    values = discounted_values(lake.as_policy(), mdp, 0.95).value
    np.testing.assert_allclose(values, lake.values, atol=lake.bound + 1e-9)
    assert lake.policy_table().sum() == 16


def test_a_policy_over_a_horizon_depends_on_the_time():
    found = upslope.solve(random_arrays(0), "backward-induction", horizon=3)
    assert found.horizon == 3
    assert found.policy.shape == (3, 12)
    with pytest.raises(UpslopeError, match="chooses by the time"):
        found.as_policy()


def test_unknown_names_and_settings_are_refused():
    with pytest.raises(UpslopeError, match="Did you mean 'policy-iteration'"):
        upslope.solve("garnet", "policy-iterations")
    with pytest.raises(UpslopeError, match="has no setting 'n_sweep'"):
        upslope.solve("garnet", "modified-policy-iteration", n_sweep=3)
    for settings in ({"tolerance": 0.0}, {"max_iterations": 0}, {"dtype": "float16"}):
        with pytest.raises(UpslopeError, match=next(iter(settings))):
            upslope.solve("garnet", METHOD, **settings)
    with pytest.raises(UpslopeError, match="sweeps"):
        upslope.solve("garnet", METHOD, sweeps="random")


def test_what_has_no_table_is_refused():
    with pytest.raises(UpslopeError, match="without a finite table"):
        upslope.solve("CartPole-v1")
    with pytest.raises(UpslopeError, match="simulator without a table"):
        upslope.solve("Blackjack-v1")


def test_solving_leaves_the_precision_of_the_process_alone(lake):
    import jax.numpy as jnp

    assert jnp.zeros(()).dtype == jnp.float32
    assert lake.values.dtype == np.float64
