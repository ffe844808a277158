"""The contract holds methods that are not written yet: a tree search, and a filter with a plan."""

import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

sys.path.insert(0, str(Path(__file__).parent))
from mcts_self_play import MonteCarloTreeSearch, learn_from_self_play
from planet import FilteringActor, LatentModel

from upslope.environments import AgainstOpponent, Environment, FullyObserved, RandomLegal, TicTacToe
from upslope.environments.environment import Step
from upslope.environments.games.minimax import tic_tac_toe_minimax
from upslope.planning import CrossEntropyPlanner, PlanningActor
from upslope.sampling.episodes import sample_episodes

GAME = TicTacToe()


def searcher(n_simulations):
    return MonteCarloTreeSearch(GAME, n_simulations=n_simulations)


@pytest.mark.slow
def test_tree_search_plays_itself():
    actor = PlanningActor(searcher(60))
    play = jax.jit(lambda key, actor: sample_episodes(key, FullyObserved(GAME), actor, 4, 9)[0])
    games = play(jax.random.key(0), actor)
    visits = np.asarray(games.extras.planner.visits)[np.asarray(games.valid)]
    np.testing.assert_array_equal(visits.sum(axis=-1), 60)
    board = np.asarray(games.observation.observation["action_mask"])[np.asarray(games.valid)]
    assert not visits[~board].any(), "illegal moves are never visited"
    observation, policy, outcome = learn_from_self_play(games, 1.0)
    assert observation["board"].shape == (9, 4, 2, 3, 3)
    np.testing.assert_allclose(
        np.asarray(policy)[np.asarray(games.valid)].sum(axis=-1), 1, rtol=1e-5
    )
    # Outcomes alternate in sign along a game, and the last mover's is its reward.
    outcome, lengths = np.asarray(outcome), np.asarray(games.valid).sum(axis=0)
    for n, length in enumerate(lengths):
        assert outcome[length - 1, n] == games.reward[length - 1, n]
        np.testing.assert_array_equal(outcome[1:length, n], -outcome[: length - 1, n])


def test_tree_search_sees_a_win_and_a_threat():
    plan = jax.jit(lambda p, state: p.plan(jax.random.key(0), state, ()))
    state, _ = GAME.reset(jax.random.key(0))
    for move in (0, 3, 1, 4):
        state, _ = GAME.step(jax.random.key(0), state, jnp.asarray(move))
    found = plan(searcher(200), state)
    assert int(found.action) == 2
    assert float(found.value) > 0.7
    state, _ = GAME.reset(jax.random.key(0))
    for move in (0, 4, 1):
        state, _ = GAME.step(jax.random.key(0), state, jnp.asarray(move))
    assert int(plan(searcher(400), state).action) == 2, "the opponent would win there"


class _Unsigned(TicTacToe):
    """Wrong: the next value counts as the mover's own."""

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        return state, out._replace(discount=jnp.ones(()))


def test_the_sign_is_what_makes_it_block():
    state, _ = GAME.reset(jax.random.key(0))
    for move in (0, 4, 1):
        state, _ = GAME.step(jax.random.key(0), state, jnp.asarray(move))
    wrong = MonteCarloTreeSearch(_Unsigned(), n_simulations=400)
    assert int(jax.jit(lambda s: wrong.plan(jax.random.key(0), s, ()))(state).action) != 2


@pytest.mark.slow
def test_a_planner_can_be_the_opponent_and_be_judged():
    """Search never loses more than perfect play allows, and beats random moves."""
    learner = PlanningActor(searcher(200))

    def score(opponent):
        match = AgainstOpponent(GAME, opponent, "first")

        class Game(FullyObserved):
            """Shows the game's state, which the planner searches, not the match's."""

            def reset(self, key):
                state, seen = super().reset(key)
                return state, seen._replace(state=state.game)

            def step(self, key, state, action):
                state, out = super().step(key, state, action)
                seen = out.observation._replace(state=state.game)
                return state, out._replace(observation=seen)

        games, _ = jax.jit(
            lambda key: sample_episodes(key, Game(match), learner, 20, match.time_limit)
        )(jax.random.key(0))
        return np.asarray(games.reward).sum(axis=0)

    assert score(RandomLegal()).mean() > 0.85
    assert score(tic_tac_toe_minimax()).mean() > -0.3


class _Hidden(Environment):
    """A double integrator of which only the position is seen."""

    model: LatentModel
    time_limit: int | None = eqx.field(static=True, default=25)

    def reset(self, key):
        state = jnp.array([1.0, 0.0])
        return state, state[:1]

    def step(self, key, state, action):
        after, out = self.model.step(key, state, action)
        return after, Step(after[:1], out.reward, out.terminated)

    @property
    def observation_space(self):
        return spaces.Box(-np.inf, np.inf, (1,))

    @property
    def action_space(self):
        return spaces.Box(-1.0, 1.0, (1,))


def filtering_actor(model):
    planner = CrossEntropyPlanner(model, n_candidates=60, n_elites=8, horizon=8)
    return FilteringActor(model, jnp.eye(1, 2), jnp.array([[0.8], [1.5]]), planner)


class _Forgetful(FilteringActor):
    """Wrong: the memory is updated before the action, so that the filter never hears of it."""

    def act(self, noise, observation, memory):
        done = super().act(noise, observation, memory)
        return done._replace(memory=done.memory._replace(action=jnp.zeros(1)))


@pytest.mark.slow
def test_a_filter_remembers_what_was_done():
    model = LatentModel(
        jnp.array([[1.0, 0.2], [0.0, 1.0]]), jnp.array([[0.0], [0.2]]), jnp.array([1.0, 0.1])
    )
    hidden, actor = _Hidden(model), filtering_actor(model)

    def play(actor):
        return jax.jit(lambda key, a: sample_episodes(key, hidden, a, 2, 25)[0])(
            jax.random.key(0), actor
        )

    episodes = play(actor)
    state, states = jnp.array([1.0, 0.0]), []
    for action in episodes.action[:, 0]:
        states.append(state)
        state, _ = model.step(jax.random.key(0), state, action)
    error = np.abs(np.asarray(episodes.extras)[:, 0] - np.asarray(states))
    assert error[-8:].max() < 0.02, "the belief has found the hidden velocity"
    wrong = _Forgetful(actor.model, actor.observe_matrix, actor.gain, actor.planner)
    assert episodes.reward.sum(axis=0).mean() > play(wrong).reward.sum(axis=0).mean()
