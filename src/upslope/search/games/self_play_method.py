"""What methods share that learn from their own games by search."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from gymnasium import spaces
from jax import Array

from upslope.core.actor import Actor
from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError, check_choice, check_number
from upslope.core.records import Replayed, Trajectories
from upslope.environments.environment import Environment
from upslope.environments.games.alternating_game import AlternatingGame
from upslope.environments.wrappers.fully_observed import FullyObserved
from upslope.objectives.objective import EpisodicReturn, Objective
from upslope.planning.game_player import GamePlayer
from upslope.planning.mcts.network_search import PUCT, GumbelMCTS, NetworkSearch, mctx_module
from upslope.planning.mcts.policy_value_evaluator import PolicyValueEvaluator
from upslope.policies.heads.discrete import PolicyValueHead
from upslope.policies.network import NetworkPolicy
from upslope.policies.policy import Policy
from upslope.sampling.experience import Replay, Steps
from upslope.search.games.learning import (
    LearningReport,
    Positions,
    Rates,
    learn,
    mirrored,
    positions_of,
)
from upslope.search.games.self_play import SelfPlayActor
from upslope.search.gradient.ascent import Schedule, check_schedule, scheduled
from upslope.search.search_method import ProblemSpec, SearchMethod

State = TypeVar("State")


class SelfPlayMethod(SearchMethod[State, Replayed]):
    """A network plays itself by search, and learns what the search found and how games ended.

    Attributes:
      search: `"puct"`, with noise at its root, or `"gumbel"`, which improves on the network even
        with few simulations. Static.
      n_simulations: per move of self-play. Static.
      simulations_at_play: per move of the solution; 0 plays the network's policy alone. Static.
      max_considered: how many moves a Gumbel search compares at its root. Static.
      c_init: weight of the prior in PUCT.
      dirichlet_fraction: share of noise at the root of PUCT.
      dirichlet_alpha: concentration of the noise; about 10 over the number of legal moves.
      temperature: chance in the choice of the first moves of a game; 0 for none.
      temperature_moves: how many these are, both players' counted.
      final_temperature: chance in the choice of all later moves.
      epsilon: share of the first moves that are drawn evenly among the legal ones.
      n_envs: games side by side. Static.
      train_freq: moves of each game per iteration. Static.
      buffer_size: rows kept: a move takes one, the end of a game another. Static.
      learning_starts: moves before the first update.
      batch_size: positions per update. Static.
      gradient_steps: updates per iteration. Static.
      n_step: moves after which a target looks to the search's value in the place of the outcome;
        None: the game's end alone. Static.
      value_mix: lambda: 1, the value follows outcomes; less, the search's values on the way, too.
      symmetries: whether positions are learnt in a symmetry of the board drawn for each. Static.
      learning_rate: step size of Adam.
      learning_rate_schedule: `"linear"` falls to zero at `total_timesteps`. Static.
      vf_coef: weight of the value's loss.
      l2: c of the penalty on the weights.
      max_grad_norm: bound on the norm of the gradient.
      adam_eps: what Adam adds to the root of the second moment. Static.
      total_timesteps: the budget in moves, for the schedule.

    Raises:
      UpslopeError: settings that make no sense; from `configure`: not a game of two players, a
        policy without a network, with memory or with moments, no symmetries where they are asked
        for, an endless game without `n_step`, or mctx is not installed.
    """

    plays_both_sides: ClassVar[bool] = True
    plays_alone: ClassVar[bool] = False
    writes_by_index: ClassVar[bool] = True  # search trees
    search: Literal["puct", "gumbel"] = eqx.field(static=True, default="puct")
    n_simulations: int = eqx.field(static=True, default=32)
    simulations_at_play: int = eqx.field(static=True, default=64)
    max_considered: int = eqx.field(static=True, default=16)
    c_init: float | Array = 1.25
    dirichlet_fraction: float | Array = 0.25
    dirichlet_alpha: float | Array = 1.0
    temperature: float | Array = 1.0
    temperature_moves: float | Array = 30
    final_temperature: float | Array = 0.0
    epsilon: float | Array = 0.0
    n_envs: int = eqx.field(static=True, default=128)
    train_freq: int = eqx.field(static=True, default=8)
    buffer_size: int = eqx.field(static=True, default=100_000)
    learning_starts: int | Array = 5000
    batch_size: int = eqx.field(static=True, default=256)
    gradient_steps: int = eqx.field(static=True, default=8)
    n_step: int | None = eqx.field(static=True, default=None)
    value_mix: float | Array = 1.0
    symmetries: bool = eqx.field(static=True, default=False)
    learning_rate: float | Array = 1e-3
    learning_rate_schedule: Schedule = eqx.field(static=True, default="constant")
    vf_coef: float | Array = 1.0
    l2: float | Array = 1e-4
    max_grad_norm: float | Array = 5.0
    adam_eps: float = eqx.field(static=True, default=1e-8)
    total_timesteps: float | Array = 100_000.0
    game: AlternatingGame | None = eqx.field(init=False)
    objective: Objective = eqx.field(init=False)

    def __post_init__(self) -> None:
        self.game, self.objective = None, EpisodicReturn()

    def __check_init__(self) -> None:
        owner = type(self).__name__
        check = lambda name, **limits: check_number(owner, name, getattr(self, name), **limits)  # noqa: E731
        check_choice(owner, "search", self.search, ("puct", "gumbel"))
        for name in ("n_simulations", "max_considered", "n_envs", "train_freq", "buffer_size"):
            check(name, at_least=1, integer=True)
        for name in ("batch_size", "gradient_steps"):
            check(name, at_least=1, integer=True)
        check("simulations_at_play", at_least=0, integer=True)
        if self.n_step is not None:
            check("n_step", at_least=1, integer=True)
        for name in ("c_init", "temperature", "temperature_moves", "final_temperature", "l2"):
            check(name, at_least=0)
        for name in ("dirichlet_fraction", "value_mix", "epsilon"):
            check(name, at_least=0, at_most=1)
        for name in ("dirichlet_alpha", "learning_rate", "max_grad_norm", "adam_eps"):
            check(name, above=0)
        check("vf_coef", at_least=0)
        check("learning_starts", at_least=0)
        check("total_timesteps", above=0)
        check_schedule(self, "learning_rate_schedule")

    @property
    def experience(self) -> Replay:
        return Replay(
            fresh=Steps(self.n_envs, self.train_freq),
            capacity=self.buffer_size,
            n_batches=self.gradient_steps,
            batch_size=self.batch_size,
            sequence_length=self._window,
            observed_steps=1,
        )

    @property
    def follows_score(self) -> bool:
        """It follows what a search found, by cross-entropy."""
        return False

    @property
    def _window(self) -> int:
        """Moves in a window: all that a game can have, or one more than `n_step`."""
        limit = None if self.game is None else self.game.time_limit
        if self.n_step is None:
            return limit or 1
        return self.n_step + 1 if limit is None else min(self.n_step + 1, limit)

    def configure(self, spec: ProblemSpec) -> Self:
        owner, game = type(self).__name__, spec.environment
        mctx_module(owner)
        if not isinstance(game, AlternatingGame):
            raise UpslopeError(
                f"{owner} got {type(game).__name__}: it plays both sides of a game of two players "
                "(tic-tac-toe, connect-four, nim, or an AlternatingGame of your own). For other "
                "tasks use ppo or dqn."
            )
        if game.time_limit is None and self.n_step is None:
            raise UpslopeError(
                f"{owner} got {type(game).__name__} with time_limit=None and n_step=None: a target "
                "would wait for an end that may never come. Give one of them a number: n_step=20."
            )
        if self.symmetries and game.symmetries is None:
            raise UpslopeError(
                f"{owner} got symmetries=True and {type(game).__name__}, which has none: leave it "
                "out, or give the game the property `symmetries`."
            )
        n_actions = _n_actions(game)
        least = min(self.max_considered, n_actions)
        if self.search == "gumbel" and self.n_simulations < least:
            raise UpslopeError(
                f"{owner} got n_simulations={self.n_simulations} and compares {least} moves at the "
                "root (max_considered): some would never be tried. Use at least as many "
                f"simulations, or max_considered={self.n_simulations}."
            )
        method = eqx.tree_at(
            lambda it: (it.game, it.objective),
            self,
            (game, spec.objective),
            is_leaf=lambda node: node is None,
        )
        jax.eval_shape(method.network, jax.random.key(0), spec.policy)
        return method

    def sampled_in(self, environment: Environment) -> Environment:
        return FullyObserved(environment)  # pyright: ignore[reportCallIssue] (time_limit is the inner one's)

    # The network and its search.

    def network(self, key: Key, policy: Policy) -> NetworkPolicy:
        """A network with the policy's architecture and heads for policy and value.

        Raises:
          UpslopeError: the policy has memory, moments or no network.
        """
        owner = type(self).__name__
        if not isinstance(policy, NetworkPolicy) or policy.has_memory:
            raise UpslopeError(
                f"{owner} got a policy {type(policy).__name__}: it needs a network without memory "
                "that reads the board as it is. Use policy='softmax' or 'board', without "
                "normalize_observations."
            )
        if isinstance(policy.head, PolicyValueHead):
            return policy
        n_actions = _n_actions(self._game())
        return NetworkPolicy(policy.network_like(key, n_actions + 1), PolicyValueHead(n_actions))

    def _game(self) -> AlternatingGame:
        if self.game is None:
            raise UpslopeError(
                f"{type(self).__name__} must be configured for a game before it searches."
            )
        return self.game

    def planner(
        self, network: NetworkPolicy, n_simulations: int, *, explores: bool
    ) -> NetworkSearch:
        """The search that a network guides.

        Args:
          network: whose priors and values it follows.
          n_simulations: per move.
          explores: noise at the root, for self-play; without it nothing is left to chance.
        """
        game, evaluator = self._game(), PolicyValueEvaluator(network)
        if self.search == "gumbel":
            return GumbelMCTS(
                game,
                self.objective,
                evaluator,
                n_simulations,
                max_considered=self.max_considered,
                gumbel_scale=1.0 if explores else 0.0,
            )
        return PUCT(
            game,
            self.objective,
            evaluator,
            n_simulations,
            c_init=self.c_init,  # pyright: ignore[reportArgumentType] (a leaf)
            dirichlet_fraction=self.dirichlet_fraction if explores else 0.0,  # pyright: ignore
            dirichlet_alpha=self.dirichlet_alpha if explores else 0.3,  # pyright: ignore
        )

    def self_play(self, network: NetworkPolicy) -> SelfPlayActor:
        """The actor that plays both sides, and explores."""
        return SelfPlayActor(
            self.planner(network, self.n_simulations, explores=True),
            self.temperature,
            self.temperature_moves,
            self.final_temperature,
            self.epsilon,
        )

    def in_match(self, network: NetworkPolicy) -> SelfPlayActor:
        """Who plays in a match of networks: chance in the first moves, no noise at the root."""
        return SelfPlayActor(
            self.planner(network, self.n_simulations, explores=False),
            self.temperature,
            self.temperature_moves,
            0.0,
        )

    def player(self, network: NetworkPolicy) -> Actor:
        """Who plays for the result: the search without noise, or the network alone."""
        if not self.simulations_at_play:
            return network
        return GamePlayer(self.planner(network, self.simulations_at_play, explores=False))

    # Learning.

    def steps(self, iterations: Array) -> Array:
        """Moves made in so many iterations."""
        return iterations.astype(float) * (self.n_envs * self.train_freq)

    def rates(self, iterations: Array) -> Rates:
        """The numbers of this iteration's updates."""
        learning_rate = scheduled(
            self.learning_rate,
            self.learning_rate_schedule,
            self.steps(iterations),
            self.total_timesteps,
        )
        return Rates(learning_rate, self.vf_coef, self.l2, self.max_grad_norm)

    def learned(
        self,
        key: Key,
        network: NetworkPolicy,
        optimizer: optax.OptState,
        iterations: Array,
        drawn: Replayed,
        objective: Objective,
    ) -> tuple[NetworkPolicy, optax.OptState, LearningReport]:
        """The network after this iteration's updates; as it was while there is too little.

        Args:
          key: consumed.
          network: as it is.
          optimizer: Adam's state.
          iterations: done before this one.
          drawn: fresh moves and batches.
          objective: its discount counts.
        """
        # A run that goes on without its buffer waits until that has as much as at the beginning.
        enough = jnp.minimum(self.learning_starts, self.buffer_size // 2)
        learns = (drawn.filled >= enough) & jnp.any(drawn.weights > 0)

        def targets(windows: Trajectories, weights: Array) -> Positions:
            return positions_of(windows, weights, objective.discount, self.value_mix)

        def update() -> tuple[NetworkPolicy, optax.OptState, LearningReport]:
            batches = jax.vmap(targets)(drawn.batches, drawn.weights)
            symmetries = self._game().symmetries
            if self.symmetries and symmetries is not None:
                keys = jax.random.split(key, self.gradient_steps)
                batches = jax.vmap(lambda key, batch: mirrored(key, symmetries, batch))(
                    keys, batches
                )
            return learn(network, optimizer, batches, self.rates(iterations), self.adam_eps)

        def wait() -> tuple[NetworkPolicy, optax.OptState, LearningReport]:
            unknown = jnp.full((), jnp.nan)
            return network, optimizer, LearningReport(*[unknown] * len(LearningReport._fields))

        return jax.lax.cond(learns, update, wait)


def fresh_share(which: Array, among: Array) -> Array:
    """The share of the steps that are so among others; NaN where there are none."""
    return jnp.sum(which & among) / jnp.sum(among)


def _n_actions(game: AlternatingGame) -> int:
    space: Any = game.action_space
    assert isinstance(space, spaces.Discrete)
    return int(space.n)
