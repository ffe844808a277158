"""AlphaZero: a network learns from its own games by search."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from upslope.core.actor import Actor
from upslope.core.annotations import Key
from upslope.core.records import Replayed
from upslope.core.tree import ravel_parameters
from upslope.objectives.objective import Objective
from upslope.policies.network import NetworkPolicy
from upslope.policies.policy import Policy
from upslope.search.games.self_play import SelfPlayActor
from upslope.search.games.self_play_method import SelfPlayMethod, fresh_share
from upslope.search.gradient.optimizer import start_ascent
from upslope.search.search_method import Defaults


class AlphaZeroState(NamedTuple):
    """What the next iteration needs."""

    network: NetworkPolicy
    optimizer: optax.OptState
    iterations: Array  # scalar int: done


class AlphaZeroDiagnostics(NamedTuple):
    """What its users look at; the losses are NaN while nothing is learnt."""

    policy_loss: Array  # cross-entropy of the search's policy and the network's
    value_loss: Array  # (z - v)^2
    value_error: Array  # |z - v|
    policy_entropy: Array  # of the network, nats
    search_improvement: Array  # how often the search preferred another move than the network
    search_value_error: Array  # |search's value - network's value| of the moves played
    decisive: Array  # share of the games that ended which were not drawn
    gradient_norm: Array  # before clipping
    learning_rate: Array
    model_steps: Array  # simulated moves, apart from those played


class AlphaZero(SelfPlayMethod[AlphaZeroState]):
    r"""Self-play by a search that a network guides; the network learns what the search found.

    .. math:: L = (z - v)^2 - \pi^T \ln p + c \lVert \theta \rVert^2, \qquad (p, v) = f_\theta(s)

    with pi the search's policy at a position, z the outcome of the game from the side of who was to
    move there, and one network for both sides, which is used as soon as it has been updated. Where
    a game is not finished, z is the search's own value of the last position seen. No guarantee with
    networks; with `search="gumbel"` and exact values a search is in expectation no worse than the
    policy that guides it. The solution searches, too: `simulations_at_play`.

    The method plays the game itself, whoever the environment's opponent is; that one is who it is
    evaluated against.

    Its settings are those of `SelfPlayMethod`.

    Raises:
      UpslopeError: settings that make no sense; from `configure`: not a game of two players, fewer
        simulations than moves to compare, a policy without a network, with memory or with moments,
        or mctx is not installed.

    References:
      Silver et al. (2018), "A General Reinforcement Learning Algorithm that Masters Chess, Shogi
      and Go through Self-Play"; Danihelka et al. (2022) for `search="gumbel"`.
    """

    name: ClassVar[str] = "alphazero"
    defaults: ClassVar[Defaults] = Defaults(
        policy="softmax", total_timesteps=300_000, seeds=1, example="tic-tac-toe"
    )

    def init(self, key: Key, policy: Policy, objective: Objective) -> AlphaZeroState:
        network = jax.tree.map(jnp.asarray, self.network(key, policy))
        theta, _ = ravel_parameters(network)
        optimizer = start_ascent("adam", theta, self.adam_eps)
        return AlphaZeroState(network, optimizer, jnp.zeros((), int))

    def ask(self, key: Key, state: AlphaZeroState) -> SelfPlayActor:
        return self.self_play(state.network)

    def tell(
        self,
        key: Key,
        state: AlphaZeroState,
        candidates: SelfPlayActor,
        experience: Replayed,
        objective: Objective,
    ) -> tuple[AlphaZeroState, AlphaZeroDiagnostics]:
        network, optimizer, report = self.learned(
            key, state.network, state.optimizer, state.iterations, experience, objective
        )
        fresh, notes = experience.fresh, experience.fresh.extras
        ended = fresh.terminated
        diagnostics = AlphaZeroDiagnostics(
            policy_loss=report.policy_loss,
            value_loss=report.value_loss,
            value_error=report.value_error,
            policy_entropy=report.policy_entropy,
            search_improvement=jnp.mean(notes.improved),  # pyright: ignore
            search_value_error=jnp.mean(jnp.abs(notes.value - notes.prior_value)),  # pyright: ignore
            decisive=fresh_share(fresh.reward != 0, ended),
            gradient_norm=report.gradient_norm,
            learning_rate=jnp.asarray(self.rates(state.iterations).learning_rate),
            model_steps=jnp.asarray(ended.size * candidates.planner.model_steps, float),
        )
        return AlphaZeroState(network, optimizer, state.iterations + 1), diagnostics

    def solution(self, state: AlphaZeroState) -> Actor:
        return self.player(state.network)
