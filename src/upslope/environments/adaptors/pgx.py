"""pgx's games behind our contract."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from upslope.core.annotations import EnvironmentState, Key, Observation
from upslope.core.checks import UpslopeError, check_settings, missing_extra, unknown_name
from upslope.core.records import Step
from upslope.environments.adaptors.foreign_state import like, strong
from upslope.environments.environment import Environment
from upslope.environments.games.against_opponent import AgainstOpponent, against
from upslope.environments.games.alternating_game import AlternatingGame
from upslope.environments.games.symmetries import Symmetries, as_tuples, turns_and_mirrors

if TYPE_CHECKING:
    from gymnasium import spaces

# Games of hidden cards, whose state a planner must not see, or of more than two players.
HIDDEN = ("kuhn_poker", "leduc_holdem", "sparrow_mahjong")
# The most moves of a game, in pgx's own rules where it has such a rule.
LIMITS = {
    "animal_shogi": 256,
    "backgammon": 2000,
    "chess": 512,
    "connect_four": 42,
    "gardner_chess": 256,
    "othello": 120,
    "shogi": 512,
    "tic_tac_toe": 9,
}
ONE_PLAYER_LIMIT = 10_000


class PgxPosition(NamedTuple):
    """A position of one of pgx's games."""

    game: EnvironmentState  # pgx's own state, without its observation
    began: Int[Array, ""]  # pgx's number of the player who began


class PgxGame(AlternatingGame):
    """One of pgx's games of two players who see everything.

    The observation is a dictionary: `board` [C, H, W], pgx's planes with the channels first (or
    `features` [n], where pgx has no planes), from the side of who is to move; `side_to_move`, 0 for
    the player who began, which pgx draws; `action_mask` [A]. Passing is a move like any other, as
    pgx has it. pgx never resets the game by itself here, and keeps its own limits on moves.

    Attributes:
      pgx_name: pgx's name for it. Static.
      options: the arguments of its constructor, as pairs. Static.
      time_limit: moves, both players' counted. Static.
    """

    name: ClassVar[str] = "pgx"
    pgx_name: str = eqx.field(static=True)
    options: tuple[tuple[str, Any], ...] = eqx.field(static=True, default=())
    time_limit: int | None = eqx.field(static=True, default=None)

    @classmethod
    def make(cls, name: str, **settings: float | None) -> PgxGame:
        """The game of pgx's name `name`, of both players.

            PgxGame.make("go_9x9", komi=6.5)

        Args:
          name: as in `pgx.available_envs()`.
          settings: `time_limit`, and arguments of pgx's constructor.

        Raises:
          UpslopeError: pgx is not installed or has no such game; one for one player, or with hidden
            cards; an unknown setting.
        """
        engine, options, limit = _built(name, settings)
        if engine.num_players != 2:
            raise UpslopeError(
                f"pgx:{name} is for {engine.num_players} player, not a game of two: "
                f"make('pgx:{name}') builds it."
            )
        kind = PgxTurnGame if name == "backgammon" else PgxGame
        return kind(pgx_name=name, options=options, time_limit=limit or _limit_of(name))

    @property
    def engine_of_pgx(self) -> Any:
        """pgx's own object."""
        return _load(self.pgx_name, self.options)

    def reset(self, key: Key) -> tuple[PgxPosition, Observation]:
        with jax.numpy_rank_promotion("allow"):
            state = strong(_bare(self.engine_of_pgx.init(key)))
        position = PgxPosition(state, state.current_player)
        return position, self.observe(position)

    def step(
        self, key: Key, state: PgxPosition, action: Int[Array, ""]
    ) -> tuple[PgxPosition, Step]:
        before = state.game
        with jax.numpy_rank_promotion("allow"):
            after = _bare(self.engine_of_pgx.step(before, action, key))
        position = PgxPosition(like(after, before), state.began)
        reward = jnp.asarray(after.rewards[before.current_player], float)
        discount = -jnp.ones(())
        if self.turns_may_go_on:
            discount = jnp.where(after.current_player == before.current_player, 1.0, discount)
        return position, Step(self.observe(position), reward, self.over(position), discount)

    def observe(self, state: PgxPosition) -> Observation:
        with jax.numpy_rank_promotion("allow"):
            seen = _floats(self.engine_of_pgx.observe(state.game))
        field = "board" if seen.ndim == 3 else "features"
        return {
            "action_mask": self.action_mask(state),
            field: jnp.moveaxis(seen, -1, 0) if seen.ndim == 3 else seen,
            "side_to_move": self.mover(state),
        }

    def legal_actions(self, state: PgxPosition) -> Bool[Array, " A"]:
        return state.game.legal_action_mask & ~self.over(state)

    def mover(self, state: PgxPosition) -> Int[Array, ""]:
        return (state.game.current_player != state.began).astype(int)

    def over(self, state: PgxPosition) -> Bool[Array, ""]:
        return jnp.logical_or(state.game.terminated, state.game.truncated)

    @property
    def symmetries(self) -> Symmetries | None:
        """The square's of tic-tac-toe, othello and go, the mirror of connect four, hex turned.

        What is said of passing and of swapping sides is the same in all of them.
        """
        seen = _first(self.pgx_name, self.options).observation
        board = np.arange(int(np.prod(seen.shape[:-1]))).reshape(seen.shape[:-1])
        if self.pgx_name == "connect_four":
            columns = np.arange(board.shape[1])
            return Symmetries(
                as_tuples(np.stack([board.ravel(), np.fliplr(board).ravel()])),
                as_tuples(np.stack([columns, columns[::-1]])),
            )
        if self.pgx_name == "hex":
            cells = np.stack([board.ravel(), board.ravel()[::-1]])
        elif self.pgx_name in ("tic_tac_toe", "othello") or self.pgx_name.startswith("go_"):
            cells = turns_and_mirrors(board.shape[0])
        else:
            return None
        others = np.arange(board.size, int(self.action_space.n))
        actions = np.concatenate([cells, np.tile(others, (len(cells), 1))], axis=1)
        return Symmetries(as_tuples(cells), as_tuples(actions))

    @property
    def observation_space(self) -> spaces.Dict:
        from gymnasium import spaces

        planes = _first(self.pgx_name, self.options).observation.ndim == 3
        return spaces.Dict(
            {
                "action_mask": spaces.MultiBinary(int(self.action_space.n)),
                "board" if planes else "features": _space(self.pgx_name, self.options, planes),
                "side_to_move": spaces.Discrete(2),
            }
        )

    @property
    def action_space(self) -> spaces.Discrete:
        from gymnasium import spaces

        return spaces.Discrete(_n_actions(self.pgx_name, self.options))


