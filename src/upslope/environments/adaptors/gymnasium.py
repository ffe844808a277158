"""A simulator of Gymnasium's interface: how to build it and what it looks like."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import importlib
import importlib.util
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeGuard

from upslope.core.checks import (
    EnvironmentContractError,
    UpslopeError,
    check_number,
    check_settings,
    missing_extra,
    nearest,
)
from upslope.core.own_frame import raised
from upslope.core.said_once import close_quietly
from upslope.environments.adaptors.atari import (
    EARLIER,
    AtariFrames,
    hush_emulator,
    is_atari,
    names_of_settings,
    settings_of_frames,
    taken,
)

if TYPE_CHECKING:
    from gymnasium import Env, spaces
    from gymnasium.envs.registration import EnvSpec

# Where in an entry point an optional part of Gymnasium shows, and the extra that installs it.
EXTRAS = {"box2d": ("Box2D", "box2d"), "mujoco": ("mujoco", "mujoco")}

# Files that are on the way when an environment is built, and not where its mistake is.
OURS = (__file__,)

# The prefix of what an environment is called that was passed in and that no name builds again.
GIVEN = "given"


@dataclass(frozen=True)
class GymnasiumSpec:
    """A recipe: how to build a simulator, as plain data that can be sent to worker processes.

    Attributes:
      id: Gymnasium's id, or the class's name for an environment passed in.
      kwargs: keyword arguments of `gymnasium.make`.
      factory: builds the simulator instead of `gymnasium.make`, for environments passed in.
      action_mask: observe `info["action_mask"]` as the field `action_mask`, which actions are
        allowed (Taxi tells it there).
      atari: what policies see of an Atari game; None for raw frames, and for all other simulators.
      engine: which engine samples it (`upslope.sampling.ENGINES`). A class attribute.
    """

    engine: ClassVar[str] = "gymnasium"
    id: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    factory: Callable[[], Env] | None = field(default=None, repr=False)
    action_mask: bool = False
    atari: AtariFrames | None = None

    @classmethod
    def registered(cls, id: str, settings: Mapping[str, Any] | None = None) -> GymnasiumSpec:
        """The environment that Gymnasium has registered under an id.

        `time_limit` becomes Gymnasium's `max_episode_steps`; `action_mask`, and of Atari games
        `preprocessing` and the fields of `AtariFrames`, are ours; other settings are passed on.

        Raises:
          UpslopeError: an id that is not registered or a setting that it does not have (the
            nearest is offered), or an optional package is missing (with the command for it).
        """
        if not is_registered(id):
            guess = nearest_id(id)
            hint = f" Did you mean {guess!r}?" if guess else ""
            raise UpslopeError(
                f"Gymnasium has no environment {id!r}.{hint} An environment of another package is "
                "registered when that package is imported: name it PACKAGE:ID, or import the "
                "package before (--import PACKAGE on the command line)."
            )
        kwargs = dict(settings or {})
        masked = kwargs.pop("action_mask", False)
        if not isinstance(masked, bool):
            raise UpslopeError(f"{id} got action_mask={masked!r}: it must be True or False.")
        atari = None
        if is_atari(id):
            atari, kwargs = taken(id, kwargs)
        _check_package(id)
        if atari is not None and importlib.util.find_spec("cv2") is None:
            raise missing_extra(id, "opencv-python-headless", "atari")
        if kwargs:
            _check_keywords(id, kwargs)
        if "time_limit" in kwargs:
            limit = kwargs.pop("time_limit")
            if limit is not None:
                check_number(id, "time_limit", limit, at_least=1, integer=True)
            # Gymnasium reads None as "the id's own limit" and -1 as "no limit"
            kwargs["max_episode_steps"] = -1 if limit is None else int(limit)
        return cls(id, kwargs, action_mask=masked, atari=atari)

    @classmethod
    def of(cls, env: Env) -> GymnasiumSpec:
        """The recipe of an environment; the instance itself is not stepped.

        An id with keyword arguments where these give the same simulator, else a factory.

        Raises:
          UpslopeError: it can neither be rebuilt from its specification nor copied.
        """
        spec = _complete_spec(env)
        if spec is not None:
            kwargs = _kwargs_of(spec)
            if kwargs is not None and (named := cls(spec.id, kwargs)).settings is not None:
                return named
            return cls(spec.id, {}, functools.partial(_from_spec, spec))
        try:
            copy.deepcopy(env)
        except Exception as error:
            raise UpslopeError(
                f"{env} can neither be rebuilt (it was not made by gymnasium.make, or a wrapper "
                f"does not record its arguments) nor copied ({error}). Pass a function that builds "
                "it instead."
            ) from error
        return cls(_name_of(env), {}, functools.partial(copy.deepcopy, env))

    @classmethod
    def built_by(cls, factory: Callable[[], Env]) -> GymnasiumSpec:
        """The recipe of what a function without arguments builds."""
        name = getattr(factory, "__name__", type(factory).__name__)
        return cls(name, {}, factory)

    @classmethod
    def of_class(cls, environment: type[Env], settings: Mapping[str, Any]) -> GymnasiumSpec:
        """The recipe of a class with keyword arguments for it; `time_limit` truncates, as ever.

        Raises:
          UpslopeError: an argument that it does not take; the nearest is offered.
        """
        kwargs = dict(settings)
        limit = kwargs.pop("time_limit", None)
        parameters = inspect.signature(environment).parameters
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            check_settings(environment.__name__, kwargs, [*parameters, "time_limit"])
        if limit is None:
            return cls(environment.__name__, {}, functools.partial(environment, **kwargs))
        check_number(environment.__name__, "time_limit", limit, at_least=1, integer=True)
        build = functools.partial(_limited, environment, int(limit), kwargs)
        return cls(environment.__name__, {}, build)

    @property
    def name(self) -> str:
        """The name that gives this recipe again together with `settings`.

        Where there are no such settings, one that says what it is called and that `make` refuses.
        """
        return f"{GIVEN if self.settings is None else 'gymnasium'}:{self.id}"

    @property
    def settings(self) -> dict[str, Any] | None:
        """The settings with which `registered` gives this recipe again; None if none do.

        They are plain values, which a configuration file holds. None is for a factory and for
        keyword arguments that are objects.
        """
        if self.factory is not None or not is_plain(dict(self.kwargs)):
            return None
        settings = dict(self.kwargs)
        limit = settings.pop("max_episode_steps", None)
        if limit is not None:
            settings["time_limit"] = None if limit == -1 else limit
        if self.action_mask:
            settings["action_mask"] = True
        if self.atari is not None:
            settings.pop("frameskip", None)
        return {**settings_of_frames(self.atari), **settings} if is_atari(self.id) else settings

    def build(self) -> Env:
        """A new simulator.

        Raises:
          UpslopeError: a package is missing, or the simulator cannot be built with the keyword
            arguments.
          EnvironmentContractError: the factory returned something else.
        """
        import gymnasium

        if is_atari(self.id):
            hush_emulator()
        try:
            with _quiet_bindings():
                if self.factory is None:
                    env = gymnasium.make(self.id, **self.kwargs)
                else:
                    env = self.factory()
                if self.atari is not None:
                    env = self.atari.wrap(env)
                if self.action_mask:
                    env = _with_action_mask(env)
        except (Exception, SystemExit) as error:
            if "pygame" in str(error):
                raise missing_extra(self.id, "pygame", "classic") from error
            remedy = ""
            if isinstance(error, TypeError) and "required" in str(error):
                remedy = ". Give it what it needs: --env.NAME VALUE, environment_settings={...}."
            raise UpslopeError(
                f"{self.id} could not be built: {raised(error, without=OURS)}{remedy}"
            ) from error
        if not is_gymnasium(env):
            raise EnvironmentContractError(
                f"{self.id} built a {type(env).__name__}: it must be a gymnasium.Env."
            )
        for name in ("observation_space", "action_space"):
            if getattr(env, name, None) is None:
                raise EnvironmentContractError(
                    f"{self.id} has no {name}: set self.{name} in __init__, to one of the classes "
                    "of gymnasium.spaces."
                )
        return env

    def held_out(self) -> GymnasiumSpec:
        """The recipe of what held-out episodes are played in: whole games, not single lives."""
        if self.atari is None or not self.atari.terminal_on_life_loss:
            return self
        whole = dataclasses.replace(self.atari, terminal_on_life_loss=False)
        return dataclasses.replace(self, atari=whole)

    def rendering(self) -> GymnasiumSpec:
        """The recipe of the same simulator with `render_mode="rgb_array"`.

        It is the recipe itself where a factory builds the simulator that does not take a
        `render_mode`.
        """
        picture = {"render_mode": "rgb_array"}
        factory = self.factory
        if factory is None:
            return dataclasses.replace(self, kwargs={**self.kwargs, **picture})
        if isinstance(factory, functools.partial) and factory.func is _from_spec:
            (spec,) = factory.args
            spec = dataclasses.replace(spec, kwargs={**spec.kwargs, **picture})
            return dataclasses.replace(self, factory=functools.partial(_from_spec, spec))
        if isinstance(factory, functools.partial) and factory.func is _limited:
            environment, limit, kwargs = factory.args
            kwargs = {**kwargs, **picture} if _takes_render_mode(environment) else kwargs
            return dataclasses.replace(
                self, factory=functools.partial(_limited, environment, limit, kwargs)
            )
        if _takes_render_mode(factory):
            return dataclasses.replace(self, factory=functools.partial(factory, **picture))
        return self

    @property
    def observation_space(self) -> spaces.Space:
        """Of one simulator."""
        return _described(self)[0]

    @property
    def action_space(self) -> spaces.Space:
        """Of one simulator."""
        return _described(self)[1]

    @property
    def time_limit(self) -> int | None:
        """After how many steps the simulator itself truncates; None if it does not say."""
        return _described(self)[2]

    def __hash__(self) -> int:
        kwargs = repr(sorted(self.kwargs.items()))
        return hash((self.id, kwargs, self.factory, self.action_mask, self.atari))


def _limited(environment: type[Env], limit: int, kwargs: Mapping[str, Any]) -> Env:
    from gymnasium.wrappers import TimeLimit

    return TimeLimit(environment(**kwargs), limit)


def _takes_render_mode(factory: Callable[..., Any]) -> bool:
    """Whether a class or a function can be asked for pictures."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.name == "render_mode" or p.kind is p.VAR_KEYWORD for p in parameters)


