"""Episodes that share simulators: fewer simulators change nothing but memory."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from host_policies import counting, linear
from small_simulators import Drift, Failing, world

from upslope.core.checks import UpslopeError
from upslope.core.moments import Moments
from upslope.objectives.objective import DiscountedReturn
from upslope.policies.normalized import NormalizedPolicy
from upslope.sampling.experience import EpisodeReturns
from upslope.sampling.simulators.gymnasium_sampler import GymnasiumSampler
from upslope.sampling.simulators.multiplexed import rounds

S, P, E = 2, 3, 5
KEYS = jax.random.split(jax.random.key(3), S)


def returns(simulators, policies, calls=2, workers=0, **settings):
    """What several calls give, and the statistics of the last."""
    sampler = GymnasiumSampler(
        simulators,
        EpisodeReturns(P, E),
        DiscountedReturn(0.9),
        n_seeds=S,
        seed=5,
        workers=workers,
        **settings,
    )
    try:
        return [sampler.sample(KEYS, policies)[0] for _ in range(calls)], sampler.statistics
    finally:
        sampler.close()


@pytest.mark.slow
@pytest.mark.parametrize("policies", [linear(S, P), counting(S, P)])
@pytest.mark.parametrize("most", [1, 7, 15, 29, 30, 1000])
@pytest.mark.parametrize("common", [False, True])
def test_any_number_of_simulators_gives_the_same(policies, most, common):
    usual, statistics = returns(world(Drift), policies, common_random_numbers=common)
    few, same = returns(world(Drift), policies, common_random_numbers=common, max_simulators=most)
    for one, other in zip(usual, few, strict=True):
        np.testing.assert_array_equal(one.returns, other.returns)
        np.testing.assert_array_equal(one.lengths, other.lengths)
    for one, other in zip(statistics, same, strict=True):
        np.testing.assert_array_equal(one, other)


def test_moments_count_every_observation_once():
    normalized = NormalizedPolicy(linear(S, P), Moments.zeros((3,)))
    spread = lambda leaf: np.broadcast_to(leaf, (S, P, *np.shape(leaf)))  # noqa: E731
    policies = NormalizedPolicy(normalized.policy, jax.tree.map(spread, normalized.moments))
    (usual,), _ = returns(world(Drift), policies, calls=1)
    (few,), _ = returns(world(Drift), policies, calls=1, max_simulators=7)
    for one, other in zip(
        jax.tree.leaves(usual.moments), jax.tree.leaves(few.moments), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_no_more_simulators_are_built_than_allowed():
    built = []

    class Counted(Drift):
        def __init__(self):
            super().__init__()
            built.append(self)

    returns(world(Counted), linear(S, P), max_simulators=4)
    assert len(built) == 4 + 1  # one is looked at


def test_a_broken_simulator_is_named_by_its_episode_and_the_others_go_on(tmp_path):
    usual, _ = returns(world(Failing, how="none", folder=str(tmp_path), times=0), linear(S, P), 1)
    (few,), statistics = returns(
        world(Failing, how="nan", folder=str(tmp_path), at=2), linear(S, P), 1, max_simulators=4
    )
    assert statistics.nonfinite_env.tolist() == [1, 0]
    same = np.asarray(few.returns) == np.asarray(usual[0].returns)
    assert same.sum() == S * P * E - 1


def test_a_process_that_is_killed_is_replaced_in_any_turn(tmp_path):
    usual, _ = returns(world(Drift), linear(S, P), 1)
    (few,), _ = returns(
        world(Failing, how="kill", folder=str(tmp_path), at=2),
        linear(S, P),
        1,
        workers=2,
        max_simulators=4,
    )
    np.testing.assert_array_equal(usual[0].returns, few.returns)


def test_every_row_has_one_turn():
    for count in (1, 5, 12):
        for simulators in (1, 4, 5, 20):
            table = rounds(count, simulators)
            assert (table.sum(axis=0) == 1).all()
            assert table.sum(axis=1).max() <= simulators


@pytest.mark.parametrize("most", [0, 2.0, True])
def test_a_number_of_simulators_that_cannot_be_is_refused(most):
    with pytest.raises(UpslopeError, match="max_simulators"):
        returns(world(Drift), linear(S, P), max_simulators=most)
