"""AlphaGo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.actor import Actor
from upslope.core.annotations import Key, Observation
from upslope.core.checks import UpslopeError, check_number
from upslope.core.records import Trajectories
from upslope.environments.environment import Environment
from upslope.environments.games.alternating_game import AlternatingGame
from upslope.environments.wrappers.fully_observed import FullyObserved
from upslope.objectives.objective import EpisodicReturn, Objective
from upslope.planning.game_player import GamePlayer
from upslope.planning.mcts.network_search import mctx_module
from upslope.planning.mcts.policy_value_rollouts import PolicyValueRollouts
from upslope.planning.mcts.two_networks import TwoNetworkEvaluator
from upslope.planning.mcts.uct import UCT
from upslope.policies.default import default_policy
from upslope.policies.heads.discrete import PolicyValueHead
from upslope.policies.network import NetworkPolicy
from upslope.policies.policy import Policy
from upslope.sampling.experience import Episodes
from upslope.search.games.alphago.learning import (
    Learner,
    agreement,
    as_rows,
    imitation,
    reinforcement,
    value_fit,
)
from upslope.search.games.alphago.players import (
    Against,
    Expert,
    MoveNotes,
    OneDeviation,
    StagedPlayer,
)
from upslope.search.search_method import Defaults, ProblemSpec, SearchMethod
from upslope.search.step_count import StepCount


class AlphaGoState(NamedTuple):
    """What the next iteration needs."""

    imitator: Learner  # p_sigma: the prior of the search
    rollout: Learner  # p_pi: linear and fast, plays the rollouts
    improved: Learner  # p_rho: by self-play
    value: Learner  # v_theta: of p_rho against itself
    pool: NetworkPolicy  # leaves [P, ...]: earlier p_rho
    pooled: Array  # scalar int: how many have been put there
    reinforced: Array  # scalar int: iterations of the second stage
    steps: StepCount  # moves made


class AlphaGoDiagnostics(NamedTuple):
    """What its users look at; NaN in the stages that do not know it."""

    stage: Array  # 0 imitation, 1 reinforcement, 2 values
    imitation_loss: Array  # -log probability of the expert's move, nats
    agreement: Array  # how often the imitator's first choice is the expert's move
    pool_score: Array  # mean outcome against the earlier self: 1 wins, 0 draws, -1 loses
    value_error: Array  # root of the mean squared error of the values
    model_steps: Array  # simulated moves of the expert, apart from those played, at most


class AlphaGo(SearchMethod[AlphaGoState, Trajectories]):
    r"""AlphaGo's pipeline of 2016: three stages of training, and a search of what came of them.

    .. math:: \Delta\sigma \propto \nabla \ln p_\sigma(a \mid s), \qquad
              \Delta\rho \propto \nabla \ln p_\rho(a_t \mid s_t) \, (z_t - b), \qquad
              \Delta\theta \propto (z - v_\theta(s)) \, \nabla v_\theta(s)

    Imitation: a network learns the moves a of an expert, as AlphaGo did those of people; the expert
    here is a tree search with random rollouts. A linear network learns them too. Reinforcement: the
    network goes on by REINFORCE, against a pool of its earlier selves. Values: a second network
    learns who wins when the improved policy plays itself, from one position of each game.

    The solution searches by PUCT with p_sigma as its prior and leaves that are worth
    :math:`(1 - \lambda) v_\theta + \lambda z`, z the outcome of a rollout of the linear policy. No
    guarantee with networks. What AlphaGo Zero left out: the expert, the rollouts, the stages.

    Attributes:
      n_games: whole games per iteration. Static.
      expert_simulations: simulations per move of the search that is imitated. Static.
      expert_epsilon: share of random moves in the expert's games; they are not imitated.
      imitation_share: share of `total_timesteps` for the first stage.
      reinforcement_share: share for the second; the rest is the third's.
      gradient_steps: steps of Adam on each batch of games, of stages 1 and 3. Static.
      learning_rate: step size of Adam, of stages 1 and 3.
      reinforcement_learning_rate: step size of Adam, of stage 2.
      pool_size: earlier selves that are kept, the newest ones. Static.
      pool_interval: iterations of stage 2 until the next one is put into the pool.
      simulations_at_play: per move of the solution; 0 plays p_rho alone. Static.
      rollout_share: share of a leaf's value that is a rollout's outcome, lambda.
      c_puct: weight of the prior in the search.
      max_grad_norm: bound on the norm of each gradient.
      adam_eps: what Adam adds to the root of the second moment. Static.
      total_timesteps: the budget in moves, for the stages.

    Raises:
      UpslopeError: settings that make no sense; from `configure`: not a game of two players that
        ends, a policy without a network or with memory, or mctx is not installed.

    References:
      Silver et al. (2016), "Mastering the Game of Go with Deep Neural Networks and Tree Search":
      57.0 % of human moves at best, the improved policy beats the imitator in 80 % of games, and
      lambda = 0.5 wins 95 % against the variants with one of both.
    """

    name: ClassVar[str] = "alphago"
    defaults: ClassVar[Defaults] = Defaults(
        policy="softmax", total_timesteps=300_000, seeds=1, example="tic-tac-toe"
    )
    plays_both_sides: ClassVar[bool] = True
    plays_alone: ClassVar[bool] = False
    writes_by_index: ClassVar[bool] = True  # search trees
    n_games: int = eqx.field(static=True, default=128)
    expert_simulations: int = eqx.field(static=True, default=50)
    expert_epsilon: float | Array = 0.25
    imitation_share: float | Array = 0.2
    reinforcement_share: float | Array = 0.5
    gradient_steps: int = eqx.field(static=True, default=8)
    learning_rate: float | Array = 3e-3
    reinforcement_learning_rate: float | Array = 1e-3
    pool_size: int = eqx.field(static=True, default=16)
    pool_interval: int | Array = 10
    simulations_at_play: int = eqx.field(static=True, default=64)
    rollout_share: float | Array = 0.5
    c_puct: float | Array = 1.25
    max_grad_norm: float | Array = 5.0
    adam_eps: float = eqx.field(static=True, default=1e-8)
    total_timesteps: float | Array = 300_000.0
    game: AlternatingGame | None = eqx.field(init=False)
    objective: Objective = eqx.field(init=False)

    def __post_init__(self) -> None:
        self.game, self.objective = None, EpisodicReturn()

    def __check_init__(self) -> None:
        check = lambda name, **limits: check_number("AlphaGo", name, getattr(self, name), **limits)  # noqa: E731
        for name in ("n_games", "expert_simulations", "gradient_steps", "pool_size"):
            check(name, at_least=1, integer=True)
        check("simulations_at_play", at_least=0, integer=True)
        check("pool_interval", at_least=1)
        shares = ("expert_epsilon", "imitation_share", "reinforcement_share", "rollout_share")
        for name in shares:
            check(name, at_least=0, at_most=1)
        for name in ("learning_rate", "reinforcement_learning_rate", "max_grad_norm", "adam_eps"):
            check(name, above=0)
        check("c_puct", at_least=0)
        check("total_timesteps", above=0)

    @property
    def experience(self) -> Episodes:
        return Episodes(self.n_games)

    @property
    def follows_score(self) -> bool:
        """It follows the score of a network of its choice, see `configure`."""
        return True

    def scheduled_by_budget(self) -> tuple[str, ...]:
        return (*super().scheduled_by_budget(), "imitation_share", "reinforcement_share")

    def configure(self, spec: ProblemSpec) -> AlphaGo:
        game = spec.environment
        mctx_module("AlphaGo")
        if not isinstance(game, AlternatingGame):
            raise UpslopeError(
                f"AlphaGo got {type(game).__name__}: it plays both sides of a game of two players "
                "(tic-tac-toe, connect-four, nim, or an AlternatingGame of your own). For other "
                "tasks use ppo or dqn."
            )
        if game.time_limit is None:
            raise UpslopeError(
                f"AlphaGo got {type(game).__name__} with time_limit=None: it learns from whole "
                "games, which have to end. Give the game a time limit, or use alphazero with "
                "n_step=20."
            )
        if not isinstance(spec.policy, NetworkPolicy) or spec.policy.has_memory:
            raise UpslopeError(
                f"AlphaGo got a policy {type(spec.policy).__name__}: it needs a network without "
                "memory that reads the board as it is. Use policy='softmax' or 'board', without "
                "normalize_observations."
            )
        if isinstance(spec.policy.head, PolicyValueHead):
            raise UpslopeError(
                "AlphaGo got a network of policy and value, as alphazero trains it: it keeps both "
                "apart. Start it from a policy of its own or of ppo."
            )
        return eqx.tree_at(
            lambda it: (it.game, it.objective),
            self,
            (game, spec.objective),
            is_leaf=lambda node: node is None,
        )

    def sampled_in(self, environment: Environment) -> Environment:
        return FullyObserved(environment)  # pyright: ignore[reportCallIssue] (time_limit is the inner one's)

    def _game(self) -> AlternatingGame:
        if self.game is None:
            raise UpslopeError("AlphaGo must be configured for a game before it searches.")
        return self.game

    def init(self, key: Key, policy: Policy, objective: Objective) -> AlphaGoState:
        assert isinstance(policy, NetworkPolicy)
        policy = jax.tree.map(jnp.asarray, policy)
        rollout_key, value_key = jax.random.split(key)
        game = self._game()
        spaces_of = game.observation_space, game.action_space
        rollout = default_policy(rollout_key, *spaces_of, kind="softmax", hidden=())
        learner = lambda network: Learner.fresh(network, self.adam_eps)  # noqa: E731
        return AlphaGoState(
            imitator=learner(policy),
            rollout=learner(jax.tree.map(jnp.asarray, rollout)),
            improved=learner(policy),
            value=learner(jax.tree.map(jnp.asarray, policy.network_like(value_key, 1))),
            pool=jax.tree.map(lambda leaf: jnp.stack([leaf] * self.pool_size), policy),
            pooled=jnp.zeros((), int),
            reinforced=jnp.zeros((), int),
            steps=StepCount.start(),
        )

    def stage(self, state: AlphaGoState) -> Array:
        """The stage of the next iteration, a scalar: 0, 1 or 2."""
        gone = state.steps.value / self.total_timesteps
        second = jnp.asarray(self.imitation_share, float)
        third = second + self.reinforcement_share
        return (gone >= second).astype(int) + (gone >= third).astype(int)

    def ask(self, key: Key, state: AlphaGoState) -> StagedPlayer:
        game = self._game()
        improved, imitator = state.improved.network, state.imitator.network
        assert isinstance(improved, NetworkPolicy)
        assert isinstance(imitator, NetworkPolicy)
        filled = jnp.clip(state.pooled, 1, self.pool_size)
        drawn = jax.random.randint(key, (), 0, filled)
        opponent = jax.tree.map(lambda leaf: leaf[drawn], state.pool)
        expert = UCT(game, self.objective, n_simulations=self.expert_simulations, keep_tree=False)
        return StagedPlayer(
            self.stage(state),
            (
                Expert(game, expert, jnp.asarray(self.expert_epsilon, float)),
                Against(game, improved, opponent),
                OneDeviation(game, improved, imitator),
            ),
        )

    def tell(
        self,
        key: Key,
        state: AlphaGoState,
        candidates: StagedPlayer,
        experience: Trajectories,
        objective: Objective,
    ) -> tuple[AlphaGoState, AlphaGoDiagnostics]:
        notes = experience.extras
        assert isinstance(notes, MoveNotes)
        shown: Any = experience.observation
        outcome = objective.credit(experience, "reward-to-go").reshape(-1)
        seen, weight = as_rows(shown.observation, experience.valid & notes.learns)
        stages = (
            lambda: self._imitate(state, seen, notes.target.reshape(-1), weight),
            lambda: self._reinforce(state, seen, experience.action.reshape(-1), outcome, weight),
            lambda: self._value(state, seen, outcome, weight),
        )
        state, diagnostics = jax.lax.switch(candidates.stage, stages)
        moves = jnp.sum(experience.valid)
        expert = candidates.players[0].search.model_steps
        simulated = jnp.where(candidates.stage == 0, moves.astype(float) * expert, 0.0)
        return (
            state._replace(steps=state.steps.add(moves)),
            diagnostics._replace(model_steps=simulated, stage=candidates.stage.astype(float)),
        )

    def _ascend(self, learner: Learner, objective: Callable[..., Array]) -> tuple[Learner, Array]:
        return learner.improved(
            objective,
            self.learning_rate,
            self.gradient_steps,
            self.max_grad_norm,
            self.adam_eps,
        )

    def _imitate(
        self, state: AlphaGoState, seen: Observation, target: Array, weight: Array
    ) -> tuple[AlphaGoState, AlphaGoDiagnostics]:
        fits = lambda policy: imitation(policy, seen, target, weight)  # noqa: E731
        agreed = agreement(state.imitator.network, seen, target, weight)  # pyright: ignore
        imitator, log_prob = self._ascend(state.imitator, fits)
        rollout, _ = self._ascend(state.rollout, fits)
        # The policy that is to be improved, and the pool, begin where imitation ends.
        started = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, (self.pool_size, *leaf.shape)), imitator.network
        )
        return state._replace(
            imitator=imitator,
            rollout=rollout,
            improved=Learner.fresh(imitator.network, self.adam_eps),
            pool=started,
            pooled=jnp.ones_like(state.pooled),
        ), _nothing()._replace(imitation_loss=-log_prob, agreement=agreed)

    def _reinforce(
        self, state: AlphaGoState, seen: Observation, action: Array, outcome: Array, weight: Array
    ) -> tuple[AlphaGoState, AlphaGoDiagnostics]:
        improved, _ = state.improved.improved(
            lambda policy: reinforcement(policy, seen, action, outcome, weight),
            self.reinforcement_learning_rate,
            1,
            self.max_grad_norm,
            self.adam_eps,
        )
        score = jnp.sum(weight * outcome) / jnp.maximum(jnp.sum(weight), 1)
        reinforced = state.reinforced + 1
        due = reinforced % jnp.asarray(self.pool_interval, int) == 0
        place = state.pooled % self.pool_size
        pool = jax.tree.map(
            lambda all, one: all.at[place].set(jnp.where(due, one, all[place])),
            state.pool,
            improved.network,
        )
        return state._replace(
            improved=improved,
            pool=pool,
            pooled=state.pooled + due.astype(state.pooled.dtype),
            reinforced=reinforced,
        ), _nothing()._replace(pool_score=score)

    def _value(
        self, state: AlphaGoState, seen: Observation, outcome: Array, weight: Array
    ) -> tuple[AlphaGoState, AlphaGoDiagnostics]:
        fits = lambda network: value_fit(network, seen, outcome, weight)  # noqa: E731
        value, negative = self._ascend(state.value, fits)
        return state._replace(value=value), _nothing()._replace(value_error=jnp.sqrt(-negative))

    def planner(self, state: AlphaGoState, rollout_share: float | Array) -> PolicyValueRollouts:
        """The search at play.

        Args:
          state: whose networks guide it.
          rollout_share: lambda.
        """
        imitator, value, rollout = state.imitator, state.value, state.rollout
        evaluator = TwoNetworkEvaluator(imitator.network, value.network)  # pyright: ignore
        return PolicyValueRollouts(
            self._game(),
            self.objective,
            evaluator,
            max(self.simulations_at_play, 1),
            c_init=self.c_puct,
            rollout_policy=rollout.network,  # pyright: ignore
            rollout_share=rollout_share,
        )

    def solution(self, state: AlphaGoState) -> Actor:
        if not self.simulations_at_play:
            assert isinstance(state.improved.network, NetworkPolicy)
            return state.improved.network
        return GamePlayer(self.planner(state, self.rollout_share))


def _nothing() -> AlphaGoDiagnostics:
    nan = jnp.full((), jnp.nan, float)
    return AlphaGoDiagnostics(
        stage=nan,
        imitation_loss=nan,
        agreement=nan,
        pool_score=nan,
        value_error=nan,
        model_steps=nan,
    )
