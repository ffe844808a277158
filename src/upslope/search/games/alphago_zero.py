"""AlphaGo Zero: self-play by the best network so far."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array

from upslope.core import tree
from upslope.core.actor import Actor
from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError, check_number
from upslope.core.records import Replayed
from upslope.core.tree import ravel_parameters
from upslope.environments.environment import Environment
from upslope.environments.games.resignable import Resignable
from upslope.objectives.objective import Objective
from upslope.policies.network import NetworkPolicy
from upslope.policies.policy import Policy
from upslope.search.games.gating import match_score
from upslope.search.games.resignation import (
    Resignation,
    ResigningActor,
    adapted,
    false_positives,
)
from upslope.search.games.self_play_method import SelfPlayMethod, fresh_share
from upslope.search.gradient.optimizer import start_ascent
from upslope.search.search_method import Defaults, ProblemSpec


class AlphaGoZeroState(NamedTuple):
    """What the next iteration needs."""

    network: NetworkPolicy  # that learns
    best: NetworkPolicy  # that plays
    optimizer: optax.OptState
    iterations: Array  # scalar int: done
    resignation: Resignation
    promotions: Array  # scalar int: how often the network that learns has become the best


class AlphaGoZeroDiagnostics(NamedTuple):
    """What its users look at; the losses are NaN while nothing is learnt."""

    policy_loss: Array  # cross-entropy of the search's policy and the network's
    value_loss: Array  # (z - v)^2
    value_error: Array  # |z - v|
    policy_entropy: Array  # of the network, nats
    search_improvement: Array  # how often the search preferred another move than the network
    decisive: Array  # share of the games that ended which were not drawn
    match_score: Array  # the candidate's share of the points; NaN without a match
    promotions: Array  # how often the candidate has become the best
    resign_threshold: Array  # v_resign; -1: never
    resigned: Array  # share of the games that ended in which somebody resigned
    false_positives: Array  # running share among games played on; NaN before any
    gradient_norm: Array  # before clipping
    learning_rate: Array
    model_steps: Array  # simulated moves, those of matches included


class AlphaGoZero(SelfPlayMethod[AlphaGoZeroState]):
    r"""AlphaZero with what it later did without: gating, symmetries of the board, resignation.

    .. math:: L = (z - v)^2 - \pi^T \ln p + c \lVert \theta \rVert^2, \qquad (p, v) = f_\theta(s)

    Games are played by the best network so far. The one that learns takes its place when it wins
    more than `gating_threshold` of the points in a match. Positions are learnt in a random symmetry
    of the board. A player resigns where it thinks less of its position than a threshold that holds
    the share of wrong resignations, measured on games that are played on, at a target. No
    guarantee; gating keeps a network that has become worse from spoiling the data, at the price of
    a match.

    Its other settings are those of `SelfPlayMethod`.

    Attributes:
      gating_interval: moves between matches.
      gating_games: games of a match. Static.
      gating_threshold: share of the points above which the candidate takes over.
      resignation: whether games may be resigned. Static.
      play_on: share of the games in which nobody resigns.
      false_positive_target: share of wrong resignations that the threshold is moved towards.
      resign_rate: how far one game moves it.

    Raises:
      UpslopeError: settings that make no sense; from `configure`: what `AlphaZero` refuses, a game
        without symmetries where they are not switched off, or one whose turns may go on.

    References:
      Silver et al. (2017), "Mastering the Game of Go without Human Knowledge".
    """

    name: ClassVar[str] = "alphago-zero"
    defaults: ClassVar[Defaults] = Defaults(
        policy="softmax", total_timesteps=300_000, seeds=1, example="tic-tac-toe"
    )
    symmetries: bool = eqx.field(static=True, default=True)
    gating_interval: float | Array = 20_000
    gating_games: int = eqx.field(static=True, default=100)
    gating_threshold: float | Array = 0.55
    resignation: bool = eqx.field(static=True, default=True)
    play_on: float | Array = 0.1
    false_positive_target: float | Array = 0.05
    resign_rate: float | Array = 0.02

    def __check_init__(self) -> None:
        check = lambda name, **limits: check_number(  # noqa: E731
            "AlphaGoZero", name, getattr(self, name), **limits
        )
        check("gating_interval", above=0)
        check("gating_games", at_least=2, integer=True)
        for name in ("gating_threshold", "play_on", "false_positive_target", "resign_rate"):
            check(name, at_least=0, at_most=1)

    def configure(self, spec: ProblemSpec) -> AlphaGoZero:
        method = super().configure(spec)
        assert isinstance(method, AlphaGoZero)
        game = method._game()
        if game.turns_may_go_on:
            raise UpslopeError(
                f"AlphaGoZero got {type(game).__name__}, in which a turn may have several moves: "
                "its matches and resignations are of players who alternate. Use alphazero."
            )
        if game.time_limit is None:
            raise UpslopeError(
                f"AlphaGoZero got {type(game).__name__} with time_limit=None: a match might never "
                "end. Give the game a time limit."
            )
        return method

    def sampled_in(self, environment: Environment) -> Environment:
        if self.resignation:
            environment = Resignable(environment)  # pyright: ignore[reportCallIssue] (time_limit is the inner one's)
        return super().sampled_in(environment)

    def init(self, key: Key, policy: Policy, objective: Objective) -> AlphaGoZeroState:
        network = jax.tree.map(jnp.asarray, self.network(key, policy))
        theta, _ = ravel_parameters(network)
        return AlphaGoZeroState(
            network=network,
            best=network,
            optimizer=start_ascent("adam", theta, self.adam_eps),
            iterations=jnp.zeros((), int),
            resignation=Resignation(-jnp.ones(()), jnp.zeros(())),
            promotions=jnp.zeros((), int),
        )

    def ask(self, key: Key, state: AlphaGoZeroState) -> ResigningActor:
        play_on = self.play_on if self.resignation else 1.0
        player = self.self_play(state.best)
        return ResigningActor(player, state.resignation.threshold, play_on)

    def tell(
        self,
        key: Key,
        state: AlphaGoZeroState,
        candidates: ResigningActor,
        experience: Replayed,
        objective: Objective,
    ) -> tuple[AlphaGoZeroState, AlphaGoZeroDiagnostics]:
        learn_key, match_key = jax.random.split(key)
        network, optimizer, report = self.learned(
            learn_key, state.network, state.optimizer, state.iterations, experience, objective
        )
        iterations = state.iterations + 1
        turns = jnp.floor(self.steps(iterations) / self.gating_interval)
        due = turns > jnp.floor(self.steps(state.iterations) / self.gating_interval)
        due = due & ~jnp.isnan(report.policy_loss)

        def play() -> Array:
            players = (self.in_match(network), self.in_match(state.best))
            return match_score(match_key, self._game(), *players, self.gating_games)

        score = jax.lax.cond(due, play, lambda: jnp.full((), jnp.nan))
        promoted = score > self.gating_threshold  # never where there was no match
        fresh, notes = experience.fresh, experience.fresh.extras
        ended = fresh.terminated
        seen = false_positives(
            fresh.reward,
            ended,
            notes.plays_on,  # pyright: ignore
            notes.lowest,  # pyright: ignore
            state.resignation.threshold,
        )
        resignation = state.resignation
        if self.resignation:
            resignation = adapted(resignation, seen, self.false_positive_target, self.resign_rate)
        per_move = candidates.player.planner.model_steps
        in_match = self.gating_games // 2 * 2 * (self._game().time_limit or 0)
        new = AlphaGoZeroState(
            network=network,
            best=tree.where(promoted, network, state.best),
            optimizer=optimizer,
            iterations=iterations,
            resignation=resignation,
            promotions=state.promotions + promoted.astype(int),
        )
        diagnostics = AlphaGoZeroDiagnostics(
            policy_loss=report.policy_loss,
            value_loss=report.value_loss,
            value_error=report.value_error,
            policy_entropy=report.policy_entropy,
            search_improvement=jnp.mean(notes.improved),  # pyright: ignore
            decisive=fresh_share(fresh.reward != 0, ended),
            match_score=score,
            promotions=new.promotions.astype(float),
            resign_threshold=resignation.threshold,
            resigned=fresh_share(notes.resigned, ended),  # pyright: ignore
            false_positives=resignation.false_positives,
            gradient_norm=report.gradient_norm,
            learning_rate=jnp.asarray(self.rates(state.iterations).learning_rate),
            model_steps=(ended.size + jnp.where(due, in_match, 0)) * float(per_move),
        )
        return new, diagnostics

    def solution(self, state: AlphaGoZeroState) -> Actor:
        return self.player(state.best)
