"""What `upslope show ENV` says beyond a docstring: what training on an environment accepts."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from upslope.core.checks import UpslopeError
from upslope.core.shell_command import shell_command

if TYPE_CHECKING:
    from upslope.environments.adaptors.gymnasium import GymnasiumSpec
    from upslope.environments.environment import Environment

HEAD = 14  # columns before what is said


def is_environment_elsewhere(name: str) -> bool:
    """Whether a name can only be that of an environment of another library, or of a file."""
    from upslope.environments.adaptors.gymnasium import is_registered

    return ":" in name or is_registered(name)


def nearest_elsewhere(name: str) -> str | None:
    """Gymnasium's id that a name such as `Ant-v9` most likely meant."""
    from upslope.environments.adaptors.gymnasium import nearest_id

    return nearest_id(name) if re.search(r"-v\d+$", name) else None


def card_elsewhere(name: str, width: int) -> Iterator[str]:
    """The card of an environment that Upslope does not have itself: settings, spaces, methods.

    Raises:
      UpslopeError: there is none of that name, or its package is not installed.
    """
    from upslope.cli.setting import value_text
    from upslope.environments import make
    from upslope.environments.adaptors.atari import REPLACED, settings_of_frames
    from upslope.environments.adaptors.gymnasium import GymnasiumSpec, keywords_of

    environment = make(name)
    simulated = isinstance(environment, GymnasiumSpec)
    kind = "a simulator, stepped on the host" if simulated else "a JAX environment, compiled"
    yield f"{name}: {kind}"
    if simulated and environment.factory is None:
        yield ""
        yield "Settings"
        settings = {**keywords_of(environment.id), "time_limit": environment.time_limit}
        settings.pop("render_mode", None)  # nobody watches training
        if environment.atari is not None:
            shown = {name: value for name, value in settings.items() if name not in REPLACED}
            settings = {**settings_of_frames(environment.atari), **shown}
        for setting, default in settings.items():
            yield f"  --env.{setting.replace('_', '-')}  = {value_text(default)}"
    yield from accepted(name, environment, width)


def accepted(name: str, environment: Environment | GymnasiumSpec, width: int) -> Iterator[str]:
    """What `upslope train` accepts for an environment: spaces, policies, tuned methods.

    Args:
      name: what `upslope train` calls it.
      environment: what `make` gives for it.
      width: of a line.
    """
    from upslope.policies.default import choose_kind, compatible_kinds
    from upslope.training.build import spaces_of
    from upslope.training.config import DEFAULT_METHOD
    from upslope.training.presets import preset_for, tuned_methods

    observation, action = spaces_of(environment)
    yield ""
    yield "Training"
    yield from row("observations", str(observation), width)
    yield from row("actions", str(action), width)
    limit = environment.time_limit
    yield from row("time limit", "none" if limit is None else f"{limit:,} steps", width)
    try:
        usual = choose_kind(observation, action)
    except UpslopeError as error:
        yield from row("policies", str(error), width)
        return
    others = [kind for kind in compatible_kinds(observation, action) if kind != usual]
    yield from row("policies", ", ".join([f"{usual} (the default)", *others]), width)
    preset = preset_for(name, None)
    method = DEFAULT_METHOD if preset is None else preset.method
    tuned = tuned_methods(name)
    yield from row("methods", f"{method} (the default); the others: upslope list methods", width)
    text = ", ".join(tuned) if tuned else "none of them: each runs with its own defaults"
    yield from row("tuned here", text, width)
    yield from solved(name, environment, width)
    yield ""
    yield f"Try it: {shell_command('train', name)}"


def solved(name: str, environment: Environment | GymnasiumSpec, width: int) -> Iterator[str]:
    """The optimal policy and values of a grid world whose table is known; nothing for others."""
    from upslope.environments.tabular.grid_layout import grid_of

    layout = grid_of(environment)
    if layout is None or (not is_simulated(environment) and not hasattr(environment, "finite_mdp")):
        return
    import sys

    from upslope.drawing.grid_text import cells_text
    from upslope.planning.dynamic_programming.solving import GAMMA, solve

    found = solve(environment, "value-iteration", GAMMA)
    ascii_only = not (sys.stdout.encoding or "ascii").lower().startswith("utf")
    cells = layout.n_states
    actions, ends = found.optimal_actions[:cells], found.terminal[:cells]
    lines = cells_text(
        layout, found.values[:cells], actions, ends, width=width - 2, ascii_only=ascii_only
    )
    if lines:
        yield ""
        yield f"Solved, gamma = {GAMMA:g} ({shell_command('solve', name)})"
        yield from (f"  {line}" for line in lines)


def is_simulated(environment: Environment | GymnasiumSpec) -> bool:
    """Whether an environment is a simulator."""
    from upslope.environments.adaptors.gymnasium import GymnasiumSpec

    return isinstance(environment, GymnasiumSpec)


def row(head: str, text: str, width: int) -> list[str]:
    """`  actions       Discrete(2)`, continued below where it is long."""
    indent = " " * (HEAD + 2)
    return textwrap.wrap(
        text,
        width,
        initial_indent=f"  {head:<{HEAD}}",
        subsequent_indent=indent,
        break_long_words=False,
    )
