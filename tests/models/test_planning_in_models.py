"""A planner and the model it plans in: saved together, and acting in what was modelled."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from upslope.models import EnsembleModel, LinearGaussianModel, TabularModel
from upslope.planning import CrossEntropyPlanner, ModelPlanningActor
from upslope.storage.policy_artifact import load_policy, save_policy

KEY = jax.random.key(1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "spaces", "observation"),
    [
        (EnsembleModel(n_members=2, hidden=(4,)), (Box(-1, 1, (2,)), Box(-1, 1, (1,))), [0.1, 0.2]),
        (LinearGaussianModel(), (Box(-1, 1, (2,)), Box(-1, 1, (1,))), [0.1, 0.2]),
        (TabularModel(), (Discrete(4), Discrete(2)), 1),
    ],
)
def test_a_planner_is_saved_with_its_model(model, spaces, observation, tmp_path):
    model = model.configure(*spaces).initialize(KEY).for_planning()
    planner = CrossEntropyPlanner(model, n_candidates=8, n_elites=2, n_iterations=2, horizon=3)
    actor = ModelPlanningActor(planner)
    save_policy(
        tmp_path / "policy",
        actor,
        observation_space=spaces[0],
        action_space=spaces[1],
        environment={},
        extra={},
    )
    loaded = load_policy(tmp_path / "policy").policy
    seen = jnp.asarray(observation)
    one, other = (a.act(KEY, seen, a.initial_memory()) for a in (actor, loaded))
    np.testing.assert_array_equal(one.action, other.action)
    np.testing.assert_array_equal(one.extras.value, other.extras.value)
    bound = getattr(spaces[1], "high", 1)
    assert np.all(np.abs(one.action) <= bound)
