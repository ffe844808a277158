"""`upslope record RUN`: a film of a run's policies."""

from __future__ import annotations

import os
from typing import Any

from upslope.cli.importing import importing
from upslope.core.checks import UpslopeError


def record(words: list[str]) -> int:
    """`upslope record RUN [--flags]`."""
    with importing():
        from upslope.cli.argv import Argv
        from upslope.cli.commands import one_folder, run_folder
        from upslope.cli.flags import Group, parse
        from upslope.cli.setting import Setting

    argv = Argv.read(words)
    folder = one_folder(argv)
    flags = [
        Setting("episodes", int, 1, "Episodes, one after the other, at most 20."),
        Setting(
            "deterministic", bool, "as the run's", "Act by the mode of the policy, not by a draw."
        ),
        Setting("sampled", bool, False, "Act by draws from the policy."),
        Setting("seed", int, 0, "Seed of the episodes."),
        Setting("max_steps", int, 1000, "Steps of an episode that are filmed, at most."),
        Setting("env", str, "the run's", "Another environment with the same spaces."),
    ]
    output = [
        Setting(
            "fps", float, "real time, at most 25", "Frames per second; beyond real time: faster."
        ),
        Setting(
            "out",
            str,
            "film.gif and film.mp4 in RUN",
            "The file, .gif or .mp4; without an ending: both.",
        ),
    ]
    parsed = parse(
        "upslope record",
        "Film the policies of a run: the episodes that upslope evaluate plays with the same "
        "--episodes, --seed and --env. Of several seeds the best, the median and the worst are "
        "shown side by side.",
        [Group("episodes", flags), Group("output", output)],
        argv,
        "RUN",
    )
    path = run_folder(folder, "record")
    options = arguments(parsed["episodes"] | parsed["output"])
    # Simulators draw without a window, and without a word of the library that draws for them.
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    with importing():
        from upslope.training.configure import configure
        from upslope.training.record_run import record as film

        configure(1)
    made = film(path, **options)
    for seed, heading in zip(made.seeds, made.headings, strict=True):
        returns = ", ".join(f"{value:,.1f}" for value in made.evaluation.returns[seed])
        print(f"return   {returns}  {heading}")
    for note in made.notes:
        print(f"note     {note}")
    for file in made.files:
        print(f"wrote    {file}")
    return 0


def arguments(flags: dict[str, Any]) -> dict[str, Any]:
    """Flags as the arguments of `upslope.record`.

    Raises:
      UpslopeError: actions are to be both deterministic and sampled.
    """
    options = dict(flags)
    sampled = options.pop("sampled", None)
    if sampled is not None:
        if options.get("deterministic", not sampled) == sampled:
            raise UpslopeError("upslope record got --deterministic and --sampled: choose one.")
        options["deterministic"] = not sampled
    if "env" in options:
        options["environment"] = options.pop("env")
    return options