def is_class(thing: object) -> TypeGuard[type[Env]]:
    """Whether something is a class of Gymnasium environments."""
    import gymnasium

    return isinstance(thing, type) and issubclass(thing, gymnasium.Env)


# Prefixes of ids that a package registers: the module, what of it is called, and what installs it.
NAMESPACES = {
    "ALE": ("ale_py", None, "pip install 'upslope[atari]'"),
    "MinAtar": ("minatar.gym", "register_envs", "pip install minatar"),
    "dm_control": ("shimmy", None, "pip install 'shimmy[dm-control]'"),
}


def import_namespace(id: str) -> None:
    """Imports the package that registers ids of a known prefix, such as `ALE/`, or of Atari games.

    Raises:
      UpslopeError: it is not installed; says how to.
    """
    prefix, slash, _ = id.partition("/")
    if EARLIER in id:  # the ids of games that have no prefix
        prefix, slash = "ALE", "/"
    if not slash or prefix not in NAMESPACES or id in _registry():
        return
    module, function, install = NAMESPACES[prefix]
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise UpslopeError(
            f"{id} needs the package {module.partition('.')[0]}, which cannot be imported "
            f"({error}): {install}"
        ) from error
    if function is not None:
        getattr(found, function)()


def is_registered(id: str) -> bool:
    """Whether Gymnasium has an environment of exactly this id.

    Raises:
      UpslopeError: it is of a known package, which is imported for it, and that is not installed.
    """
    import_namespace(id)
    return id in _registry()


