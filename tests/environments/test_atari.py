"""Atari games as policies see them, on an emulator of our own that counts its frames."""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import upslope
from small_runs import InterruptAfter, Interruption, written
from upslope.core.checks import UpslopeError
from upslope.environments import make
from upslope.environments.adaptors import atari
from upslope.environments.adaptors.gymnasium import GymnasiumSpec
from upslope.policies.default import choose_kind
from upslope.sampling.simulators.factories import serialize_factory
from upslope.sampling.simulators.simulator_process import unpacked
from upslope.training.build import build
from upslope.training.config import RunConfig, resolve
from upslope.training.train import resume, train

ID = "ALE/Counted-v5"
HEIGHT, WIDTH = 20, 16
LIVES, FRAMES_OF_A_LIFE = 3, 200
POINTS = 7.0  # of each frame: what clipping would make 1


class Emulator:
    """The part of the emulator's interface that the preprocessing asks: lives and the screen."""

    def __init__(self):
        self.acted = 0  # frames since it was built
        self.frame = 0  # frames of this game

    def lives(self):
        return LIVES - self.frame // FRAMES_OF_A_LIFE

    def getScreenGrayscale(self, into):
        into[:] = self.picture()

    def getScreenRGB(self, into):
        into[:] = self.picture()[:, :, None] + np.arange(3, dtype=np.uint8)

    def picture(self):
        """Black but for the row of this frame, whose brightness is its number."""
        screen = np.zeros((HEIGHT, WIDTH), np.uint8)
        screen[self.frame % HEIGHT] = 1 + self.frame % 200
        return screen


