"""From a name, with settings, to an environment."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from upslope.core.checks import UpslopeError, check_number, check_settings, nearest
from upslope.environments import ENVIRONMENTS
from upslope.environments.environment import Environment
from upslope.environments.user_code import PREFIXES, class_in, imported, is_file, names_code

if TYPE_CHECKING:
    import gymnasium

    from upslope.environments.adaptors.gymnasium import GymnasiumSpec

    # What `make` understands: a name, an environment, its class, or how to build a simulator.
    Simulator: TypeAlias = gymnasium.Env | Callable[[], gymnasium.Env]
    EnvironmentLike: TypeAlias = str | Environment | type[Environment] | GymnasiumSpec | Simulator


def make(name: EnvironmentLike, **settings: Any) -> Environment | GymnasiumSpec:
    """The environment of that name.

    Args:
      name: one of

        - a name in `ENVIRONMENTS`, such as "CartPole-v1": the native JAX environment;
        - "gymnasium:ID", "gymnax:NAME", "brax:NAME", "pgx:NAME": that library's environment;
        - any other id that Gymnasium has registered, such as "LunarLander-v3";
        - "my_package:My-v0" or "./my_env.py:MyEnv": what a module or a file of your own registers
          or defines; it is imported;
        - an `Environment` or a `GymnasiumSpec`: returned as it is (with settings: a copy of the
          environment with those fields replaced);
        - a Gymnasium environment, or a function without arguments that builds one.
      settings: of the environment: the fields of a native one, the keyword arguments of another
        library's. `time_limit` is known to all of them.

    Returns:
      An `Environment` (JAX) or a `GymnasiumSpec` (simulators on the host).

    Raises:
      UpslopeError: an unknown name or setting (the nearest is offered), a number out of its range,
        or a library that is not installed (with the command that installs it).
    """
    if isinstance(name, str) and names_code(name):
        found = imported(name)
        return make(found, **settings)
    return known(name, **settings)


def known(name: EnvironmentLike, **settings: Any) -> Environment | GymnasiumSpec:
    """`make` without importing code of the user's: for names that stand in files.

    Raises:
      UpslopeError: as `make`, and for a name that would have to be imported.
    """
    if not isinstance(name, str):
        return _wrap(name, settings)
    name = spelled(name)
    if names_code(name):
        raise UpslopeError(
            f"{name!r} is code of your own, which is imported where you name it yourself and never "
            f"because a file does: give it again, with --env {shlex.quote(name)} on the command "
            f"line or environment={name!r} in Python (--evaluation-environment, "
            "evaluation_environment= for the one that held-out episodes are played in)."
        )
    prefix, colon, rest = name.partition(":")
    if not colon:
        return _bare(name, settings)
    if prefix == "gymnasium":
        from upslope.environments.adaptors.gymnasium import GymnasiumSpec

        return GymnasiumSpec.registered(rest, settings)
    if prefix == "gymnax":
        from upslope.environments.adaptors.gymnax import GymnaxEnvironment

        return GymnaxEnvironment.make(rest, **settings)
    if prefix == "brax":
        from upslope.environments.adaptors.brax import BraxEnvironment

        return BraxEnvironment.make(rest, **settings)
    if prefix == "pgx":
        from upslope.environments.adaptors.pgx import pgx_environment

        return pgx_environment(rest, **settings)
    from upslope.environments.adaptors.gymnasium import GIVEN

    if prefix == GIVEN:
        raise UpslopeError(
            f"No name builds {name!r} again: it was passed in as an object, with wrappers or "
            "arguments of its own, or as a function. Pass it in again (environment=...), or name "
            "it on the command line: --env ./my_env.py:MyEnv."
        )
    guess = nearest(prefix, PREFIXES)
    hint = f" Did you mean '{guess}:{rest}'?" if guess else ""
    raise UpslopeError(
        f"Unknown environment {name!r}: {prefix!r} is not a library of environments.{hint} "
        f"Known: {', '.join(PREFIXES)}; code of your own: ./my_env.py:MyEnv or my_package:My-v0."
    )


def spelled(name: str) -> str:
    """The registered name that a name means, if only one is the same without case and version.

    `cartpole` is CartPole-v1, `lunarlander-V3` is LunarLander-v3, `frozen-lake` is FrozenLake-v1;
    others stay as they are.
    """
    from upslope.environments.adaptors import gymnasium as gymnasium_spec

    if ":" in name or name in ENVIRONMENTS or gymnasium_spec.is_registered(name):
        return name
    plain = lambda text: text.lower().replace("-", "").replace("_", "")  # noqa: E731
    for wanted, fold in ((name.lower(), str.lower), (plain(name), plain)):
        for names in (ENVIRONMENTS.names(), gymnasium_spec.registered_ids()):
            for whole in (True, False):
                found = [n for n in names if fold(n if whole else n.rpartition("-v")[0]) == wanted]
                if len(found) == 1:
                    return found[0]
    return name


def _bare(name: str, settings: dict[str, Any]) -> Environment | GymnasiumSpec:
    if name in ENVIRONMENTS:
        return _native(name, ENVIRONMENTS.get(name), settings)
    from upslope.environments.adaptors import gymnasium as gymnasium_spec

    if gymnasium_spec.is_registered(name):
        return gymnasium_spec.GymnasiumSpec.registered(name, settings)
    if is_file(name):
        raise UpslopeError(
            f"{name} is a file: say which environment in it, by its class or a function that "
            f"builds it, {name}:{class_in(Path(name)) or 'MyEnv'}."
        )
    names = ENVIRONMENTS.names()
    guess = nearest(name, names) or gymnasium_spec.nearest_id(name)
    hint = f" Did you mean {guess!r}?" if guess else ""
    raise UpslopeError(
        f"Unknown environment {name!r}.{hint} Known: {', '.join(names)}; any id registered with "
        "Gymnasium; 'gymnasium:ID', 'gymnax:NAME', 'brax:NAME' and 'pgx:NAME'; code of your own: "
        "./my_env.py:MyEnv or my_package:My-v0."
    )


def _native(name: str, target: Callable[..., Any], settings: dict[str, Any]) -> Environment:
    parameters = inspect.signature(target).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        check_settings(f"Environment {name!r}", settings, parameters)
    for setting, value in settings.items():
        default = parameters[setting].default if setting in parameters else None
        _check_kind(name, setting, value, default)
    missing = [
        p.name
        for p in parameters.values()
        if p.default is p.empty
        and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        and p.name not in settings
    ]
    if missing:
        raise UpslopeError(f"Environment {name!r} needs the settings {', '.join(missing)}.")
    return target(**settings)


def _check_kind(name: str, setting: str, value: object, default: object) -> None:
    """Raises if a setting is not of its default's kind: a switch, a whole number, a number."""
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise UpslopeError(f"{name} got {setting}={value!r}: it must be True or False.")
    elif isinstance(value, bool) and isinstance(default, int | float):
        raise UpslopeError(f"{name} got {setting}={value!r}: it must be a number.")
    elif isinstance(default, int | float) and value is not None and not hasattr(value, "shape"):
        check_number(name, setting, value, integer=isinstance(default, int))


