"""Environments and methods of the user's own: named on the command line, given again to resume."""

import sys

import gymnasium
import numpy as np
import pytest

import upslope
from small_runs import SMALL, InterruptAfter, Interruption, small_run, written
from upslope.cli import commands
from upslope.cli.main import main
from upslope.core.checks import UpslopeError
from upslope.environments import make
from upslope.environments.adaptors.gymnasium import import_namespace
from upslope.environments.factory import known
from upslope.environments.user_code import names_code
from upslope.training.config import RunConfig
from upslope.training.printed_command import printed_command
from upslope.training.run import Run
from upslope.training.train import resume, train

MODULE = '''
import gymnasium
import numpy as np
from beside import SIZE
from upslope.core.records import Step
from upslope.environments import Environment
from upslope.search import METHODS, RandomSearch


class Corridor(gymnasium.Env):
    """Ends after a few steps; action 1 is rewarded."""

    def __init__(self, length=SIZE):
        self.length = length
        where = gymnasium.spaces.Box(0, 1, (1,), np.float32)
        self.observation_space = gymnasium.spaces.Dict({"where": where})
        self.action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.seen(), {}

    def seen(self):
        return {"where": np.array([self.steps / self.length], np.float32)}

    def step(self, action):
        self.steps += 1
        return self.seen(), float(action), self.steps >= self.length, False, {}


gymnasium.register("UserCorridor-v0", entry_point=Corridor)
METHODS.register("my-method", type("MyMethod", (RandomSearch,), {}), "a method of mine")
'''
NATIVE = '''
import equinox as eqx
import jax.numpy as jnp
from gymnasium import spaces
from upslope.core.records import Step
from upslope.environments import Environment


class Still(Environment):
    """Rewards action 1."""

    name = "still"
    time_limit: int | None = eqx.field(static=True, default=5)

    def reset(self, key):
        return jnp.zeros(1), jnp.zeros(1)

    def step(self, key, state, action):
        return state, Step(state, action.astype(float), jnp.zeros((), bool))

    @property
    def observation_space(self):
        return spaces.Box(-1, 1, (1,))

    @property
    def action_space(self):
        return spaces.Discrete(2)
'''
BUDGET = [
    *("--total-timesteps", "60", "--seeds", "1", "--evaluations", "1", "--plain"),
    *("--evaluation-episodes", "1", "--final-episodes", "1", "--policy", "linear-softmax"),
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the user's code, which is the working one."""
    (tmp_path / "user_corridor.py").write_text(MODULE)
    (tmp_path / "user_native.py").write_text(NATIVE)
    (tmp_path / "beside.py").write_text("SIZE = 4\n")
    (tmp_path / "user_broken.py").write_text("x = 1\nraise RuntimeError('no licence')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(commands, "IMPORTS", [])
    yield tmp_path
    for name in ("user_corridor", "user_native", "beside", "user_broken"):
        sys.modules.pop(name, None)
    gymnasium.registry.pop("UserCorridor-v0", None)
    if "my-method" in upslope.search.METHODS:
        upslope.search.METHODS.unregister("my-method")


@pytest.mark.parametrize(
    ("name", "is_code"),
    [
        ("./my_env.py:MyEnv", True),
        ("my_package:My-v0", True),
        ("my_package.envs:MyEnv", True),
        ("CartPole-v1", False),
        ("gymnasium:CartPole-v1", False),
        ("gymnax:CartPole-v1", False),
        ("given:Mine", False),
        ("brx:ant", False),
        ("ALE/Pong-v5", False),
    ],
)
def test_which_names_stand_for_code(name, is_code):
    assert names_code(name) is is_code


@pytest.mark.parametrize("name", ["user_corridor:UserCorridor-v0", "user_corridor:Corridor"])
def test_a_module_is_imported(here, name):
    sys.path.append(str(here))
    assert make(name).build().unwrapped.length == 4


def test_a_file_is_imported_with_what_lies_beside_it(here):
    path = [*sys.path]
    made = make("./user_corridor.py:Corridor", length=7, time_limit=3)
    assert sys.path == path
    env = made.build()
    assert env.unwrapped.length == 7
    assert made.time_limit is None  # Gymnasium's wrapper counts; no specification says so
    env.reset(seed=0)
    assert [env.step(1)[3] for _ in range(3)] == [False, False, True]
    assert make("./user_native.py:Still", time_limit=9).time_limit == 9


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("./nowhere.py:X", "There is no file nowhere.py"),
        ("no_such_module:X", "There is no module 'no_such_module'"),
        ("./user_corridor.py:Corridr", "Did you mean 'Corridor'"),
        ("./user_corridor.py", r"is a file: say which .* \./user_corridor.py:Corridor\."),
        ("./nowhere.py", r"is a file: say which .* \./nowhere.py:MyEnv\."),
        ("Corridr-v0", r"code of your own: \./my_env.py:MyEnv or my_package:My-v0"),
        ("./user_broken.py:X", r"RuntimeError: no licence \(.*user_broken.py, line 2\)"),
    ],
)
def test_what_cannot_be_imported_says_why(here, name, reason):
    with pytest.raises(UpslopeError, match=reason):
        make(name)


