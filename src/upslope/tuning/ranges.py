"""Where trials look: a range for each setting, declared by its name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from upslope.core.checks import UpslopeError, check_number

Scale = Literal["linear", "log", "one-minus", "power"]
SCALES: tuple[Scale, ...] = ("linear", "log", "one-minus", "power")


class Suggests(Protocol):
    """What of an Optuna trial is needed."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """A float between two bounds."""
        ...

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """An int between two bounds, both included."""
        ...

    def suggest_categorical(self, name: str, choices: list[Any]) -> Any:
        """One of several values."""
        ...


class Range(NamedTuple):
    """Numbers between two bounds.

    Attributes:
      low: the smallest value.
      high: the largest value.
      scale: in what trials are spread evenly: the value ("linear"), its logarithm ("log"), the
        logarithm of 1 - value ("one-minus", for discounts), or powers of two alone ("power").
      integer: whether values are whole numbers.
    """

    low: float
    high: float
    scale: Scale = "log"
    integer: bool = False

    def suggest(self, trial: Suggests, name: str) -> float | int:
        """A value by the sampler of a trial."""
        if self.scale == "power":
            low, high = round(math.log2(self.low)), round(math.log2(self.high))
            return 2 ** trial.suggest_int(name, low, high)
        if self.scale == "one-minus":
            return 1 - trial.suggest_float(name, 1 - self.high, 1 - self.low, log=True)
        log = self.scale == "log"
        if self.integer:
            return trial.suggest_int(name, int(self.low), int(self.high), log=log)
        return trial.suggest_float(name, self.low, self.high, log=log)

    def position(self, value: object) -> float | int | None:
        """What `suggest` draws where it gives this value, clipped; None for what is no number."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        inside = min(max(value, self.low), self.high)
        if self.scale == "power":
            return round(math.log2(inside))
        if self.scale == "one-minus":
            return 1 - inside
        return round(inside) if self.integer else float(inside)

    def text(self) -> str:
        """As `parse_range` reads it."""
        whole = ":int" if self.integer and self.scale != "power" else ""
        return f"{self.low:g}:{self.high:g}:{self.scale}{whole}"


class OneOf(NamedTuple):
    """One of several values.

    Attributes:
      values: plain ones.
    """

    values: tuple[Any, ...]

    def suggest(self, trial: Suggests, name: str) -> Any:
        """A value by the sampler of a trial."""
        return trial.suggest_categorical(name, list(self.values))

    def position(self, value: object) -> Any:
        """The value itself; None for what is no choice."""
        return value if value in self.values else None

    def text(self) -> str:
        """As `parse_range` reads it."""
        return "|".join(
            str(value).lower() if isinstance(value, bool) else str(value) for value in self.values
        )


Searched: TypeAlias = Range | OneOf

# By name, which means the same in every method that has it.
RANGES: Mapping[str, Range] = {
    "batch_size": Range(16, 1024, "power", True),
    "clip_range": Range(0.05, 0.5),
    "ent_coef": Range(1e-5, 0.1),
    "exploration_final_eps": Range(0.005, 0.2),
    "exploration_fraction": Range(0.03, 0.6),
    "gae_lambda": Range(0.8, 0.995, "one-minus"),
    "gamma": Range(0.9, 0.9997, "one-minus"),
    "gradient_steps": Range(1, 32, "power", True),
    "max_grad_norm": Range(0.2, 20),
    "n_episodes": Range(4, 128, "log", True),
    "n_epochs": Range(1, 30, "log", True),
    "n_step": Range(1, 10, "log", True),
    "n_steps": Range(16, 2048, "power", True),
    "target_update_interval": Range(100, 20_000, "log", True),
    "temperature": Range(0.01, 100),
    "train_freq": Range(1, 16, "power", True),
    "vf_coef": Range(0.1, 2),
}
# Settings whose size depends on the method: a factor to both sides of where the search starts.
AROUND: Mapping[str, float] = {
    "critic_learning_rate": 30,
    "learning_rate": 30,
    "std": 10,
    "std_learning_rate": 10,
    "step": 10,
    "weight_decay": 30,
}


