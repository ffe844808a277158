"""Ranges: where values come from, how they are written, and what is refused."""

from __future__ import annotations

import random

import pytest

from upslope.core.checks import UpslopeError
from upslope.search import METHODS
from upslope.training.config import resolve
from upslope.tuning import OneOf, Range, default_ranges
from upslope.tuning.ranges import RANGES, parse_range, range_for
from upslope.tuning.tuned_method import fitted, ranges_of, searchable, with_settings


class Drawing:
    """Suggests uniform draws, as Optuna's random sampler does, and remembers them."""

    def __init__(self, seed=0):
        self.random, self.drawn = random.Random(seed), []

    def suggest_float(self, name, low, high, *, log=False):
        assert low < high
        self.drawn.append(low * (high / low) ** self.random.random() if log else 0.5 * (low + high))
        return self.drawn[-1]

    def suggest_int(self, name, low, high, *, log=False):
        self.drawn.append(self.random.randint(low, high))
        return self.drawn[-1]

    def suggest_categorical(self, name, choices):
        self.drawn.append(self.random.choice(choices))
        return self.drawn[-1]


EXAMPLES = {
    "1e-5:1e-2": Range(1e-5, 1e-2),
    "-1:2.5": Range(-1, 2.5, "linear"),
    "4:32": Range(4, 32, "log", True),
    "8:64:power": Range(8, 64, "power", True),
    "0.9:0.999:one-minus": Range(0.9, 0.999, "one-minus"),
    "0.1:2:linear": Range(0.1, 2, "linear"),
    "1:9:linear:int": Range(1, 9, "linear", True),
    "true|false": OneOf((True, False)),
    "adam|sgd": OneOf(("adam", "sgd")),
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_ranges_are_written_as_text(text):
    found = parse_range("x", text)
    assert found == EXAMPLES[text]
    assert parse_range("x", found.text()) == found


@pytest.mark.parametrize("found", [*EXAMPLES.values(), *RANGES.values()], ids=str)
def test_values_are_inside_and_their_position_gives_them_back(found):
    trial = Drawing()
    for _ in range(30):
        value = found.suggest(trial, "x")
        if isinstance(found, Range):
            assert found.low - 1e-12 <= value <= found.high + 1e-12
            assert isinstance(value, int) == found.integer
        if isinstance(found, Range):
            assert found.position(value) == pytest.approx(trial.drawn[-1], rel=1e-9)
        else:
            assert found.position(value) == trial.drawn[-1] == value


@pytest.mark.parametrize("found", RANGES.values(), ids=list(RANGES))
def test_values_outside_start_at_the_nearest_bound(found):
    trial = Drawing()
    trial.suggest_float = lambda name, low, high, log=False: found.position(-5)
    trial.suggest_int = lambda name, low, high, log=False: found.position(-5)
    assert found.suggest(trial, "x") == pytest.approx(found.low)
    assert found.position(None) is None
    assert found.position(True) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1", "no two bounds"),
        ("a:b", "no two bounds"),
        ("2:1", "not below the second"),
        ("0:1:log", "needs bounds above 0"),
        ("0.5:1:one-minus", "from 0 to below 1"),
        ("1:2:logg", "'logg' is no scale"),
        ("1:inf", "finite"),
    ],
)
def test_texts_that_are_no_range_are_refused(text, reason):
    with pytest.raises(UpslopeError, match=reason):
        parse_range("x", text)


def test_ranges_are_derived_for_what_is_named():
    assert range_for("learning_rate", 3e-4) == Range(3e-4 / 30, 3e-4 * 30)
    assert range_for("elsewhere", 8) == Range(2, 32, "log", True)
    assert range_for("elsewhere", 0.5) == Range(0.05, 5.0)
    assert range_for("elsewhere", True) == OneOf((False, True))
    for value in (None, 0, -1.0, "adam"):
        with pytest.raises(UpslopeError, match=r"no range for elsewhere.*--search elsewhere="):
            range_for("elsewhere", value)


@pytest.mark.parametrize("method", METHODS.names())
def test_every_method_has_usual_ranges_or_says_so(method):
    environment = "short-corridor" if "gradient" in method else "CartPole-v1"
    start = searchable(resolve(environment, method, use_preset=False))
    found = default_ranges(start)
    if found:
        assert set(found) <= set(start)
    else:
        with pytest.raises(UpslopeError, match="--search std="):
            ranges_of(start, None, set())
    assert "total_timesteps" not in start


def test_what_is_searched():
    config = resolve("CartPole-v1", "ppo")
    start = searchable(config)
    found = ranges_of(start, None, set())
    assert {"learning_rate", "gamma", "n_steps", "batch_size"} <= set(found)
    assert found["learning_rate"] == Range(0.001 / 30, 0.03)  # around the preset's
    assert "gamma" not in ranges_of(start, None, {"gamma"})
    given = {"gamma": None, "learning_rate": "1e-4:1e-3", "n_epochs": Range(2, 4, "linear", True)}
    found = ranges_of(start, given, set())
    assert list(found) == list(given)
    assert found["learning_rate"] == Range(1e-4, 1e-3)
    with pytest.raises(UpslopeError, match="Did you mean 'learning_rate'"):
        ranges_of(start, ["learning_rat"], set())
    with pytest.raises(UpslopeError, match="empty search"):
        ranges_of(start, [], set())


def test_minibatches_divide_what_they_are_drawn_from():
    config = resolve("CartPole-v1", "ppo", {"n_envs": 6})
    found = fitted(config, {"n_steps": 32, "batch_size": 1024})
    assert found == {"n_steps": 32, "batch_size": 64}  # gcd(1024, 192)
    assert fitted(config, {"n_steps": 32, "batch_size": 96})["batch_size"] == 96
    changed = with_settings(config, {**found, "gamma": 0.9})
    assert changed.method_settings["batch_size"] == 64
    assert changed.objective_settings["gamma"] == 0.9
    assert config.objective_settings["gamma"] == 0.99
