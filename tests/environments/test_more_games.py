"""Connect four, Nim and pig: rules, counts of games, exact values."""

import itertools
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
from upslope.environments import (
    AgainstOpponent,
    ConnectFour,
    Nim,
    Pig,
    RandomLegal,
    make,
)
from upslope.environments import environment_contract as contract
from upslope.environments.games.connect_four import COLUMNS, ROWS, cells
from upslope.environments.games.game_tree import game_tree, minimax_values, perft
from upslope.sampling.episodes import sample_episodes

FOUR = ConnectFour()


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [FOUR, make("connect-four"), Nim(7), make("nim", heap=5), Pig(12), make("pig", target=12)],
    ids=["four", "connect-four", "Nim", "nim", "Pig", "pig"],
)
def test_games_are_environments(environment):
    check_environment(environment)
    contract.check_environment(environment)


@pytest.mark.slow
def test_perft_of_connect_four():
    """Games of n moves; one that is won is counted and goes no further.

    7^n until a column can be full, which costs seven games of seven moves. The positions are those
    of https://oeis.org/A212693 for as long as nobody can have won.
    """
    levels = game_tree(FOUR, max_depth=7)
    assert perft(levels) == [7, 49, 343, 2401, 16807, 117649, 823536]
    assert [len(level.paths) for level in levels][:7] == [1, 7, 49, 238, 1120, 4263, 16422]


def play_four(moves):
    """The states and steps of a sequence of moves."""
    state, _ = FOUR.reset(jax.random.key(0))
    trail = []
    for move in moves:
        state, out = jax.jit(FOUR.step)(jax.random.key(0), state, jnp.asarray(move))
        trail.append((state, out))
    return trail


def board_after(moves):
    """The mover's board and the opponent's by plain code, [2, 6, 7], the top row first."""
    boards = np.zeros((2, ROWS, COLUMNS))
    for number, column in enumerate(moves):
        row = max(r for r in range(ROWS) if not boards[:, r, column].any())
        boards[number % 2, row, column] = 1
    return boards[len(moves) % 2], boards[1 - len(moves) % 2]


def plain_four(board):
    """Whether a board [6, 7] has four in a row, by looking at every line."""
    for row, column in itertools.product(range(ROWS), range(COLUMNS)):
        for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
            line = [(row + k * down, column + k * right) for k in range(4)]
            inside = all(r < ROWS and 0 <= c < COLUMNS for r, c in line)
            if inside and all(board[cell] for cell in line):
                return True
    return False


@pytest.mark.slow
def test_random_games_equal_a_plain_implementation():
    """Every position of 100 random games: the board, the legal moves, the end and the winner."""
    games, _ = jax.jit(lambda key: sample_episodes(key, FOUR, RandomLegal(), 100, 42))(
        jax.random.key(3)
    )
    games = jax.tree.map(np.asarray, games._replace(memory=(), extras=()))
    seen = set()
    for game in range(100):
        length = int(games.valid[:, game].sum())
        moves = [int(move) for move in games.action[:length, game]]
        for n in range(1, length + 1):
            own, other = board_after(moves[:n])
            shown = jax.tree.map(lambda leaf, at=(n - 1, game): leaf[at], games.next_observation)
            np.testing.assert_array_equal(shown["board"], [own, other])
            won, full = plain_four(other), bool((own + other).all())
            assert bool(games.terminated[n - 1, game]) == (won or full)
            assert float(games.reward[n - 1, game]) == float(won)
            if not (won or full):
                np.testing.assert_array_equal(shown["action_mask"], (own + other)[0] == 0)
        assert bool(games.terminated[length - 1, game])
        seen.add(float(games.reward[length - 1, game]))
    assert 1.0 in seen