def registered_ids() -> list[str]:
    """All ids that Gymnasium has."""
    return list(_registry())


def nearest_id(id: str) -> str | None:
    """Gymnasium's registered id that `id` most likely meant, the newest version first."""
    ids = sorted(_registry(), key=_version, reverse=True)
    stem = id.rpartition("-v")[0] or id
    same = [known for known in ids if known.rpartition("-v")[0].lower() == stem.lower()]
    return same[0] if same else nearest(id, ids)


def _check_package(id: str) -> None:
    """Raises if the optional package that an environment needs is not installed."""
    entry = str(_registry()[id].entry_point)
    for part, (package, extra) in EXTRAS.items():
        if f".{part}" in entry and importlib.util.find_spec(package) is None:
            raise missing_extra(id, package, extra)


def _check_keywords(id: str, settings: Mapping[str, Any]) -> None:
    """Raises for the first setting that the simulator's constructor does not take."""
    parameters = _parameters(id)
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        usual = _registry()[id].kwargs
        ours = names_of_settings() if is_atari(id) else []
        known = [*parameters, *usual, *ours, "time_limit", "action_mask"]
        check_settings(id, settings, known)


def keywords_of(id: str) -> dict[str, Any]:
    """The keyword arguments that a registered environment takes, with the defaults of its id."""
    named = {
        name: None if parameter.default is parameter.empty else parameter.default
        for name, parameter in _parameters(id).items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    return {**named, **_registry()[id].kwargs}


def _parameters(id: str) -> Mapping[str, inspect.Parameter]:
    """Of a simulator's constructor."""
    from gymnasium.envs.registration import load_env_creator

    with _quiet_bindings():
        entry = _registry()[id].entry_point
        creator = load_env_creator(entry) if isinstance(entry, str) else entry
    return inspect.signature(creator).parameters


@contextlib.contextmanager
def _quiet_bindings() -> Iterator[None]:
    """Box2D's bindings crash the interpreter if the warning they give is made an error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="builtin type [Ss]wig")
        yield


def is_gymnasium(thing: object) -> TypeGuard[Env]:
    """Whether something is a Gymnasium environment."""
    import gymnasium

    return isinstance(thing, gymnasium.Env)


def _registry() -> Mapping[str, Any]:
    import gymnasium

    return gymnasium.registry


def _version(id: str) -> int:
    tail = id.rpartition("-v")[2]
    return int(tail) if tail.isdigit() else 0


@functools.lru_cache(maxsize=64)
def _described(environment: GymnasiumSpec) -> tuple[Any, Any, int | None]:
    env = environment.build()
    try:
        limit = env.spec.max_episode_steps if env.spec is not None else None
        limit = limit if limit is not None and limit > 0 else None  # -1 lifts the id's own limit
        return env.observation_space, env.action_space, limit
    finally:
        close_quietly(env, environment.id)


def _with_action_mask(env: Env) -> Env:
    from upslope.environments.adaptors.action_mask import ActionMaskObservation

    return ActionMaskObservation(env)


def _complete_spec(env: Env) -> EnvSpec | None:
    """The specification from which `gymnasium.make` rebuilds an environment, wrappers and all."""
    try:
        spec = env.spec
    except Exception:
        return None
    if spec is None or not is_registered(spec.id):
        return None
    return None if any(w.kwargs is None for w in spec.additional_wrappers) else spec


def _kwargs_of(spec: EnvSpec) -> dict[str, Any] | None:
    """Keyword arguments with which `gymnasium.make(id, ...)` gives what `spec` does, or None."""
    usual = _registry()[spec.id]
    same = dataclasses.replace(usual, kwargs=spec.kwargs, max_episode_steps=spec.max_episode_steps)
    if spec != same:
        return None
    kwargs = {
        name: value
        for name, value in spec.kwargs.items()
        if name not in usual.kwargs or not _equal(usual.kwargs[name], value)
    }
    if spec.max_episode_steps != usual.max_episode_steps:
        limit = spec.max_episode_steps
        kwargs["max_episode_steps"] = -1 if limit is None else limit
    return kwargs


def _equal(one: object, other: object) -> bool:
    """Whether two values are equal; arrays, which compare element by element, are not."""
    try:
        return bool(one == other)
    except ValueError:
        return False


def is_plain(value: object) -> bool:
    """Whether a value comes back from a configuration file as it was."""
    if type(value) is dict:
        return all(type(name) is str and is_plain(part) for name, part in value.items())
    if type(value) is list:
        return all(map(is_plain, value))
    return value is None or type(value) in (bool, int, float, str)


def _from_spec(spec: EnvSpec) -> Env:
    import gymnasium

    return gymnasium.make(spec)


def _name_of(env: Env) -> str:
    return type(env.unwrapped).__name__