def test_a_file_never_makes_upslope_import(here):
    with pytest.raises(UpslopeError, match=r"never because a file does.*--env \./user_native"):
        known("./user_native.py:Still")
    assert "user_native" not in sys.modules
    small_run("reinforce", here / "run", environment="./user_native.py:Still")
    del sys.modules["user_native"]
    with pytest.raises(UpslopeError, match="never because a file does"):
        upslope.evaluate(here / "run")
    assert main(["train", "--config", str(here / "run" / "config.yaml")]) == 2
    assert "user_native" not in sys.modules


def test_a_time_limit_that_is_traced_says_how_to_declare_it(here):
    (here / "user_native.py").write_text(NATIVE.replace("eqx.field(static=True, default=5)", "5"))
    with pytest.raises(UpslopeError, match=r"eqx\.field\(static=True, default=5\)"):
        make("./user_native.py:Still")


@pytest.mark.slow
@pytest.mark.parametrize("given", ["name", "class", "object"])
def test_a_run_in_an_environment_of_ones_own_goes_on_bit_for_bit(here, given):
    make("./user_native.py:Still")
    still = sys.modules["user_native"].Still
    environment = {"name": "./user_native.py:Still", "class": still, "object": still()}[given]

    def short(out, reporter=None):
        options = dict(total_timesteps=600, seeds=2, n_episodes=4, evaluations=4, hidden=(4,))
        return train(environment, "reinforce", out=out, reporter=reporter, **options)

    short(here / "whole")
    with pytest.raises(Interruption):
        short(here / "cut", InterruptAfter(2))
    with pytest.raises(UpslopeError, match="again"):
        resume(here / "cut")
    resume(here / "cut", environment=environment)
    assert written(here / "cut") == written(here / "whole")
    assert upslope.evaluate(here / "cut", episodes=2, environment=environment).lengths.tolist() == [
        [5, 5],
        [5, 5],
    ]


@pytest.mark.slow
@pytest.mark.parametrize("given", ["name", "class"])
def test_an_environment_that_is_given_again_has_the_settings_of_the_run(here, given):
    make("./user_native.py:Still")
    environment = "./user_native.py:Still"
    environment = environment if given == "name" else sys.modules["user_native"].Still
    options = dict(total_timesteps=200, seeds=1, n_episodes=4, evaluations=1, hidden=(4,))
    train(
        environment,
        "reinforce",
        out=here / "run",
        environment_settings={"time_limit": 3},
        **options,
    )
    assert upslope.evaluate(here / "run", episodes=2, environment=environment).lengths.max() == 3
    other = sys.modules["user_native"].Still(time_limit=4)
    assert upslope.evaluate(here / "run", episodes=2, environment=other).lengths.max() == 4


def test_the_working_directory_is_looked_in_for_the_users_code_alone(here, capsys):
    (here / "wandb").mkdir()  # what W&B leaves, and what would pass for the package
    main(["list", "methods"])
    assert str(here) not in sys.path
    main(["show", "user_corridor:Corridor"])
    assert str(here) in sys.path


