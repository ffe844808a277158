"""A position in a mirror is worth the same, and its legal moves are mirrored with it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.checks import UpslopeError
from upslope.environments import ConnectFour, Nim, Pig, TicTacToe
from upslope.environments.games.symmetries import Symmetries


def played(game, moves):
    state, observation = game.reset(jax.random.key(0))
    for move in moves:
        state, out = game.step(jax.random.key(0), state, jnp.asarray(move))
        observation = out.observation
    return state, observation


@pytest.mark.parametrize(
    ("game", "n", "moves"),
    [(TicTacToe(), 8, (0, 4, 1, 5)), (ConnectFour(), 2, (0, 1, 1, 2, 2, 6, 2, 3))],
)
def test_playing_in_the_mirror_is_the_mirror_of_playing(game, n, moves):
    """Every symmetry of every position equals the position after the mirrored moves."""
    symmetries = game.symmetries
    assert len(symmetries) == n
    _, plain = played(game, moves)
    seen = set()
    for index in range(n):
        # Where action a of the mirror image comes from says where each move goes.
        goes = np.argsort(symmetries.actions[index])
        _, there = played(game, [goes[move] for move in moves])
        image = symmetries.of_observation(jnp.asarray(index), plain)
        for name, part in there.items():
            np.testing.assert_array_equal(image[name], part, err_msg=f"{name} in {index}")
        seen.add(np.asarray(image["board"]).tobytes())
        weights = jnp.arange(float(len(goes)))
        mirrored = symmetries.of_actions(jnp.asarray(index), weights)
        np.testing.assert_array_equal(mirrored[goes], weights)
    assert len(seen) == n  # all different: no symmetry is counted twice


def test_games_without_a_board_have_none_and_wrong_tables_are_refused():
    assert Nim().symmetries is None
    with pytest.raises(UpslopeError, match="permutations"):
        Symmetries(((0, 1), (1, 1)), ((0, 1), (1, 0)))
    with pytest.raises(UpslopeError, match="identity"):
        Symmetries(((1, 0),), ((0, 1),))


@pytest.mark.parametrize(
    ("game", "moves"),
    [
        (TicTacToe(), ()),
        (TicTacToe(), (4, 0, 8)),
        (TicTacToe(), (0, 3, 1, 4, 2)),
        (ConnectFour(), (3, 3, 2, 6, 0, 5, 5)),
        (ConnectFour(), (0, 1, 0, 1, 0, 1, 0)),
        (Nim(9), (2, 1)),
        (Pig(20), (0, 0)),
    ],
)
def test_an_observation_says_the_state(game, moves):
    state, observation = played(game, moves)
    again = game.state_of(observation)
    for have, want in zip(jax.tree.leaves(again), jax.tree.leaves(state), strict=True):
        np.testing.assert_array_equal(have, want)
        assert have.dtype == want.dtype
