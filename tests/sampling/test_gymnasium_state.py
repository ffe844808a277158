"""A sampler that is restored goes on as if nothing had happened."""

from __future__ import annotations

import signal
import warnings

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from host_policies import counting, linear
from small_simulators import Careless, Drift, Slow, world

from upslope.core.actor import Actor
from upslope.core.checks import UpslopeError
from upslope.core.records import Act
from upslope.environments.factory import make
from upslope.objectives.objective import EpisodicReturn
from upslope.sampling.experience import EpisodeReturns, Episodes, Steps
from upslope.sampling.simulators.action_log import ActionLog
from upslope.sampling.simulators.gymnasium_sampler import GymnasiumSampler
from upslope.sampling.simulators.step_buffer import RESET, SKIP, STEP, BufferLayout

S, N, T = 2, 3, 7
KEYS = [jax.random.split(jax.random.key(k), S) for k in range(6)]


def sampler(simulators, spec, **settings):
    return GymnasiumSampler(
        simulators, spec, EpisodicReturn(), **{"n_seeds": S, "seed": 11, "workers": 0, **settings}
    )


def same(got, expected):
    jax.tree.map(np.testing.assert_array_equal, got, expected)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("actors", [linear(S), counting(S)])
def test_streams_that_are_restored_go_on(actors, workers):
    whole = sampler(world(Drift), Steps(N, T))
    expected = [whole.sample(keys, actors)[0] for keys in KEYS]
    first = sampler(world(Drift), Steps(N, T))
    for keys in KEYS[:3]:
        first.sample(keys, actors)
    state = first.state()
    assert all(isinstance(leaf, np.ndarray) for leaf in state.values())
    second = sampler(world(Drift), Steps(N, T), workers=workers)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            second.restore(state)
        for keys, batch in zip(KEYS[3:], expected[3:], strict=True):
            got, _ = second.sample(keys, actors)
            same(got, batch)
        same(second.statistics, whole.statistics)
    finally:
        second.close()
    same(second.state(), whole.state())


def test_asking_for_the_state_changes_nothing():
    asked, left = (sampler(world(Drift), Steps(N, T)) for _ in range(2))
    for keys in KEYS:
        asked.state()
        same(asked.sample(keys, linear(S))[0], left.sample(keys, linear(S))[0])


@pytest.mark.parametrize(
    ("spec", "actors"), [(Episodes(N), linear(S)), (EpisodeReturns(N, 2), linear(S, N))]
)
def test_whole_episodes_go_on_with_the_next_seeds(spec, actors):
    whole, second = (sampler(world(Drift), spec) for _ in range(2))
    whole.sample(KEYS[0], actors)
    second.restore(whole.state())
    same(second.sample(KEYS[1], actors)[0], whole.sample(KEYS[1], actors)[0])


def test_what_its_seed_does_not_decide_is_said_once_and_begins_anew(tmp_path):
    for number in range(9):
        (tmp_path / str(number)).touch()  # it has failed before: now it only drifts
    careless = world(Careless, folder=str(tmp_path))
    first, second = (sampler(careless, Steps(N, T)) for _ in range(2))
    first.sample(KEYS[0], linear(S))
    with pytest.warns(UserWarning, match="Careless is not reproducible from its seed") as said:
        second.restore(first.state())
    assert len(said) == 1
    batch, _ = second.sample(KEYS[1], linear(S))
    assert batch.restarted.all()
    assert (batch.observation[:, 0, :, 2] == 0).all()
    again, _ = second.sample(KEYS[2], linear(S))
    assert not again.restarted.any()
    assert np.isfinite(second.statistics.returns).all()


def test_a_vector_environment_that_resets_itself_begins_anew():
    make_one = lambda: SyncVectorEnv([Drift] * N, autoreset_mode=AutoresetMode.SAME_STEP)  # noqa: E731
    keys = KEYS[0][:1]
    first, second = (sampler(make_one(), Steps(N, T), n_seeds=1) for _ in range(2))
    first.sample(keys, linear(1))
    with pytest.warns(UserWarning, match="SyncVectorEnv|Drift"):
        second.restore(first.state())
    assert second.sample(keys, linear(1))[0].restarted.all()


def test_streams_tell_where_they_begin_anew():
    many = sampler(world(Drift), Steps(N, T))
    assert many.sample(KEYS[0], linear(S))[0].restarted.all()
    assert not many.sample(KEYS[1], linear(S))[0].restarted.any()
    many.start_fresh_episodes(3)
    assert many.sample(KEYS[2], linear(S))[0].restarted.all()


def test_the_log_forgets_episodes_that_ended():
    layout = BufferLayout(2, (((1,), "<f4"),), 1, "<f4")
    log = ActionLog(layout, autoreset=True)
    zeros, never = np.zeros((2, 1), np.float32), np.zeros(2, bool)
    log.record(np.array([RESET, RESET]), np.array([5, 6]), zeros, never)
    for time in range(1000):
        ended = np.array([time % 10 == 9, time % 7 == 6])
        action = np.array([[time], [-time]], np.float32)
        log.record(np.array([STEP, STEP]), np.array([time, time + 10_000]), action, ended)
    assert len(log.state()["stepped"]) <= 10
    assert len(log._stepped) <= 128
    for rows, seed, since in ((slice(0, 1), 999, []), (slice(1, 2), 10_993, range(994, 1000))):
        commands = list(log.replay(rows))
        assert [int(c[0][0]) for c in commands] == [RESET] + [STEP] * len(since)
        assert commands[0][1][0] == seed
        assert [float(c[2][0, 0]) for c in commands[1:]] == [-float(t) for t in since]
    other = ActionLog(layout, autoreset=True)
    other.load(log.state())
    same(list(other.replay()), list(log.replay()))
    log.record(np.array([SKIP, STEP]), np.array([0, 0]), zeros + 1, never)
    other.record(np.array([SKIP, STEP]), np.array([0, 0]), zeros + 1, never)
    same(list(other.replay()), list(log.replay()))