class PgxTurnGame(PgxGame):
    """A game of pgx whose turns have several moves: backgammon, with its dice."""

    turns_may_go_on: ClassVar[bool] = True
    best_return: ClassVar[float] = 3.0  # a backgammon counts three times


class PgxEnvironment(Environment):
    """One of pgx's environments for one player: 2048 and the MinAtar games.

    MinAtar's screens are observed as they are, [H, W, C]; 2048 as a dictionary of `board`
    [31, 4, 4] and `action_mask` [4]. pgx never resets by itself here, and has no limit on steps of
    its own but in Freeway (2,500).

    Attributes:
      pgx_name: pgx's name for it. Static.
      options: the arguments of its constructor, as pairs. Static.
      time_limit: steps; 10,000 unless you say otherwise. Static.
    """

    name: ClassVar[str] = "pgx"
    pgx_name: str = eqx.field(static=True)
    options: tuple[tuple[str, Any], ...] = eqx.field(static=True, default=())
    time_limit: int | None = eqx.field(static=True, default=ONE_PLAYER_LIMIT)

    @property
    def engine_of_pgx(self) -> Any:
        """pgx's own object."""
        return _load(self.pgx_name, self.options)

    def reset(self, key: Key) -> tuple[EnvironmentState, Observation]:
        with jax.numpy_rank_promotion("allow"):
            state = strong(_bare(self.engine_of_pgx.init(key)))
        return state, self.observe(state)

    def step(
        self, key: Key, state: EnvironmentState, action: Int[Array, ""]
    ) -> tuple[EnvironmentState, Step]:
        with jax.numpy_rank_promotion("allow"):
            after = like(_bare(self.engine_of_pgx.step(state, action, key)), state)
        reward = jnp.asarray(after.rewards[0], float)
        return after, Step(
            self.observe(after), reward, jnp.logical_or(after.terminated, after.truncated)
        )

    def observe(self, state: EnvironmentState) -> Observation:
        """What is seen in a state."""
        with jax.numpy_rank_promotion("allow"):
            seen = _floats(self.engine_of_pgx.observe(state))
        if not self._masked:
            return seen
        return {"action_mask": state.legal_action_mask, "board": jnp.moveaxis(seen, -1, 0)}

    def action_mask(self, state: EnvironmentState) -> Bool[Array, " A"] | None:
        return state.legal_action_mask if self._masked else None

    @property
    def _masked(self) -> bool:
        return not self.pgx_name.startswith("minatar")

    @property
    def observation_space(self) -> spaces.Space:
        from gymnasium import spaces

        seen = _space(self.pgx_name, self.options, channels_first=self._masked)
        if not self._masked:
            return seen
        return spaces.Dict(
            {"action_mask": spaces.MultiBinary(int(self.action_space.n)), "board": seen}
        )

    @property
    def action_space(self) -> spaces.Discrete:
        from gymnasium import spaces

        return spaces.Discrete(_n_actions(self.pgx_name, self.options))


