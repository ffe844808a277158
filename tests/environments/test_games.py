"""Games: alternation, masks, zero sums, both players' sides, perft, exact values."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from environment_checks import check_environment

from upslope.core.actor import Actor
from upslope.core.checks import UpslopeError
from upslope.core.records import Act
from upslope.environments import AgainstOpponent, RandomLegal, TicTacToe, make
from upslope.environments import environment_contract as contract
from upslope.environments.games.game_tree import (
    best_response_value,
    game_tree,
    minimax_values,
    perft,
    uniform_moves,
)
from upslope.environments.games.minimax import tic_tac_toe_minimax
from upslope.planning import PlanningActor, RandomShooting
from upslope.sampling.episodes import sample_episodes

GAME = TicTacToe()


@pytest.fixture(scope="module")
def levels():
    return game_tree(GAME)


def play(moves):
    """Positions and steps of a sequence of moves."""
    state, _ = GAME.reset(jax.random.key(0))
    trail = []
    for move in moves:
        state, out = GAME.step(jax.random.key(0), state, jnp.asarray(move))
        trail.append((state, out))
    return trail


def returns(environment, actor, n_episodes):
    """[E] returns of one actor, signs multiplied."""
    episodes, _ = jax.jit(lambda key: sample_episodes(key, environment, actor, n_episodes, 9))(
        jax.random.key(0)
    )
    if episodes.discount is None:
        return np.sum(episodes.reward, axis=0)
    signs = np.cumprod(np.asarray(episodes.discount), axis=0)
    signs = np.concatenate([np.ones((1, n_episodes)), signs[:-1]])
    return np.sum(episodes.reward * signs, axis=0)


class Scripted(Actor):
    """Plays its list of moves; the memory counts them."""

    moves: jax.Array

    def initial_memory(self):
        return jnp.zeros((), int)

    def act(self, noise, observation, memory):
        return Act(self.moves[memory], memory + 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        GAME,
        make("tic-tac-toe", play_as="first"),
        make("tic-tac-toe", play_as="second", opponent="minimax"),
        make("tic-tac-toe"),
    ],
    ids=["game", "first", "second", "random"],
)
def test_games_are_environments(environment):
    check_environment(environment)
    contract.check_environment(environment)


def test_perft(levels):
    wanted = [9, 72, 504, 3024, 15120, 54720, 148176, 200448, 127872]
    assert perft(levels) == wanted


def test_the_number_of_positions(levels):
    """5,478 with those where the game is over."""
    finished = set()
    for level in levels:
        for n, a in zip(*np.nonzero(level.legal & level.over), strict=True):
            own = level.states.own[n].copy()
            own[a] = True
            finished.add((bytes(own), bytes(level.states.other[n])))
    assert sum(len(level.paths) for level in levels) + len(finished) == 5478


def test_players_alternate_and_see_their_own_side():
    trail = play([4, 0, 8])
    assert [int(GAME.mover(state)) for state, _ in trail] == [1, 0, 1]
    assert [float(out.discount) for _, out in trail] == [-1.0] * 3
    board = [np.asarray(out.observation["board"]).reshape(2, 9) for _, out in trail]
    assert np.flatnonzero(board[0][0]).tolist() == []
    assert np.flatnonzero(board[0][1]).tolist() == [4]
    assert np.flatnonzero(board[1][0]).tolist() == [4]
    assert np.flatnonzero(board[1][1]).tolist() == [0]
    assert np.flatnonzero(board[2][0]).tolist() == [0]
    assert np.flatnonzero(board[2][1]).tolist() == [4, 8]


def test_masks_are_the_empty_cells(levels):
    for level in levels:
        np.testing.assert_array_equal(level.legal, ~(level.states.own | level.states.other))
        np.testing.assert_array_equal(level.observations["action_mask"], level.legal)


def test_a_row_wins_and_the_end_is_absorbing():
    state, out = play([0, 3, 1, 4, 2])[-1]
    assert (float(out.reward), bool(out.terminated)) == (1.0, True)
    assert not GAME.legal_actions(state).any()
    assert out.observation["action_mask"].all(), "no distribution over legal actions is empty"
    later, again = GAME.step(jax.random.key(0), state, jnp.asarray(8))
    assert (float(again.reward), bool(again.terminated)) == (0.0, True)
    for one, other in zip(jax.tree.leaves(state), jax.tree.leaves(later), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_illegal_move_loses_at_once():
    state, out = play([0, 0])[-1]
    assert (float(out.reward), bool(out.terminated)) == (-1.0, True)
    assert bool(GAME.over(state))


def test_a_full_board_is_a_draw():
    rewards = [
        (float(out.reward), bool(out.terminated)) for _, out in play([0, 1, 2, 4, 3, 5, 7, 6, 8])
    ]
    assert rewards == [(0.0, False)] * 8 + [(0.0, True)]


def test_turning_the_board_changes_no_value(levels):
    """Minimax values are equal in all positions that rotations and reflections carry over."""
    values = minimax_values(levels)
    cells = np.arange(9).reshape(3, 3)
    for turned in (np.rot90(cells), np.fliplr(cells)):
        turned = turned.ravel()
        for level, worth in zip(levels, values, strict=True):
            pairs = zip(level.states.own, level.states.other, strict=True)
            place = {bytes(own) + bytes(other): n for n, (own, other) in enumerate(pairs)}
            for (own, other), value in zip(
                zip(level.states.own, level.states.other, strict=True), worth, strict=True
            ):
                n = place[bytes(own[turned]) + bytes(other[turned])]
                np.testing.assert_array_equal(worth[n], value[turned])


def test_changing_sides_changes_the_sign(levels):
    """The value to the mover is minus the best that the opponent can get."""
    values = minimax_values(levels)
    assert values[0].max() == 0.0, "perfect play is a draw"
    for level, worth, ahead in zip(levels[:-1], values[:-1], values[1:], strict=True):
        on = level.successor >= 0
        np.testing.assert_array_equal(worth[on], -ahead.max(axis=1)[level.successor[on]])


def test_the_signed_return_is_the_first_players():
    """Random play: who begins wins 58.49 % and loses 28.81 %, exactly; |z| < 4.5."""
    mean, variance = 737 / 1260 - 121 / 420, 737 / 1260 + 121 / 420
    many = returns(GAME, RandomLegal(), 4000)
    assert abs(many.mean() - mean) / np.sqrt((variance - mean**2) / 4000) < 4.5
    # The unsigned sum (the winner is always paid) is detected.
    unsigned = np.abs(many).mean()
    assert abs(unsigned - mean) / np.sqrt((variance - mean**2) / 4000) > 4.5


@pytest.mark.slow
@pytest.mark.parametrize(("play_as", "sign"), [("first", 1), ("second", -1), ("random", 0)])
def test_returns_are_the_learners(play_as, sign):
    """Random against random: the exact values by enumeration; |z| < 4.5."""
    environment = AgainstOpponent(GAME, RandomLegal(), play_as)
    found = returns(environment, RandomLegal(), 4000)
    assert abs(found.mean() - sign * (737 / 1260 - 121 / 420)) / (found.std() / np.sqrt(4000)) < 4.5


@pytest.mark.slow
def test_minimax_never_loses_and_draws_against_itself():
    perfect = tic_tac_toe_minimax()
    for side in ("first", "second"):
        against_random = returns(AgainstOpponent(GAME, RandomLegal(), side), perfect, 1000)
        assert against_random.min() >= 0
        assert against_random.mean() > 0.7
        assert not returns(AgainstOpponent(GAME, perfect, side), perfect, 100).any()
        assert returns(AgainstOpponent(GAME, perfect, side), RandomLegal(), 1000).max() <= 0


def test_best_responses(levels):
    """Against random moves: what the best learner earns; against perfect play it is a draw."""
    first = best_response_value(levels, uniform_moves(levels), begins=True)
    second = best_response_value(levels, uniform_moves(levels), begins=False)
    assert 0.98 < first < 1.0
    assert 0.9 < second < first
    perfect = []
    for worth in minimax_values(levels):
        good = worth >= worth.max(axis=1, keepdims=True)
        perfect.append(good / good.sum(axis=1, keepdims=True))
    assert best_response_value(levels, perfect, begins=True) == 0.0
    assert best_response_value(levels, perfect, begins=False) == 0.0


def test_the_opponents_memory_is_in_the_state():
    opponent = Scripted(jnp.array([8, 7, 6, 5]))
    environment = AgainstOpponent(GAME, opponent, "first")
    state, _ = environment.reset(jax.random.key(0))
    for number, move in enumerate((0, 1)):
        state, _ = environment.step(jax.random.key(0), state, jnp.asarray(move))
        assert int(state.memory) == number + 1
    np.testing.assert_array_equal(np.flatnonzero(state.game.own), [0, 1])
    np.testing.assert_array_equal(np.flatnonzero(state.game.other), [7, 8])
    state, out = environment.step(jax.random.key(0), state, jnp.asarray(3))
    assert (float(out.reward), bool(out.terminated)) == (-1.0, True), "6, 7, 8 is a row"


def test_a_planner_of_the_game_can_be_the_opponent():
    """Looking one move ahead, it completes its row."""
    opponent = PlanningActor(RandomShooting(GAME, n_candidates=200, horizon=1))
    environment = AgainstOpponent(GAME, opponent, "second")
    state, seen = jax.jit(environment.reset)(jax.random.key(0))
    assert int(seen["board"].sum()) == 1
    none = jnp.zeros(9, bool)
    row = state._replace(
        game=state.game._replace(
            own=none.at[jnp.array([0, 4])].set(True), other=none.at[jnp.array([2, 5])].set(True)
        )
    )
    _, out = jax.jit(environment.step)(jax.random.key(0), row, jnp.asarray(3))
    assert (float(out.reward), bool(out.terminated)) == (-1.0, True), "2, 5, 8 is a row"


@pytest.mark.slow
def test_the_learner_plays_the_side_it_asked_for():
    keys = jax.random.split(jax.random.key(0), 400)
    for side, wanted in (("first", 0.0), ("second", 1.0)):
        state, seen = jax.vmap(AgainstOpponent(GAME, RandomLegal(), side).reset)(keys)
        np.testing.assert_array_equal(state.learner, wanted)
        np.testing.assert_array_equal(seen["side_to_move"], wanted)
        np.testing.assert_array_equal(seen["board"][:, 1].sum(axis=(1, 2)), wanted)
    state, seen = jax.vmap(AgainstOpponent(GAME, RandomLegal()).reset)(keys)
    assert abs(np.mean(state.learner) - 0.5) < 4.5 * 0.5 / 20
    np.testing.assert_array_equal(seen["side_to_move"], state.learner)


@pytest.mark.parametrize(
    ("make_it", "reason"),
    [
        (lambda: make("tic-tac-toe", play_as="secnd"), "Did you mean 'second'"),
        (lambda: make("tic-tac-toe", opponent="perfect"), "random, minimax"),
        (lambda: AgainstOpponent(make("CartPole-v1"), RandomLegal()), "AlternatingGame"),
        (lambda: AgainstOpponent(GAME, "random"), "Actor"),
    ],
)
def test_refusals(make_it, reason):
    with pytest.raises(UpslopeError, match=reason):
        make_it()