@pytest.mark.slow
def test_the_commands(here, capsys):
    words = ["train", "user_corridor:UserCorridor-v0", "my-method", "--import", "user_corridor"]
    assert main([*words, *BUDGET, "--env.length", "3", "--out", "my runs/one"]) == 0
    shown = capsys.readouterr().out
    line = next(x for x in shown.splitlines() if x.startswith("next"))
    assert line.split(maxsplit=1)[1] == (
        "upslope evaluate 'my runs/one' --env user_corridor:UserCorridor-v0 --import user_corridor"
    )
    commands.IMPORTS.clear()
    assert main(["evaluate", "my runs/one", "--env", "user_corridor:UserCorridor-v0"]) == 0
    kept = sys.modules.pop("user_corridor")
    assert main(["evaluate", "my runs/one"]) == 2
    assert "give --import user_corridor again" in capsys.readouterr().err
    sys.modules["user_corridor"] = kept


@pytest.mark.parametrize("words", [["--import"], ["--import", "--plain"]])
def test_an_import_needs_a_name(words, capsys):
    assert main(["train", "CartPole-v1", *words]) == 2
    assert "--import needs the name of a module" in capsys.readouterr().err


def test_known_namespaces_name_what_installs_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "ale_py", None)
    with pytest.raises(UpslopeError, match=r"pip install 'upslope\[atari\]'"):
        import_namespace("ALE/Nothing-v0")
    with pytest.raises(UpslopeError, match=r"pip install 'upslope\[atari\]'"):
        make("ALE/Nothing-v0")
    with pytest.raises(UpslopeError, match=r"pip install 'upslope\[atari\]'"):
        make("NothingNoFrameskip-v4")


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ("CartPole-v1", "upslope resume 'a b'"),
        ("./e.py:E", "upslope resume 'a b' --env ./e.py:E"),
        ("given:Mine", "upslope resume 'a b' --env FILE.py:Mine"),
    ],
)
def test_printed_commands_can_be_pasted(environment, line):
    assert printed_command("resume", "a b", RunConfig(environment, "ppo")) == line


def test_an_observation_of_ones_own_environment_is_read(here):
    env = make("./user_corridor.py:Corridor").build()
    run = small_run("reinforce", None, environment="./user_corridor.py:Corridor", hidden=(4,))
    observation, _ = env.reset(seed=0)
    action, _ = run.agent().predict(observation)
    assert env.action_space.contains(action)
    batch = {"where": np.stack([observation["where"]] * 3)}
    assert run.agent().predict(batch)[0].shape == (3,)


def test_a_run_that_was_just_made_knows_the_environment_that_no_name_gives(here):
    given = make("./user_native.py:Still", time_limit=4)
    run = train(given, "reinforce", out=here / "run", **SMALL["reinforce"])
    assert run.evaluate(episodes=3).lengths.tolist() == [[4] * 3] * run.config.seeds
    with pytest.raises(UpslopeError, match="No name builds"):
        Run.load(here / "run").evaluate(episodes=3)
    assert Run.load(here / "run").evaluate(episodes=3, environment=given).returns.shape[1] == 3


def test_show_describes_other_environments(here, capsys):
    assert main(["show", "./user_native.py:Still"]) == 0
    shown = capsys.readouterr().out
    assert "Box(-1.0, 1.0, (1,), float32)" in shown
    assert "5 steps" in shown
    assert "Try it: upslope train ./user_native.py:Still" in shown
    assert main(["show", "gymnasium:Nowhere-v0"]) == 2


@pytest.mark.slow
def test_held_out_episodes_in_an_environment_of_ones_own(here, capsys):
    """`--evaluation-environment` names it; a run folder does not import it, and says how."""
    other = "./user_corridor.py:Corridor"
    words = ["train", other, "ppo", *BUDGET, "--evaluation-environment", other, "--out", "run"]
    words += ["--n-envs", "2", "--n-steps", "30", "--batch-size", "30", "--no-preset"]
    assert main(words) == 0
    capsys.readouterr()
    assert main(["resume", "run", "--total_timesteps", "120", "--env", other]) == 2
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "--evaluation-environment" in said
    again = ["--env", other, "--evaluation-environment", other]
    assert main(["resume", "run", "--total_timesteps", "120", *again, "--plain"]) == 0
    config = Run.load("run").config
    assert printed_command("resume", "run", config).endswith(
        f"--env {other} --evaluation-environment {other}"
    )