@pytest.mark.parametrize(
    ("moves", "name"),
    [
        ([0, 0, 1, 1, 2, 2, 3], "row"),
        ([3, 0, 4, 0, 5, 0, 6], "row at the right edge"),
        ([6, 0, 6, 0, 6, 0, 6], "column"),
        ([0, 1, 1, 2, 2, 3, 2, 3, 3, 5, 3], "diagonal up"),
        ([6, 5, 5, 4, 4, 3, 4, 3, 3, 1, 3], "diagonal down"),
    ],
)
def test_four_in_a_row_wins_and_three_does_not(moves, name):
    trail = play_four(moves)
    assert [float(out.reward) for _, out in trail] == [0.0] * (len(moves) - 1) + [1.0], name
    state, out = trail[-1]
    assert bool(out.terminated)
    later, again = FOUR.step(jax.random.key(0), state, jnp.asarray(1))
    assert (float(again.reward), bool(again.terminated)) == (0.0, True)
    for one, other in zip(jax.tree.leaves(state), jax.tree.leaves(later), strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_line_goes_around_the_edge_of_the_board():
    """The top of a column and the foot of the next are neighbours among the bits alone."""
    rng = np.random.default_rng(0)
    boards = rng.random((3000, ROWS, COLUMNS)) < 0.45
    words = np.zeros((3000, 2), np.uint32)
    for column in range(COLUMNS):
        for word, first in enumerate((0, 2)):
            if first <= column < first + 5:
                for row in range(ROWS):
                    bit = ROWS * (column - first) + ROWS - 1 - row
                    words[:, word] |= boards[:, row, column].astype(np.uint32) << np.uint32(bit)
    from upslope.environments.games.connect_four import has_four

    np.testing.assert_array_equal(jax.vmap(cells)(words[:, 0], words[:, 1]), boards)
    found = np.asarray(has_four(jnp.asarray(words))).any(axis=1)
    assert 0.2 < found.mean() < 0.8
    np.testing.assert_array_equal(found, [plain_four(board) for board in boards])


def test_a_full_column_is_an_illegal_move():
    state, out = play_four([0, 0, 0, 0, 0, 0])[-1]
    assert not out.observation["action_mask"][0]
    after, out = FOUR.step(jax.random.key(0), state, jnp.asarray(0))
    assert (float(out.reward), bool(out.terminated)) == (-1.0, True)
    np.testing.assert_array_equal(after.other_left, state.own_left)


@pytest.mark.parametrize(("heap", "most"), [(15, 3), (16, 3), (10, 4), (2, 3)])
def test_the_theory_of_nim(heap, most):
    """The mover loses from a multiple of k + 1, and otherwise wins by the remainder alone."""
    worth = minimax_values(game_tree(Nim(heap, most)))[0][0]
    rest = heap % (most + 1)
    wanted = [1.0 if take == rest else -1.0 for take in range(1, most + 1)]
    legal = np.arange(1, most + 1) <= heap
    np.testing.assert_array_equal(worth[legal], np.asarray(wanted)[legal])
    assert (worth[~legal] == -np.inf).all()


class Scripted(Actor):
    """Makes the same move every time."""

    move: jax.Array

    def act(self, noise, observation, memory):
        return Act(self.move, memory)


def roll(seed):
    """The die of a key, as pig throws it."""
    return int(jax.random.randint(jax.random.key(seed), (), 1, 7))


def test_pig_goes_on_or_passes():
    game = Pig(20)
    state, _ = game.reset(jax.random.key(0))
    one = next(seed for seed in range(100) if roll(seed) == 1)
    six = next(seed for seed in range(100) if roll(seed) == 6)
    state, out = game.step(jax.random.key(six), state, jnp.asarray(0))
    assert (int(state.turn), int(state.mover), float(out.discount)) == (6, 0, 1.0)
    kept, out = game.step(jax.random.key(six), state, jnp.asarray(1))
    assert (int(kept.other), int(kept.turn), int(kept.mover), float(out.discount)) == (6, 0, 1, -1)
    lost, out = game.step(jax.random.key(one), state, jnp.asarray(0))
    assert (int(lost.other), int(lost.turn), int(lost.mover), float(out.discount)) == (0, 0, 1, -1)
    for _ in range(3):
        state, _ = game.step(jax.random.key(six), state, jnp.asarray(0))
    assert int(state.turn) == 20, "more than wins is worth no more"
    _, out = game.step(jax.random.key(six), state, jnp.asarray(1))
    assert (float(out.reward), bool(out.terminated)) == (1.0, True)


@pytest.mark.slow
@pytest.mark.parametrize("side", ["first", "second"])
def test_an_opponent_whose_turn_goes_on_moves_until_it_ends(side):
    """After the learner's step it is the learner's turn; what the opponent wins is lost."""
    environment = AgainstOpponent(Pig(15), RandomLegal(), side)
    episodes, _ = jax.jit(lambda key: sample_episodes(key, environment, RandomLegal(), 400, 300))(
        jax.random.key(0)
    )
    mine = episodes.observation["side_to_move"][episodes.valid]
    np.testing.assert_array_equal(mine, 0 if side == "first" else 1)
    assert episodes.terminated.any(axis=0).all()
    earned = np.asarray((episodes.reward * episodes.valid).sum(axis=0))
    assert set(earned.tolist()) == {1.0, -1.0}
    # Random against random: who begins has a slight advantage.
    assert abs(earned.mean()) < 0.3


def test_an_opponent_that_wins_before_the_learner_has_moved_is_paid_for():
    """From three objects the opponent takes all: the learner's first step ends with -1."""
    greedy = Scripted(jnp.asarray(2))
    environment = AgainstOpponent(Nim(3), greedy, "second")
    state, _ = environment.reset(jax.random.key(0))
    assert float(state.owed) == -1.0
    _, out = environment.step(jax.random.key(0), state, jnp.asarray(0))
    assert (float(out.reward), bool(out.terminated)) == (-1.0, True)


@pytest.mark.parametrize(
    ("make_it", "reason"),
    [
        (lambda: make("connect-four", opponent="minimax"), "opponent"),
        (lambda: make("nim", play_as="frst"), "Did you mean 'first'"),
        (lambda: Nim(0), "at least 1"),
        (lambda: Pig(0), "at least 1"),
    ],
)
def test_refusals(make_it, reason):
    with pytest.raises(UpslopeError, match=reason):
        make_it()
