"""What simulators should not do is said, by name, and costs the program nothing else."""

from __future__ import annotations

import warnings

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium import spaces
from host_policies import linear
from small_simulators import Drift, Odd, world

from upslope.core.checks import EnvironmentContractError, UpslopeError
from upslope.core.own_frame import raised
from upslope.core.said_once import warn_once
from upslope.environments.adaptors.gymnasium import GymnasiumSpec
from upslope.objectives.objective import EpisodicReturn
from upslope.sampling.experience import Steps
from upslope.sampling.simulators.gymnasium_sampler import GymnasiumSampler
from upslope.sampling.simulators.gymnasium_spaces import ObservationCoder
from upslope.training.observation_reader import ObservationReader

KEYS = jax.random.split(jax.random.key(0), 1)


def said(what, workers=0, calls=2):
    """The warnings of a few calls, and the sampler."""
    warn_once.cache_clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        simulators = GymnasiumSampler(
            world(Odd, what=what), Steps(2, 6), EpisodicReturn(), n_seeds=1, seed=1, workers=workers
        )
        try:
            for _ in range(calls):
                simulators.sample(KEYS, linear(1))
            doubt = simulators.irreproducible
        finally:
            simulators.close()
    return [str(one.message) for one in caught], doubt


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("numpy", "Odd draws from NumPy's global generator"),
        ("random", "Odd draws from Python's global generator"),
        ("outside", "outside its observation_space"),
        ("nothing", None),
    ],
)
def test_what_an_environment_should_not_do_is_said_once(what, words, workers):
    texts, doubt = said(what, workers)
    if words is None:
        assert texts == []
        assert doubt == ""
        return
    (text,) = texts
    assert words in text
    assert doubt == (text if "draws" in words else "")


@pytest.mark.parametrize("what", ["exit-reset", "exit-step"])
def test_leaving_the_program_is_an_error_of_the_environment(what):
    with pytest.raises(UpslopeError, match=r"Odd \(simulator 0\) raised in .*sys\.exit") as caught:
        said(what)
    assert caught.value.exit_code == EnvironmentContractError.exit_code


def test_leaving_the_program_while_it_is_built_is_one_too():
    def build():
        raise SystemExit("no display")

    spec = GymnasiumSpec.built_by(build)
    with pytest.raises(UpslopeError, match=r"build could not be built: SystemExit: no display"):
        spec.build()


def test_what_is_raised_in_close_is_said_and_ends_nothing():
    texts, _ = said("close")
    (text,) = texts
    assert "Odd raised in close: RuntimeError: the window is gone" in text
    assert "small_simulators.py, line" in text


class Unseeded(Drift):
    def reset(self):
        return super().reset()


class Spaceless(gymnasium.Env):
    pass


class Sized(Drift):
    def __init__(self, size):
        super().__init__()


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Unseeded, r"'seed'\. Declare it as reset\(self, \*, seed=None, options=None\)"),
        (Spaceless, r"Spaceless has no observation_space: set self\.observation_space"),
        (Sized, r"argument: 'size'\. Give it what it needs: --env\.NAME VALUE"),
    ],
)
def test_what_is_missing_from_an_environment_is_asked_for(kind, says):
    with pytest.raises(UpslopeError, match=says):
        GymnasiumSampler(
            world(kind), Steps(1, 1), EpisodicReturn(), n_seeds=1, seed=1, workers=0
        ).sample(KEYS, linear(1))


def test_an_environment_that_cannot_be_built_says_where():
    def build():
        raise AssertionError

    line = build.__code__.co_firstlineno + 1
    with pytest.raises(UpslopeError) as caught:
        GymnasiumSpec.built_by(build).build()
    assert f"AssertionError: raise AssertionError ({__file__}, line {line})" in str(caught.value)


def test_the_frame_told_is_the_last_one_of_somebodys_own():
    with pytest.raises(ValueError, match="inhomogeneous") as caught:
        np.stack([np.asarray([[1], [1, 2]])])  # raised in NumPy, called here
    line = caught.tb.tb_lineno
    assert f"({__file__}, line {line})" in raised(caught.value)


def mission():
    """A space of strings that is no `Text`, as MiniGrid has one."""
    return spaces.Space(dtype=str)


@pytest.mark.parametrize("text", [spaces.Text(9), mission()])
def test_text_beside_other_entries_is_left_out(text):
    place = spaces.Box(-1.0, 1.0, (2,), np.float32)
    declared = spaces.Dict(
        {"place": place, "mission": text, "in": spaces.Dict({"t": text, "n": place})}
    )
    coder = ObservationCoder(declared, "Maze")
    assert coder.left_out == ["mission", "t"]
    seen = {
        "place": np.ones(2, np.float32),
        "mission": "go",
        "in": {"t": "x", "n": np.zeros(2, np.float32)},
    }
    coder.check(seen, "reset")
    columns = tuple(np.zeros((1, 2), np.float32) for _ in coder.leaves)
    coder.store(columns, 0, seen)
    assert sorted(float(column.sum()) for column in columns) == [0.0, 2.0]
    assert "mission" not in coder.tree([column[0] for column in columns])
    read, n, single = ObservationReader(coder.space)(seen)
    assert (sorted(read), n, single) == (["in", "place"], 1, True)
    with pytest.raises(EnvironmentContractError, match="keys"):
        coder.check({"mission": "go"}, "reset")


def test_nothing_but_text_is_refused():
    with pytest.raises(UpslopeError, match="no fixed size"):
        ObservationCoder(spaces.Dict({"mission": spaces.Text(9)}), "Maze")
