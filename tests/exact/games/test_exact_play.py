"""Alpha-beta, the proof of never losing and exploitability, against enumeration."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.actor import Actor
from upslope.core.checks import UpslopeError
from upslope.core.records import Act
from upslope.environments import ConnectFour, Nim, RandomLegal, TicTacToe
from upslope.environments.games.game_tree import (
    game_tree,
    joined_chunks,
    minimax_values,
    uniform_moves,
)
from upslope.environments.games.minimax import tic_tac_toe_minimax
from upslope.exact import AlphaBeta, exploitability, never_loses
from upslope.exact.games.exploitability import probabilities
from upslope.planning import UCT, PlanningActor
from upslope.policies.default import default_policy

GAME = TicTacToe()


@pytest.fixture(scope="module")
def levels():
    return game_tree(GAME)


class GoOn(Nim):
    """Nim in which who takes one object moves again."""

    turns_may_go_on: ClassVar[bool] = True

    def step(self, key, state, action):
        after, out = super().step(key, state, action)
        again = action == 0
        after = after._replace(mover=jnp.where(again, state.mover, after.mover))
        return after, out._replace(discount=jnp.where(again, 1.0, -jnp.ones(())))


def test_alpha_beta_is_minimax(levels):
    solver, values = AlphaBeta(GAME), minimax_values(levels)
    first = jax.tree.map(lambda leaf: leaf[0], levels[0].states)
    assert solver.value(first) == 0.0
    assert solver.expanded < 2500  # of 4,520 positions that are not over
    for depth in (1, 3, 4, 6):
        for n in range(0, len(levels[depth].paths), 41):
            state = jax.tree.map(lambda leaf, at=n: leaf[at], levels[depth].states)
            np.testing.assert_array_equal(solver.action_values(state), values[depth][n])
            assert solver.value(state) == values[depth][n].max()


def test_alpha_beta_of_nim_and_of_turns_that_go_on():
    for heap in (4, 5, 7, 8):
        state, _ = Nim(heap).reset(jax.random.key(0))
        assert AlphaBeta(Nim(heap)).value(state) == (-1.0 if heap % 4 == 0 else 1.0)
    worth = {0: 0}
    for left in range(1, 9):  # the plain recursion: one object keeps the turn
        moves = []
        for take in range(1, min(3, left) + 1):
            ahead = worth[left - take] if take == 1 else -worth[left - take]
            moves.append(1 if take == left else ahead)
        worth[left] = max(moves)
    game = GoOn(8)
    state, _ = game.reset(jax.random.key(0))
    assert AlphaBeta(game).value(state) == worth[8] == 1
    values = AlphaBeta(game).action_values(state)
    np.testing.assert_array_equal(values, [worth[7], -worth[6], -worth[5]])


def test_alpha_beta_stops():
    state, _ = ConnectFour().reset(jax.random.key(0))
    with pytest.raises(UpslopeError, match=r"expanded 20 positions of ConnectFour.*max_positions"):
        AlphaBeta(ConnectFour(), max_positions=20).value(state)
    with pytest.raises(UpslopeError, match="must be an AlternatingGame"):
        AlphaBeta("tic-tac-toe")


class FirstLegal(Actor):
    """Takes the legal cell of the lowest number."""

    def act(self, noise, observation, memory):
        return Act(jnp.argmax(observation["action_mask"]), memory)


class NoMask(Actor):
    """Wants the middle, always."""

    def act(self, noise, observation, memory):
        return Act(jnp.asarray(4), memory)


@pytest.mark.slow
def test_perfect_play_never_loses():
    proof = never_loses(GAME, tic_tac_toe_minimax())
    assert proof
    assert proof.lost == (None, None)
    assert all(positions > 30 for positions in proof.positions)
    every = never_loses(GAME, tic_tac_toe_minimax(), moves="all", draws=64)
    assert every
    assert every.positions[0] > proof.positions[0]


def test_a_loser_is_shown_its_game():
    for actor in (FirstLegal(), RandomLegal()):
        found = never_loses(GAME, actor)
        assert not found
        for side, line in enumerate(found.lost):
            if line is None:
                continue
            state, _ = GAME.reset(jax.random.key(0))
            for move in line:
                assert GAME.legal_actions(state)[move]
                before = int(state.mover)
                state, out = GAME.step(jax.random.key(0), state, move)
            assert bool(out.terminated)
            assert (float(out.reward), before) == (1.0, 1 - side)
    assert found.lost[1] is not None


def test_one_wrong_answer_is_found():
    """The proof tries every reply: one bad move in a position late in the game is enough."""
    good = tic_tac_toe_minimax()
    # x in a corner, o in the middle, x opposite: o in a third corner loses.
    code = 2 * 3**0 + 1 * 3**4 + 2 * 3**8
    bad = eqx.tree_at(lambda table: table.good, good, good.good.at[code].set(jnp.arange(9) == 2))
    found = never_loses(GAME, bad, moves="all", draws=64)
    assert found.lost[0] is None
    assert found.lost[1] is not None
    assert set(found.lost[1][:4]) == {0, 2, 4, 8}


def test_illegal_moves_are_named():
    with pytest.raises(UpslopeError, match=r"NoMask chose the illegal move 4.*after the moves.*4"):
        never_loses(GAME, NoMask())
    with pytest.raises(UpslopeError, match="not a game of two players"):
        never_loses("tic-tac-toe", NoMask())


@pytest.mark.slow
def test_a_search_that_solves_never_loses_nim():
    """From 9 objects a planner wins as first player; as second one it cannot help it."""
    planner = PlanningActor(UCT(Nim(9), n_simulations=100, keep_tree=False))
    found = never_loses(Nim(9), planner)
    assert found.lost[0] is None
    assert found.lost[1] is not None


def test_exploitability(levels):
    """Random moves of tic-tac-toe, 0.995 and 0.925, and perfect play, by enumeration."""
    found = exploitability(GAME, uniform_moves(levels), levels)
    assert found.as_first == pytest.approx(0.9948, abs=1e-4)
    assert found.exploitability == pytest.approx(0.9599, abs=1e-4)
    assert found.nash_conv == pytest.approx(2 * found.exploitability)
    perfect = [values == values.max(axis=1, keepdims=True) for values in minimax_values(levels)]
    perfect = [table / table.sum(axis=1, keepdims=True) for table in perfect]
    assert exploitability(GAME, perfect, levels).nash_conv == 0.0
    # One position in which a mistake is possible with probability 0.3.
    mixed = [table.copy() for table in perfect]
    mixed[0] = uniform_moves(levels)[0]
    assert exploitability(GAME, mixed, levels).nash_conv == 0.0  # every opening draws
    losing = [0.7 * a + 0.3 * b for a, b in zip(perfect, uniform_moves(levels), strict=True)]
    assert 0.0 < exploitability(GAME, losing, levels).nash_conv < found.nash_conv


def test_exploitability_of_nim():
    tree = game_tree(Nim(5))
    perfect = [(v == v.max(1, keepdims=True)) / 1.0 for v in minimax_values(tree)]
    perfect = [table / table.sum(axis=1, keepdims=True) for table in perfect]
    found = exploitability(Nim(5), perfect, tree)
    assert (found.as_first, found.as_second, found.nash_conv) == (1.0, -1.0, 0.0)


def test_a_policy_has_its_probabilities():
    game = Nim(6)
    tree = game_tree(game)
    policy = default_policy(
        jax.random.key(0), game.observation_space, game.action_space, kind="softmax", hidden=(4,)
    )
    tables = probabilities(tree, policy)
    for level, table in zip(tree, tables, strict=True):
        np.testing.assert_allclose(table.sum(axis=1), 1.0, rtol=1e-5)
        assert (table[~level.legal] == 0).all()
    assert exploitability(game, policy, tree).nash_conv > 0
    with pytest.raises(UpslopeError, match="RandomLegal, which says no probabilities"):
        exploitability(game, RandomLegal(), tree)


def test_chunks_are_joined():
    """Calls of 3 of 8 rows: the padding of the last one is cut off."""
    rows = np.arange(8)
    np.testing.assert_array_equal(joined_chunks(lambda x: 2 * x, (rows,), 8, 3), 2 * rows)
