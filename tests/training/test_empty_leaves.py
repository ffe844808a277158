"""A search whose state holds arrays without elements, on several devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.engine.devices import place_empty
from upslope.training.train import train


@pytest.mark.slow
@pytest.mark.parametrize("world", ["CartPole-v1", "gymnasium:CartPole-v1"])
def test_a_state_with_empty_arrays_goes_through_many_iterations(world):
    small = dict(population_size=4, n_elites=2, episodes_per_candidate=1, total_timesteps=400)
    run = train(world, "cem", seeds=2, evaluations=2, final_episodes=2, workers=0, **small)
    assert run.curves["iteration"].max() > 2


def test_only_empty_arrays_are_moved():
    tree = {"empty": jnp.zeros((2, 0)), "full": jnp.ones(3)}
    device = jax.sharding.SingleDeviceSharding(jax.devices()[-1])
    moved = place_empty(tree, device)
    assert moved["full"] is tree["full"]
    assert moved["empty"].sharding == device
    np.testing.assert_array_equal(moved["empty"], tree["empty"])
