"""A vector environment that the user brings, in each of Gymnasium's three autoreset modes."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import iterate

from upslope.core.checks import EnvironmentContractError, UpslopeError
from upslope.core.said_once import close_quietly
from upslope.sampling.simulators.gymnasium_spaces import ActionCoder, ObservationCoder
from upslope.sampling.simulators.info_means import EpisodeMeans, InfoMeans, numbers_of_row
from upslope.sampling.simulators.step_buffer import RESET, SKIP, STEP, BufferLayout, Leaves
from upslope.sampling.simulators.watch import Remark, Watch


class VectorEnvironment:
    """A `gymnasium.vector.VectorEnv` behind the interface of `Simulators`.

    The true successor of every step is kept in every mode. In DISABLED mode episodes start from
    the sampler's seeds; in the other modes only the first ones do, the rest is the environment's
    own randomness. In NEXT_STEP mode the step that resets is not valid.

    Attributes:
      buffer: commands and results.
      log: None: what it resets by itself cannot be replayed.
      late_reset: whether a reset takes a step of its own (NEXT_STEP).

    Raises:
      UpslopeError: the number of environments is wrong, the autoreset mode is not declared, or an
        episode is to be cut that only the environment can cut.
    """

    log = None

    def __init__(self, env: VectorEnv, count: int, *, limit: int | None):
        name = env.spec.id if env.spec is not None else type(env).__name__
        self._env, self.name = env, name
        mode = env.metadata.get("autoreset_mode") if isinstance(env.metadata, dict) else None
        if not isinstance(mode, AutoresetMode):
            raise UpslopeError(
                f"The vector environment {name} does not say how it resets (metadata"
                f"['autoreset_mode'] is {mode!r}). Declare it: metadata = {{'autoreset_mode': "
                "gymnasium.vector.AutoresetMode.SAME_STEP}, or NEXT_STEP or DISABLED."
            )
        if env.num_envs != count:
            raise UpslopeError(
                f"The vector environment {name} has num_envs={env.num_envs}, but {count} are "
                "needed (seeds x environments): make it with that many."
            )
        if limit is not None and mode is not AutoresetMode.DISABLED:
            raise UpslopeError(
                f"horizon={limit} must cut episodes of {name}, which resets itself: wrap its "
                "environments in gymnasium.wrappers.TimeLimit, or make it with "
                "autoreset_mode=AutoresetMode.DISABLED."
            )
        self._mode, self._limit = mode, limit
        self.late_reset = mode is AutoresetMode.NEXT_STEP
        self.observations = ObservationCoder(env.single_observation_space, name)
        self._actions = ActionCoder(env.single_action_space, name)
        leaves = tuple((shape, dtype.str) for shape, dtype in self.observations.leaves)
        self.buffer = BufferLayout(
            count, leaves, self._actions.size, self._actions.dtype.str
        ).buffer()
        self._age = np.zeros(count, int)
        self._ended = np.zeros(count, bool)  # NEXT_STEP: whose next step is a reset
        self._checked = False
        self._infos = InfoMeans(count)
        self._watch = Watch(name, self.observations.parts)

    @property
    def remarks(self) -> list[Remark]:
        """What was seen of the environments so far."""
        return self._watch.remarks

    def take_infos(self) -> list[EpisodeMeans]:
        """What `infos` held in the episodes that have ended since the last call."""
        return self._infos.take()

    def reset_counters(self) -> None:
        """Nothing to prepare."""

    def step_all(self) -> None:
        """Steps the environments, or resets those that the buffer says."""
        self._watch.before()
        resets = self.buffer.command == RESET
        if resets.any():
            self._reset(resets)
        elif (self.buffer.command == STEP).any():
            self._step()
        self._watch.after(self.buffer.observation, self.buffer.command != SKIP)

    def close(self) -> None:
        """Closes the vector environment."""
        close_quietly(self._env, self.name)

    def _reset(self, rows: np.ndarray) -> None:
        if not rows.all() and self._mode is not AutoresetMode.DISABLED:
            # Only a broken environment is reset alone, and the search has stopped by then.
            rows = np.ones_like(rows)
        seeds: Any = [int(seed) for seed in self.buffer.seed]
        options = None if rows.all() else {"reset_mask": rows.copy()}
        observation, _ = self._env.reset(seed=seeds, options=options)
        self._store(self.buffer.observation, observation, np.flatnonzero(rows))
        for row in np.flatnonzero(rows):
            self._infos.begin(int(row))
        self._age[rows] = 0
        self._ended[rows] = False

    def _step(self) -> None:
        buffer = self.buffer
        actions = np.stack([np.asarray(self._actions.decode(row)) for row in buffer.action])
        result = self._env.step(actions)
        if not isinstance(result, tuple) or len(result) != 5:
            raise EnvironmentContractError(
                f"{self.name} broke its contract in step: it must return (observations, rewards, "
                "terminations, truncations, infos)."
            )
        observation, reward, terminated, truncated, infos = result
        everyone = np.arange(len(buffer.command))
        self._store(buffer.observation, observation, everyone)
        for after, seen in zip(buffer.successor, buffer.observation, strict=True):
            after[:] = seen
        buffer.reward[:] = reward
        buffer.valid[:] = ~self._ended
        self._age = np.where(self._ended, 0, self._age + 1)
        buffer.terminated[:] = terminated & buffer.valid
        cut = np.asarray(truncated, bool) | (self._age == self._limit)
        buffer.truncated[:] = cut & ~buffer.terminated & buffer.valid
        over = buffer.terminated | buffer.truncated
        self._note_infos(infos, over)
        if self._mode is AutoresetMode.NEXT_STEP:
            self._ended = over
        elif over.any() and self._mode is AutoresetMode.SAME_STEP:
            self._final_observations(over, infos)
            self._age[over] = 0
        elif over.any():
            # Always at once: a DISABLED environment must not be stepped after an end.
            self._reset(over)

    def _note_infos(self, infos: dict[str, Any], over: np.ndarray) -> None:
        """Of an environment that has reset itself the last step's are in `final_info`."""
        final = infos.get("final_info") if self._mode is AutoresetMode.SAME_STEP else None
        for row in np.flatnonzero(self.buffer.valid):
            found = final if over[row] and isinstance(final, dict) else infos
            self._infos.add_numbers(int(row), numbers_of_row(found, int(row)))
            if over[row]:
                self._infos.end(int(row))

    def _final_observations(self, over: np.ndarray, infos: dict[str, Any]) -> None:
        final, present = infos.get("final_obs"), infos.get("_final_obs")
        if final is None or present is None or not np.asarray(present)[over].all():
            raise EnvironmentContractError(
                f"{self.name} declares SAME_STEP but gives no infos['final_obs'] (with the mask "
                "infos['_final_obs']) where an episode ended: the true successor would be lost."
            )
        for row in np.flatnonzero(over):
            if isinstance(final, dict | tuple):
                value = list(iterate(self._env.observation_space, final))[row]
            else:
                value = final[row]
            self.observations.store(self.buffer.successor, int(row), value)

    def _store(self, columns: Leaves, batch: Any, rows: np.ndarray) -> None:
        singles = list(iterate(self._env.observation_space, batch))
        for row in rows:
            value = singles[row]
            if not self._checked:
                self.observations.check(value, "reset")
                self._checked = True
            self.observations.store(columns, int(row), value)