def default_ranges(start: Mapping[str, Any]) -> dict[str, Searched]:
    """The settings that are searched where nothing else is said, in the order of `start`.

    Args:
      start: settings by name with the values from which the search begins.
    """
    found: dict[str, Searched] = {}
    for name, value in start.items():
        usual = usual_range(name, value)
        if usual is not None:
            found[name] = usual
    return found


def usual_range(name: str, value: object) -> Range | None:
    """The range declared for a setting; None where there is none."""
    if name in RANGES:
        # What is off (None) stays off: a bound that was not wanted is another method.
        return None if value is None and name != "batch_size" else RANGES[name]
    if name in AROUND and isinstance(value, int | float) and value > 0:
        return Range(value / AROUND[name], value * AROUND[name])
    return None


def range_for(name: str, value: object) -> Searched:
    """The range of a setting that was asked for by name: declared, or derived from its value.

    A positive number is searched to a tenth and to ten times (whole ones to a quarter and to four
    times), a switch both ways.

    Raises:
      UpslopeError: nothing can be derived; says how a range is given.
    """
    usual = usual_range(name, value)
    if usual is not None:
        return usual
    if isinstance(value, bool):
        return OneOf((False, True))
    if isinstance(value, int) and value >= 1:
        return Range(max(1, value // 4), 4 * value, "log", True)
    if isinstance(value, float) and value > 0:
        return Range(value / 10, 10 * value)
    raise UpslopeError(
        f"tune() has no range for {name}, which is {value!r:.60}: give one, such as "
        f"--search {name}=0.001:1:log in a command, search={{{name!r}: '0.001:1:log'}} in Python."
    )


def parse_range(name: str, text: str, fractions: bool = False) -> Searched:
    """A range as text: `1e-5:1e-2`, `8:64:power`, `0.9:0.999:one-minus`, `4:32:log:int`, `a|b|c`.

    Without a scale it is "log" where both bounds are above zero, else "linear"; two bounds without
    a point or an exponent are of whole numbers.

    Args:
      name: of the setting, for errors.
      text: the range.
      fractions: whether the setting has them, so that bounds say nothing of it.

    Raises:
      UpslopeError: it is none.
    """
    from upslope.training.config_file import parse_value

    if "|" in text:
        return OneOf(tuple(parse_value(part.strip()) for part in text.split("|")))
    low, _, rest = text.partition(":")
    high, *options = rest.split(":")
    try:
        bounds = float(low), float(high)
    except ValueError:
        raise wrong_range(name, text, "it has no two bounds") from None
    scale: Scale = "log" if bounds[0] > 0 else "linear"
    digits = low.strip("+-").isdigit() and high.strip("+-").isdigit()
    integer = digits and not options and not fractions
    for option in options:
        if option == "int":
            integer = True
        elif option in SCALES:
            scale = option
        else:
            raise wrong_range(name, text, f"{option!r} is no scale")
    return checked(name, Range(*bounds, scale, integer or scale == "power"), text)


def checked(name: str, found: Range, text: str) -> Range:
    """A range whose bounds fit each other and its scale."""
    for value in found[:2]:
        check_number("tune()", f"search[{name!r}]", value)
    if not found.low < found.high:
        raise wrong_range(name, text, "its first bound is not below the second")
    if found.scale in ("log", "power") and found.low <= 0:
        raise wrong_range(name, text, f"the scale {found.scale} needs bounds above 0")
    if found.scale == "one-minus" and not 0 <= found.low < found.high < 1:
        raise wrong_range(name, text, "the scale one-minus needs bounds from 0 to below 1")
    return found


def wrong_range(name: str, text: str, why: str) -> UpslopeError:
    """The error for a text that is no range."""
    return UpslopeError(
        f"tune() got {name}={text!r:.60}: {why}. A range is LOW:HIGH or LOW:HIGH:SCALE, with the "
        f"scale one of {', '.join(SCALES)}; choices are a|b|c."
    )