def _wrap(environment: EnvironmentLike, settings: dict[str, Any]) -> Environment | GymnasiumSpec:
    if isinstance(environment, Environment):
        return _replaced(environment, settings) if settings else environment
    if isinstance(environment, type) and issubclass(environment, Environment):
        return _native(environment.__name__, environment, settings)
    from upslope.environments.adaptors import gymnasium as gymnasium_spec

    if settings and gymnasium_spec.is_class(environment):
        return gymnasium_spec.GymnasiumSpec.of_class(environment, settings)

    if isinstance(environment, gymnasium_spec.GymnasiumSpec) and not settings:
        return environment
    if settings:
        raise UpslopeError(
            f"make got {type(environment).__name__} with the settings {', '.join(settings)}: "
            "settings go with a name or a JAX environment. Build the environment with them instead."
        )
    given: Any = environment
    if gymnasium_spec.is_gymnasium(given):
        return gymnasium_spec.GymnasiumSpec.of(given)
    if callable(environment):
        return gymnasium_spec.GymnasiumSpec.built_by(given)
    raise UpslopeError(
        f"make got a {type(environment).__name__}: it must be a name, an upslope Environment, a "
        "Gymnasium environment or a function that builds one."
    )


def _replaced(environment: Environment, settings: dict[str, Any]) -> Environment:
    import dataclasses

    check_settings(
        type(environment).__name__, settings, [f.name for f in dataclasses.fields(environment)]
    )
    fields = {f.name: getattr(environment, f.name) for f in dataclasses.fields(environment)}
    return type(environment)(**{**fields, **settings})
