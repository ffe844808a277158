"""Vector environments of the three autoreset modes show the same processes."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from host_policies import counting, linear
from small_simulators import Drift, Spaces

from upslope.core.checks import EnvironmentContractError, UpslopeError
from upslope.objectives.objective import EpisodicReturn
from upslope.sampling.experience import Episodes, Steps
from upslope.sampling.simulators.gymnasium_sampler import GymnasiumSampler

N, T = 3, 24
KEYS = jax.random.split(jax.random.key(0), 1)


class Fixed(Drift):
    """A `Drift` whose n-th episode has a length and a start decided by n, not by its seed."""

    def __init__(self, number: int, end: str):
        super().__init__(end)
        self.number, self.episode = number, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=1)
        self.episode += 1
        self.length = 2 + (3 * self.episode + self.number) % 4
        self.position = float(100 * self.number + self.episode)
        return self._observe(), {}


def vector(mode, end="terminated"):
    makers = [lambda n=n: Fixed(n, end) for n in range(N)]
    return SyncVectorEnv(makers, autoreset_mode=mode)


def sampler(world, spec=None, **settings):
    settings = {"n_seeds": 1, "seed": 3, **settings}
    return GymnasiumSampler(
        world, spec or Steps(N, T), settings.pop("objective", EpisodicReturn()), **settings
    )


@pytest.mark.parametrize("end", ["terminated", "truncated", "both"])
def test_three_modes_have_the_same_valid_transitions(end):
    # Steps consumed by late resets shift the keys of the actions: act by the mode.
    seen = {}
    for mode in AutoresetMode:
        batch, many = sampler(vector(mode, end), deterministic=True).sample(KEYS, linear(1))
        if mode is not AutoresetMode.NEXT_STEP:
            assert batch.valid.all()
        else:
            late = np.zeros_like(batch.valid)
            late[:, 1:] = (batch.terminated | batch.truncated)[:, :-1]
            np.testing.assert_array_equal(batch.valid, ~late)
        assert many.statistics.steps[0] == batch.valid.sum()
        columns = [np.asarray(column)[0] for column in batch[:6]]
        seen[mode] = [[column[batch.valid[0, :, n], n] for column in columns] for n in range(N)]
    for n in range(N):
        disabled = seen[AutoresetMode.DISABLED][n]
        flags = disabled[4] | disabled[5]
        assert flags.sum() > 3
        # The true end is not the beginning of what follows.
        assert (disabled[3][:-1][flags[:-1]] != disabled[0][1:][flags[:-1]]).any(axis=1).all()
        for mode in (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP):
            for expected, got in zip(disabled, seen[mode][n], strict=True):
                np.testing.assert_array_equal(got, expected[: len(got)])


def test_whole_episodes_come_from_every_mode():
    lengths = []
    for mode in AutoresetMode:
        batch, _ = sampler(vector(mode), Episodes(N)).sample(KEYS, linear(1))
        assert batch.terminated.sum() == N
        lengths.append(batch.valid.sum(axis=1)[0].tolist())
    assert lengths[0] == lengths[1] == lengths[2] == [5, 2, 3]


def test_memory_works_but_for_late_resets():
    batch, _ = sampler(vector(AutoresetMode.SAME_STEP)).sample(KEYS, counting(1))
    np.testing.assert_allclose(batch.action[..., 0], batch.observation[..., 2], atol=1e-6)
    with pytest.raises(UpslopeError, match="SAME_STEP"):
        sampler(vector(AutoresetMode.NEXT_STEP)).sample(KEYS, counting(1))


def test_nested_observations_stay_trees():
    for mode in (AutoresetMode.SAME_STEP, AutoresetMode.DISABLED):
        env = SyncVectorEnv([lambda: Spaces("dict", "box")] * N, autoreset_mode=mode)
        batch, _ = sampler(env).sample(KEYS, linear(1, size=7, actions=6))
        for tree in (batch.observation, batch.next_observation):
            shapes = {"a": (1, T, N, 2, 2), "b": ((1, T, N), (1, T, N, 2))}
            assert {"a": tree["a"].shape, "b": tuple(x.shape for x in tree["b"])} == shapes
            assert set(np.unique(tree["b"][0])) <= {0, 1, 2}


def test_what_a_vector_environment_does_not_say_is_not_assumed():
    env = vector(AutoresetMode.SAME_STEP)
    env.metadata = {}
    with pytest.raises(UpslopeError, match=r"does not say how it resets.*Declare it"):
        sampler(env)
    with pytest.raises(UpslopeError, match="num_envs=3, but 6 are needed"):
        sampler(vector(AutoresetMode.SAME_STEP), n_seeds=2)
    with pytest.raises(UpslopeError, match=r"horizon=4.*TimeLimit"):
        sampler(vector(AutoresetMode.SAME_STEP), objective=EpisodicReturn(horizon=4))
    lying = vector(AutoresetMode.NEXT_STEP)
    lying.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
    with pytest.raises(EnvironmentContractError, match="final_obs"):
        sampler(lying).sample(KEYS, linear(1))


def test_a_horizon_cuts_episodes_that_the_sampler_resets():
    cut = sampler(vector(AutoresetMode.DISABLED), objective=EpisodicReturn(horizon=2))
    batch, _ = cut.sample(KEYS, linear(1))
    assert (batch.truncated | batch.terminated)[0, 1::2].all()
    assert batch.observation[..., 2].max() == 1