def pgx_environment(
    name: str, play_as: str | None = None, opponent: str | None = None, **settings: float | None
) -> AgainstOpponent | PgxEnvironment:
    """The environment of pgx's name: a game of two against a fixed opponent, or one for one player.

    Args:
      name: as in `pgx.available_envs()`.
      play_as: in a game of two, "first", "second" or "random" (the default).
      opponent: in a game of two, "random".
      settings: `time_limit`, and arguments of pgx's constructor.

    Raises:
      UpslopeError: see `PgxGame.make`; a side or an opponent where there is one player.
    """
    if name in _registered(name) and _load(name, ()).num_players == 1:
        _, options, limit = _built(name, {**settings, **_given(play_as, opponent)})
        return PgxEnvironment(pgx_name=name, options=options, time_limit=limit or ONE_PLAYER_LIMIT)
    game = PgxGame.make(name, **settings)
    return against(f"pgx:{name}", game, opponent or "random", play_as or "random")


def _given(play_as: str | None, opponent: str | None) -> dict[str, str]:
    given = {"play_as": play_as, "opponent": opponent}
    return {name: value for name, value in given.items() if value is not None}


def _built(
    name: str, settings: Mapping[str, Any]
) -> tuple[Any, tuple[tuple[str, Any], ...], int | None]:
    """pgx's object of a name, the options of its constructor, and the limit that was asked for."""
    known = _registered(name)
    if name in HIDDEN:
        raise UpslopeError(
            f"pgx:{name} has hidden cards or more than two players, and no search here may see "
            f"what a player does not: choose one of {', '.join(known)}."
        )
    if name not in known:
        raise unknown_name("pgx game", name, known)
    settings = dict(settings)
    accepted = _options_of(name)
    check_settings(f"pgx:{name}", settings, ["time_limit", *accepted])
    limit = settings.pop("time_limit", None)
    options = tuple(sorted(settings.items()))
    return _load(name, options), options, limit


def _registered(name: str) -> list[str]:
    try:
        import pgx
    except ImportError as error:
        raise missing_extra(f"pgx:{name}", "pgx", "games") from error
    return sorted(known for known in pgx.available_envs() if known not in HIDDEN)


def _options_of(name: str) -> list[str]:
    """The arguments of pgx's constructor that a name leaves open."""
    given = ("self", "size") if name.startswith("go_") else ("self",)
    accepted = inspect.signature(_class_of(name).__init__).parameters
    return [option for option in accepted if option not in given]


def _class_of(name: str) -> Any:
    import pgx

    return type(pgx.make(name))  # pyright: ignore[reportArgumentType]


@functools.lru_cache(maxsize=64)
def _load(name: str, options: tuple[tuple[str, Any], ...]) -> Any:
    import pgx

    with jax.ensure_compile_time_eval():
        if not options:
            return pgx.make(name)  # pyright: ignore[reportArgumentType]
        fixed = {"size": int(name[3:].partition("x")[0])} if name.startswith("go_") else {}
        return _class_of(name)(**fixed, **dict(options))


def _limit_of(name: str) -> int:
    if name in LIMITS:
        return LIMITS[name]
    shape = _first(name, ()).observation.shape
    return 2 * shape[0] * shape[1]  # go, by pgx's rule; hex, where it is more than there are


@functools.lru_cache(maxsize=64)
def _first(name: str, options: tuple[tuple[str, Any], ...]) -> Any:
    """Shapes and types of pgx's first state."""
    with jax.numpy_rank_promotion("allow"):
        return jax.eval_shape(_load(name, options).init, jax.random.key(0))


def _n_actions(name: str, options: tuple[tuple[str, Any], ...]) -> int:
    return int(_first(name, options).legal_action_mask.shape[0])


def _space(name: str, options: tuple[tuple[str, Any], ...], channels_first: bool) -> spaces.Box:
    """Planes of switches are within [0, 1]; of others, with their counts, pgx gives no bounds."""
    from gymnasium import spaces

    seen = _first(name, options).observation
    shape = (seen.shape[-1], *seen.shape[:-1]) if channels_first else seen.shape
    low, high = (0.0, 1.0) if seen.dtype == bool else (-np.inf, np.inf)
    return spaces.Box(low, high, shape, np.float32)


def _bare(state: EnvironmentState) -> EnvironmentState:
    """pgx's state without its observation, which says nothing more and is large."""
    return state.replace(observation=())


def _floats(seen: Array) -> Float[Array, " ..."]:
    return jnp.asarray(seen, float)
