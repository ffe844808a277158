"""A set of Gymnasium simulators that step together, each at its own place in its own episode.

Relative imports: this module also runs in simulator processes, which never import JAX.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.checks import EnvironmentContractError, UpslopeError
from ...core.own_frame import raised
from ...core.said_once import close_quietly
from .gymnasium_spaces import ActionCoder, ObservationCoder
from .info_means import EpisodeMeans, InfoMeans
from .step_buffer import RESET, SKIP, STEP, SharedBuffer
from .watch import Remark, Watch

if TYPE_CHECKING:
    import gymnasium

    from .action_log import ActionLog


class SimulatorRaised(UpslopeError):
    """A simulator raised something that is not a breach of its contract."""

    exit_code = EnvironmentContractError.exit_code


class Simulators:
    """Simulators of this process. `step_all` does what every row's `command` says.

    A simulator whose episode ends is reset at once where `autoreset` says so, with the seed in the
    buffer: `successor` keeps the true end, `observation` is the first of the new episode.

    Attributes:
      buffer: commands and results.
      log: of the episodes under way, where one was given.
      limit: after how many steps an episode is truncated, besides the environment's own limit.

    Raises:
      EnvironmentContractError: the first reset or step of a simulator is not what its spaces
        promise, naming it and the remedy.
      SimulatorRaised: a simulator raised, with its traceback.
    """

    def __init__(
        self,
        build: Callable[[], gymnasium.Env],
        buffer: SharedBuffer,
        *,
        name: str,
        autoreset: bool,
        limit: int | None,
        first: int = 0,
        log: ActionLog | None = None,
    ):
        self.buffer, self.log = buffer, log
        self.name = name
        self.autoreset = autoreset
        self.limit = limit
        self._first = first
        count = len(buffer.command)
        self._envs: list[gymnasium.Env] = []
        try:
            for _ in range(count):
                self._envs.append(guarded(build, f"{name} could not be built"))
        except BaseException:  # those that were built may hold windows, ports or files
            self.close()
            raise
        self._age = [0] * count
        self._infos = InfoMeans(count)
        self._checked: list[set[str]] = [set() for _ in range(count)]
        if count:
            self._observations = ObservationCoder(self._envs[0].observation_space, name)
            self._actions = ActionCoder(self._envs[0].action_space, name)
        self._watch = Watch(name, self._observations.parts if count else [])

    @property
    def remarks(self) -> list[Remark]:
        """What was seen of the simulators so far."""
        return self._watch.remarks

    def take_infos(self) -> list[EpisodeMeans]:
        """What `info` held in the episodes that have ended since the last call."""
        return self._infos.take()

    def reset_counters(self) -> None:
        """Nothing to prepare: simulators of this process are not restarted."""

    def step_all(self) -> None:
        """Steps, resets or skips every simulator and writes what came of it into the buffer."""
        buffer = self.buffer
        self._watch.before()
        for index, command in enumerate(buffer.command.tolist()):
            if command == STEP:
                self._step(index)
            elif command == RESET:
                self._reset(index)
        self._watch.after(buffer.observation, buffer.command != SKIP)
        if self.log is not None:
            ended = buffer.terminated | buffer.truncated
            self.log.record(buffer.command, buffer.seed, buffer.action, ended)

    def close(self) -> None:
        """Closes the simulators; what one of them raises then is said and changes nothing."""
        for env in self._envs:
            close_quietly(env, self.name)
        self._envs = []

    def _step(self, index: int) -> None:
        buffer, env = self.buffer, self._envs[index]
        action = self._actions.decode(buffer.action[index])
        where = f"{self.name} (simulator {self._first + index})"
        result = guarded(lambda: env.step(action), f"{where} raised in step")
        if "step" not in self._checked[index]:
            check_step(result, where)
            self._observations.check(result[0], "step")
            self._checked[index].add("step")
        observation, reward, terminated, truncated, info = result
        self._infos.add(index, info)
        self._age[index] += 1
        terminated = bool(terminated)
        truncated = bool(truncated) or self._age[index] == self.limit
        buffer.reward[index] = reward
        buffer.terminated[index] = terminated
        buffer.truncated[index] = truncated and not terminated
        self._store(buffer.successor, index, observation)
        buffer.valid[index] = True
        if terminated or truncated:
            self._infos.end(index)
        if self.autoreset and (terminated or truncated):
            self._reset(index)
        else:
            for seen, after in zip(buffer.observation, buffer.successor, strict=True):
                seen[index] = after[index]

    def _reset(self, index: int) -> None:
        env, seed = self._envs[index], int(self.buffer.seed[index])
        where = f"{self.name} (simulator {self._first + index})"
        result = guarded(lambda: env.reset(seed=seed), f"{where} raised in reset(seed={seed})")
        if "reset" not in self._checked[index]:
            if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)):
                raise EnvironmentContractError(
                    f"{where} broke its contract in reset: it must return (observation, info), "
                    f"info a dict, not {shown(result)}. Environments of the old `gym` need "
                    "shimmy's GymV21Environment."
                )
            self._observations.check(result[0], "reset")
            self._checked[index].add("reset")
        self._age[index] = 0
        self._infos.begin(index)
        self._store(self.buffer.observation, index, result[0])

    def _store(self, columns: tuple[np.ndarray, ...], index: int, observation: Any) -> None:
        try:
            self._observations.store(columns, index, observation)
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            raise EnvironmentContractError(
                f"{self.name} (simulator {self._first + index}) broke its contract: the "
                f"observation {shown(observation)} does not fit "
                f"{self._observations.declared} ({error})."
            ) from error


def guarded(call: Callable[[], Any], what: str) -> Any:
    """Runs a simulator's code; what it raises comes back with its traceback as text.

    So does its leaving the program: `sys.exit()` in a simulator is an error of the simulator's.
    """
    try:
        return call()
    except UpslopeError:
        raise
    except SystemExit as error:
        raise SimulatorRaised(
            f"{what}: it called sys.exit ({raised(error)}), which would end the whole program: "
            "raise an exception, or return terminated=True."
        ) from error
    except TypeError as error:
        if "reset() got an unexpected keyword argument" in str(error):
            raise EnvironmentContractError(
                f"{what}: {error}. Declare it as reset(self, *, seed=None, options=None), call "
                "super().reset(seed=seed) in it, and draw from self.np_random."
            ) from error
        raise SimulatorRaised(text_of(what, error)) from error
    except Exception as error:
        raise SimulatorRaised(text_of(what, error)) from error


def text_of(what: str, error: Exception) -> str:
    """What a simulator raised, with where."""
    return f"{what}: {type(error).__name__}: {error}\n{traceback.format_exc()}"


def check_step(result: Any, where: str) -> None:
    """Raises EnvironmentContractError unless `result` is what `env.step` must return."""
    start = f"{where} broke its contract in step: "
    if not isinstance(result, tuple) or len(result) != 5:
        remedy = ""
        if isinstance(result, tuple) and len(result) == 4:
            remedy = " Split `done` into them; environments of the old `gym` need shimmy."
        raise EnvironmentContractError(
            f"{start}it must return (observation, reward, terminated, truncated, info), "
            f"not {shown(result)}.{remedy}"
        )
    _, reward, terminated, truncated, info = result
    if np.ndim(reward) or not isinstance(reward, int | float | np.number | np.ndarray | np.bool_):
        raise EnvironmentContractError(
            f"{start}reward {reward!r} must be one number: return float(reward)."
        )
    for name, flag in (("terminated", terminated), ("truncated", truncated)):
        if not isinstance(flag, bool | np.bool_):
            raise EnvironmentContractError(
                f"{start}{name} is {flag!r}: return bool({name}), not a {type(flag).__name__}."
            )
    if not isinstance(info, dict):
        raise EnvironmentContractError(
            f"{start}info is a {type(info).__name__}: return a dict, empty if there is none."
        )


def shown(value: object) -> str:
    """A short text for any value."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"a {type(value).__name__} of {len(value)} parts"
    text = repr(value)
    return text if len(text) < 80 else text[:77] + "..."
