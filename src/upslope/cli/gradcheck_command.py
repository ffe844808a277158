"""`upslope gradcheck ENV`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from upslope.cli.importing import importing
from upslope.core.checks import StorageError, UpslopeError


def gradcheck(words: list[str]) -> int:
    """Checks gradient estimators and prints a row for each.

    Returns:
      The exit code: 1 when a finding contradicts what an estimator declares.
    """
    with importing():
        from upslope.cli.flags import Group, parse
        from upslope.cli.setting import Setting

    environment, rest = None, words
    if words and not words[0].startswith("-"):
        environment, rest = words[0], words[1:]
    flags = [
        Setting("estimators", str, "all", "Names with commas; upslope list estimators has them."),
        Setting("policy", str, "a fresh one", "A run folder, or a kind; upslope list policies."),
        Setting("episodes", int, 100_000, "For each estimator."),
        Setting("batch", int, 8, "Episodes in one estimate."),
        Setting("gamma", float, "none", "A discount: the discounted objective."),
        Setting("seed", int, 0, "Of the policy's parameters and of the episodes."),
        Setting("json", str, "none", "Write everything to this file."),
        Setting("plot", str, "none", "Draw biases and variances into this file (PNG, SVG, PDF)."),
    ]
    typed: dict[str, Any] = parse(
        "upslope gradcheck",
        "Hold gradient estimators to the exact gradient: bias, variance, cost, and a verdict.",
        [Group("gradient check", flags)],
        rest,
        "ENV",
    )["gradient check"]
    if environment is None:
        raise UpslopeError("upslope gradcheck needs an environment: upslope gradcheck ENV")
    files = {name: target(typed.get(name)) for name in ("json", "plot")}
    if files["plot"] is not None:
        from upslope.plots.estimator_bars import require_matplotlib

        require_matplotlib()
    with importing():
        from upslope.diagnostics.gradient_check import gradcheck as check
        from upslope.objectives import DiscountedReturn
        from upslope.training.devices import prepare

    prepare(1)
    objective = DiscountedReturn(typed["gamma"]) if "gamma" in typed else None
    wanted = typed.get("estimators")
    report = check(
        environment,
        policy_of(typed.get("policy"), environment, typed.get("seed", 0)),
        objective,
        None if wanted in (None, "all") else wanted,
        progress=tell if sys.stderr.isatty() else None,
        **{name: typed[name] for name in ("episodes", "batch", "seed") if name in typed},
    )
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    print(report.text())
    print(f"\ntime       {report.seconds:.1f} s, compilation included")
    if files["json"] is not None:
        files["json"].write_text(report.to_json() + "\n", encoding="utf-8")
        print(f"written    {files['json']}")
    if files["plot"] is not None:
        from upslope.plots.estimator_bars import estimator_bars

        estimator_bars(report).savefig(files["plot"])
        print(f"drawn      {files['plot']}")
    return 1 if report.contradictions else 0


def target(name: str | None) -> Path | None:
    """A file to write, whose folder is there.

    Raises:
      StorageError: it is not.
    """
    if name in (None, "none"):
        return None
    path = Path(str(name))
    if not path.parent.is_dir():
        raise StorageError(f"{path} cannot be written: the folder {path.parent} does not exist.")
    return path


def policy_of(name: str | None, environment: str, seed: int) -> Any:
    """A policy from a run folder (its first seed's), or a fresh one of a kind; None for the default.

    Raises:
      UpslopeError: it is neither.
    """
    if name in (None, "a fresh one"):
        return None
    path = Path(str(name))
    if path.is_dir():
        import jax

        from upslope.training.policy_artifact import load_policy

        folder = path if path.name == "policy" else path / "policy"
        return jax.tree.map(lambda leaf: leaf[0], load_policy(folder).policy)
    import jax

    from upslope.diagnostics.check_policies import moved
    from upslope.environments.make import make
    from upslope.policies import default_policy

    world = make(environment)
    fresh_key, noise_key = jax.random.split(jax.random.key(seed))
    policy = default_policy(fresh_key, world.observation_space, world.action_space, kind=name)
    return moved(noise_key, policy)


def tell(name: str) -> None:
    """One line that is written over."""
    print(f"\r\x1b[K{name} ...", end="", file=sys.stderr, flush=True)