def sample_for_ever(many, actors):
    while True:
        many.sample(KEYS[0], actors)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_a_call_that_was_interrupted_leaves_nothing_behind(workers, tmp_path):
    """Neither an answer that the next call would take for its own, nor half an episode."""

    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    many = sampler(world(Slow, folder=str(tmp_path)), Steps(N, T), workers=workers)
    try:
        for other in range(1, 9):
            (tmp_path / str(other)).touch()
        many._stepper.reset(np.ones(S * N, bool))  # processes and programs are ready
        many._start_anew()
        linear_actors = linear(S)
        signal.setitimer(signal.ITIMER_REAL, 1.0)
        with pytest.raises(KeyboardInterrupt):
            sample_for_ever(many, linear_actors)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for keys in KEYS[:3]:
            batch, _ = many.sample(keys, linear_actors)
            # Every successor is what the simulator shows next: nothing is one command behind.
            ended = batch.terminated | batch.truncated
            np.testing.assert_array_equal(
                batch.next_observation[:, :-1][~ended[:, :-1]],
                batch.observation[:, 1:][~ended[:, :-1]],
            )
            first = batch.reward == batch.next_observation[..., 0]
            assert first.all()
            steps = batch.next_observation[..., 2] - batch.observation[..., 2]
            assert (steps == 1).all()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        many.close()


def test_simulators_before_one_that_fails_are_closed():
    closed, built = [], []

    class Third(Drift):
        def __init__(self):
            super().__init__()
            built.append(self)
            if len(built) == 4:  # one is looked at, two are built
                raise RuntimeError("no port left")

        def close(self):
            closed.append(self)

    with pytest.raises(UpslopeError, match="no port left"):
        sampler(world(Third), Steps(N, T))
    assert len(closed) == 3


@pytest.mark.filterwarnings("ignore:.* raised in close")
def test_what_close_raises_ends_nothing():
    class Stubborn(Drift):
        def close(self):
            raise RuntimeError("not now")

    many = sampler(world(Stubborn), Steps(N, T))
    many.sample(KEYS[0], linear(S))
    many.close()
    vector = SyncVectorEnv([Stubborn] * N, autoreset_mode=AutoresetMode.SAME_STEP)
    sampler(vector, Steps(N, T), n_seeds=1).close()
    assert make(Stubborn).observation_space.shape == (3,)


class Remembering(Actor):
    """Acts by what it did, and notes it; memory holds the action itself."""

    start: jax.Array

    def initial_memory(self):
        return jnp.full((2,), self.start)

    def noise(self, key):
        return jax.random.uniform(key)

    def act(self, noise, observation, memory):
        action = memory + 0.01 + 0.0 * noise
        return Act(action, action, {"noise": noise, "before": memory})


@pytest.mark.parametrize("spec", [Steps(N, T), Episodes(N)])
def test_memory_is_that_after_the_action_and_extras_come_back(spec):
    actor = Remembering(jnp.zeros(S))
    batch, _ = sampler(world(Drift, shortest=9), spec).sample(KEYS[0], actor)
    valid = batch.valid
    steps = np.broadcast_to(np.arange(valid.shape[1])[None, :, None], valid.shape)
    np.testing.assert_allclose(batch.action[..., 0][valid], 0.01 * (steps + 1)[valid], rtol=1e-5)
    np.testing.assert_allclose(
        batch.extras["before"][..., 1][valid], 0.01 * steps[valid], atol=1e-6
    )
    assert len(np.unique(batch.extras["noise"][valid])) == valid.sum()
    assert batch.extras["noise"].shape == valid.shape


def test_a_mask_in_info_becomes_a_field_of_the_observation():
    taxi = make("gymnasium:Taxi-v4", action_mask=True)
    space = taxi.observation_space
    assert isinstance(space, gymnasium.spaces.Dict)
    assert set(space.spaces) == {"observation", "action_mask"}
    env = taxi.build()
    observation, info = env.reset(seed=3)
    for _ in range(20):
        np.testing.assert_array_equal(observation["action_mask"], info["action_mask"] == 1)
        assert space.contains(observation)
        action = int(np.flatnonzero(observation["action_mask"])[0])
        observation, *_, info = env.step(action)
    assert not isinstance(make("gymnasium:Taxi-v4").observation_space, gymnasium.spaces.Dict)
    with pytest.raises(UpslopeError, match="action_mask=3"):
        make("gymnasium:Taxi-v4", action_mask=3)
    with pytest.raises(UpslopeError, match=r"info\['action_mask'\] with 2 entries"):
        sampler(make("gymnasium:CartPole-v1", action_mask=True), Steps(N, T)).sample(
            KEYS[0], linear(S, size=6, actions=1)
        )


def test_a_mask_reaches_worker_processes():
    taxi = make("gymnasium:Taxi-v4", action_mask=True)
    batches = []
    for workers in (0, 1):
        many = sampler(taxi, Steps(N, T), workers=workers)
        try:
            many._stepper.reset(np.ones(S * N, bool))
            batches.append([leaf.copy() for leaf in many._backend.buffer.observation])
        finally:
            many.close()
    same(batches[1], batches[0])