class CountedGame(gymnasium.Env):
    """A game whose every frame scores, and that ends with its last life."""

    def __init__(self, frameskip=4, obs_type="rgb", repeat_action_probability=0.25):
        self._frameskip = frameskip
        self.ale = Emulator()
        self.observation_space = spaces.Box(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        self.action_space = spaces.Discrete(2)

    def get_action_meanings(self):
        return ["NOOP", "FIRE"]

    def screen(self):
        seen = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        self.ale.getScreenRGB(seen)
        return seen

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.ale.frame = 0
        return self.screen(), {"lives": self.ale.lives()}

    def step(self, action):
        self.ale.frame += self._frameskip
        self.ale.acted += self._frameskip
        lives = self.ale.lives()
        return self.screen(), POINTS * self._frameskip, lives == 0, False, {"lives": lives}


@pytest.fixture(autouse=True)
def game(monkeypatch):
    """The game's id; without OpenCV, what stands for the one function of it that is called."""
    gymnasium.register(ID, entry_point=CountedGame, kwargs={"frameskip": 4})
    stand_in = ModuleType("cv2")
    stand_in.__spec__ = ModuleSpec("cv2", None)
    stand_in.INTER_AREA = 3
    stand_in.resize = nearest
    monkeypatch.setitem(sys.modules, "cv2", stand_in)
    yield
    gymnasium.registry.pop(ID)


def nearest(image, size, interpolation):
    width, height = size
    rows = np.arange(height) * image.shape[0] // height
    return image[rows][:, np.arange(width) * image.shape[1] // width].copy()


def begun(**settings):
    env = make(ID, **settings).build()
    observation, _ = env.reset(seed=3)
    return env, env.unwrapped.ale, observation


def test_a_step_is_four_frames_once():
    env, ale, _ = begun(noop_max=0)
    for step in range(1, 6):
        reward = env.step(1)[1]
        assert ale.acted == 4 * step
        assert reward == 4 * POINTS


def test_an_episode_begins_after_frames_without_action():
    counts = set()
    env = make(ID, noop_max=5).build()
    for seed in range(30):
        env.reset(seed=seed)
        counts.add(env.unwrapped.ale.frame)
    assert counts == {1, 2, 3, 4, 5}


def test_policies_see_a_stack_of_four_grey_screens():
    environment = make(ID)
    assert environment.observation_space == spaces.Box(0, 255, (4, 84, 84), np.uint8)
    kind = choose_kind(environment.observation_space, environment.action_space)
    assert kind.startswith("convolutional")
    env, _, first = begun()
    assert (first == first[0]).all()
    second = env.step(0)[0]
    assert second.dtype == np.uint8
    assert (second[:3] == first[1:]).all()
    assert (second[3] != first[3]).any()


def test_two_frames_are_pooled_where_frames_are_skipped():
    env, ale, _ = begun(noop_max=0, frame_stack=1)
    seen = env.step(0)[0]
    assert ale.frame == 4
    assert set(np.unique(seen)) == {0, 1 + 3, 1 + 4}  # the rows of frames 3 and 4, not 1 and 2


def test_a_single_frame_is_the_emulators_unghosted():
    env, ale, observation = begun(noop_max=0, frame_skip=1, frame_stack=1, screen_size=20)
    assert observation.shape == (20, 20, 1)
    for frame in range(1, 50):
        observation, reward, *_ = env.step(0)
        assert ale.acted == frame
        assert reward == POINTS
        assert (observation[:, :, 0] == nearest(ale.picture(), (20, 20), 3)).all()


@pytest.mark.parametrize(("stack", "shape"), [(4, (84, 84, 12)), (1, (84, 84, 3))])
def test_colours_are_the_last_axis(stack, shape):
    env, ale, _ = begun(grayscale=False, frame_stack=stack, frame_skip=1)
    assert env.observation_space == spaces.Box(0, 255, shape, np.uint8)
    observation = env.step(0)[0]
    screen = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    ale.getScreenRGB(screen)
    assert (observation[:, :, -3:] == nearest(screen, (84, 84), 3)).all()


def episode(environment):
    env = environment.build()
    env.reset(seed=0)
    score = steps = 0
    over = False
    while not over:
        _, reward, terminated, truncated, _ = env.step(0)
        score, steps, over = score + reward, steps + 1, terminated or truncated
    return score, steps


def test_an_episode_is_a_whole_game_with_its_own_score():
    frames = LIVES * FRAMES_OF_A_LIFE
    assert episode(make(ID, noop_max=0)) == (frames * POINTS, frames // 4)


def test_lives_end_episodes_of_training_only():
    environment = make(ID, noop_max=0, terminal_on_life_loss=True)
    assert episode(environment)[1] == FRAMES_OF_A_LIFE // 4
    assert episode(environment.held_out())[1] == LIVES * FRAMES_OF_A_LIFE // 4
    settings = {"terminal_on_life_loss": True}
    config = resolve(ID, "random-search", environment_settings=settings)
    built = build(config)
    assert built.problem.environment.atari.terminal_on_life_loss
    assert not built.evaluation_environment.atari.terminal_on_life_loss
    config = resolve(
        ID, "ppo", {"evaluation_environment": ID, "evaluation_environment_settings": settings}
    )
    assert config.evaluation_environment_settings["frame_skip"] == 4
    assert not build(config).evaluation_environment.atari.terminal_on_life_loss


@pytest.mark.parametrize("name", [ID, f"gymnasium:{ID}"])
def test_the_configuration_shows_the_settings_and_rebuilds_the_game(name):
    config = resolve(name, "ppo", environment_settings={"frame_skip": 2})
    assert config.environment_settings == {
        "preprocessing": True,
        "noop_max": 30,
        "frame_skip": 2,
        "screen_size": 84,
        "grayscale": True,
        "frame_stack": 4,
        "terminal_on_life_loss": False,
    }
    again = RunConfig.from_dict(config.to_dict())
    assert make(again.environment, **again.environment_settings) == make(ID, frame_skip=2)


@pytest.mark.parametrize(
    "settings",
    [{}, {"frame_skip": 1, "time_limit": 9}, {"preprocessing": False}, {"grayscale": False}],
)
def test_settings_of_a_game_give_it_again(settings):
    environment = make(ID, **settings)
    assert make(environment.name, **environment.settings) == environment


def test_raw_frames_are_the_emulators():
    environment = make(ID, preprocessing=False)
    assert environment.observation_space.shape == (HEIGHT, WIDTH, 3)
    env = environment.build()
    env.reset(seed=0)
    env.step(0)
    assert env.unwrapped.ale.acted == 4
    config = resolve(ID, "ppo", environment_settings={"preprocessing": False})
    assert config.environment_settings == {"preprocessing": False}


def test_a_game_that_is_passed_in_stays_as_it_is():
    spec = GymnasiumSpec.of(gymnasium.make(ID))
    assert spec.atari is None
    assert spec.settings == {"preprocessing": False}
    assert make(spec.name, **spec.settings) == spec


def test_a_run_from_before_the_preprocessing_goes_on_with_the_emulators_own_frames():
    stored = resolve(ID, "ppo").to_dict()
    assert RunConfig.from_dict(stored).environment_settings == stored["environment_settings"]
    old = {**stored, "environment_settings": {"time_limit": 9}}
    config = RunConfig.from_dict(old)
    assert config.environment_settings == {"preprocessing": False, "time_limit": 9}
    assert make(config.environment, **config.environment_settings).atari is None
    old["evaluation_environment"] = f"gymnasium:{ID}"
    held_out = RunConfig.from_dict(old).evaluation_environment_settings
    assert held_out == {"preprocessing": False}
    other = resolve("CartPole-v1", "ppo")
    assert RunConfig.from_dict(other.to_dict()) == other


def test_other_environments_get_no_settings():
    assert atari.completed("CartPole-v1", {}) == {}
    assert atari.completed("given:ALE/Pong-v5", {}) == {}
    assert atari.completed("gymnasium:PongNoFrameskip-v4", {})["frame_skip"] == 4
    assert atari.completed("ale_py:ALE/Pong-v5", {})["frame_skip"] == 4


def test_a_simulator_process_builds_the_same():
    environment = make(ID, noop_max=0, frame_skip=3)
    env, same = environment.build(), unpacked(serialize_factory(environment))()
    for simulator in (env, same):
        simulator.reset(seed=1)
    (mine, *_), (its, *_) = env.step(1), same.step(1)
    assert same.unwrapped.ale.acted == 3
    assert (mine == its).all()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"frame_skip": 0}, "frame_skip=0"),
        ({"preprocessing": "no"}, "preprocessing='no'"),
        ({"preprocessing": False, "noop_max": 3}, "noop_max=3 with preprocessing=False"),
        ({"frameskip": 4}, "frame_skip is the number of frames"),
        ({"obs_type": "ram"}, "preprocessing=False"),
        ({"frame_skips": 4}, "frame_skip"),
        ({"grayscale": 1}, "grayscale=1"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, said):
    with pytest.raises(UpslopeError, match=said):
        make(ID, **settings)


@pytest.mark.slow
def test_a_run_goes_on_in_the_same_game_and_reports_its_score(tmp_path):
    settings = {"frame_skip": 20, "noop_max": 0, "frame_stack": 1, "screen_size": 8}

    def short(out, reporter=None):
        options = dict(total_timesteps=120, seeds=1, evaluations=4, n_episodes=1)
        game = settings | {"terminal_on_life_loss": True}
        return train(
            ID,
            "reinforce",
            out=out,
            reporter=reporter,
            workers=0,
            environment_settings=game,
            policy="convolutional",
            dense_size=4,
            evaluation_share=None,
            evaluation_episodes=1,
            final_episodes=2,
            **options,
        )

    short(tmp_path / "whole")
    with pytest.raises(Interruption):
        short(tmp_path / "cut", InterruptAfter(2))
    resume(tmp_path / "cut")
    assert written(tmp_path / "cut") == written(tmp_path / "whole")
    evaluation = upslope.evaluate(tmp_path / "whole", episodes=2)
    frames = LIVES * FRAMES_OF_A_LIFE
    assert evaluation.lengths.tolist() == [[frames // 20] * 2]
    assert evaluation.returns.tolist() == [[frames * POINTS] * 2]


def test_without_opencv_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UpslopeError, match=r"upslope\[atari\]"):
        make(ID)


def test_screens_of_a_real_game():
    pytest.importorskip("ale_py")
    environment = make("ALE/Pong-v5", frame_skip=1, noop_max=0)
    env = environment.build()
    env.reset(seed=0)
    before = env.unwrapped.ale.getEpisodeFrameNumber()
    observation, *_ = env.step(0)
    assert env.unwrapped.ale.getEpisodeFrameNumber() == before + 1
    screen = env.unwrapped.ale.getScreenGrayscale()
    assert (observation[-1] == nearest(screen, (84, 84), 3)).all()
