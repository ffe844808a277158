"""Numbers that simulators put in `info` are averaged per episode, and none vanish."""

import gymnasium
import jax
import numpy as np
import pytest
from small_simulators import Telling

from upslope.engine.episode_infos import EpisodeInfos, side_by_side
from upslope.environments import make
from upslope.objectives import EpisodicReturn
from upslope.policies import default_policy
from upslope.sampling import GymnasiumSampler
from upslope.sampling.experience import EpisodeReturns, Episodes, Steps
from upslope.sampling.simulators.info_means import MOST_NAMES, InfoMeans

NAMES = {"term", "reward/forward", "reward/deep/er", "cost", "success"}


def sampled(environment, spec, calls=1, **settings):
    """The sampler and what it returns, after some calls."""
    sampler = GymnasiumSampler(
        environment, spec, EpisodicReturn(), n_seeds=2, seed=3, **{"workers": 0, **settings}
    )
    keys = jax.random.split(jax.random.key(0), 2)
    single = make(Telling)
    spaces = single.observation_space, single.action_space
    lead = (1,) if isinstance(spec, EpisodeReturns) else ()
    build = lambda key: default_policy(key, *spaces, hidden=(4,))  # noqa: E731
    policies = jax.vmap(build)(keys)
    policies = jax.tree.map(lambda leaf: leaf.reshape(2, *lead, *leaf.shape[1:]), policies)
    infos, experience = [], None
    try:
        for _ in range(calls):
            experience, sampler = sampler.sample(keys, policies)
            infos += sampler.infos
    finally:
        sampler.close()
    return infos, experience


def check(infos, ended):
    """Every episode told everything, and the means are those of its own steps."""
    assert len(infos) == ended
    for _, means in infos:
        assert set(means) == NAMES
        length = means["cost"]
        assert means["term"] == pytest.approx((length + 1) / 2)
        assert means["reward/forward"] == 0.5
        assert means["reward/deep/er"] == 2.0
        assert means["success"] == (length == 4)  # over the steps that have it


def test_streams_average_over_each_episode_also_across_calls():
    infos, _ = sampled(make(Telling), Steps(3, 2), calls=6)
    check(infos, len(infos))
    assert len(infos) > 10
    # in 12 steps of 3 streams none but the last episode of each is missing
    steps = sum(means["cost"] for seed, means in infos if seed == 0)
    assert 36 - 3 * 3 <= steps <= 36


@pytest.mark.parametrize("spec", [Episodes(5), EpisodeReturns(1, 5)])
def test_whole_episodes_tell_everything(spec):
    infos, _ = sampled(make(Telling), spec)
    check(infos, 10)
    assert [seed for seed, _ in infos] == [0] * 5 + [1] * 5


def test_rounds_of_shared_simulators_lose_nothing():
    infos, _ = sampled(make(Telling), EpisodeReturns(1, 5), max_simulators=3)
    alone, _ = sampled(make(Telling), EpisodeReturns(1, 5))
    assert infos == alone


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 3])
def test_worker_processes_tell_the_same(workers):
    for spec in (Steps(3, 8), EpisodeReturns(1, 5)):
        alone, _ = sampled(make(Telling), spec, calls=2)
        assert sampled(make(Telling), spec, calls=2, workers=workers)[0] == alone


@pytest.mark.parametrize("mode", list(gymnasium.vector.AutoresetMode))
def test_vector_environments_tell_theirs(mode):
    vector = gymnasium.vector.SyncVectorEnv([Telling] * 6, autoreset_mode=mode)
    infos, _ = sampled(vector, Steps(3, 12))
    check(infos, len(infos))
    assert len(infos) >= 12


def test_an_episode_that_names_no_end_of_numbers_is_cut_short():
    means = InfoMeans(1)
    for step in range(3):
        means.add(0, {f"{step}-{n}": n for n in range(MOST_NAMES)})
    means.add(0, {"huge": 10**400, "complex": 1j, "numpy": np.str_("text"), 3: 1.0})
    means.end(0)
    ((row, found),) = means.take()
    assert row == 0
    assert len(found) == MOST_NAMES
    assert means.take() == []


def test_rows_of_the_log_are_means_over_episodes_of_each_seed():
    infos = EpisodeInfos(2)
    infos.add([(0, {"a": 1.0}), (0, {"a": 3.0, "b": 5.0}), (1, {"a": 7.0})], np.ones(2, bool))
    infos.add([(1, {"a": 100.0})], np.array([True, False]))  # an iteration that does not count
    first = infos.close(np.array([True, False]))
    infos.load(infos.state())
    infos.add([(1, {"a": 9.0})], np.ones(2, bool))
    rows = side_by_side([first, infos.close(np.ones(2, bool))], 2)
    np.testing.assert_array_equal(rows["a"], [[2.0, np.nan], [np.nan, 8.0]])
    np.testing.assert_array_equal(rows["b"], [[5.0, np.nan], [np.nan, np.nan]])
