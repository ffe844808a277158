"""pgx's games behind our contract: their rules, both sides, illegal moves, ends."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from environment_checks import check_environment

from upslope.core.checks import UpslopeError
from upslope.environments import (
    AgainstOpponent,
    ConnectFour,
    PgxEnvironment,
    PgxGame,
    TicTacToe,
    make,
)
from upslope.environments import environment_contract as contract
from upslope.environments.games.game_tree import game_tree, joined_chunks, perft

pgx = pytest.importorskip("pgx")


@pytest.mark.slow
def test_the_contract():
    contract.check_environment(make("pgx:connect_four"))
    environment = make("pgx:minatar-breakout")
    contract.check_environment(environment)
    check_environment(environment, steps=20)


@pytest.mark.slow
def test_connect_four_is_ours():
    """Random games, some with an illegal last move: every step and every mask is the same."""
    ours, theirs = ConnectFour(), PgxGame.make("connect_four")
    steps = [jax.jit(game.step) for game in (ours, theirs)]
    generator = np.random.default_rng(0)
    ends = set()
    for number in range(12):
        key = jax.random.key(number)  # pgx draws who begins
        states, seen = zip(*(game.reset(key) for game in (ours, theirs)), strict=True)
        while True:
            for name in ("board", "action_mask", "side_to_move"):
                np.testing.assert_array_equal(seen[0][name], seen[1][name])
            legal = np.asarray(ours.legal_actions(states[0]))
            np.testing.assert_array_equal(legal, theirs.legal_actions(states[1]))
            if bool(ours.over(states[0])):
                break
            wrong = np.flatnonzero(~legal)
            choices = wrong if len(wrong) and number % 2 else np.flatnonzero(legal)
            action = jnp.asarray(generator.choice(choices))
            states, outs = zip(
                *(step(key, state, action) for step, state in zip(steps, states, strict=True)),
                strict=True,
            )
            assert float(outs[0].reward) == float(outs[1].reward)
            assert bool(outs[0].terminated) == bool(outs[1].terminated)
            assert float(outs[0].discount) == float(outs[1].discount) == -1.0
            seen = [out.observation for out in outs]
            if bool(outs[0].terminated):
                ends.add(float(outs[0].reward))
                if float(outs[0].reward) < 0:
                    break  # what the board shows after an illegal move is each library's own
    assert {1.0, -1.0} <= ends


@pytest.mark.slow
def test_tic_tac_toe_by_perft():
    theirs = game_tree(PgxGame.make("tic_tac_toe"), max_depth=4, chunk=128)
    assert perft(theirs) == [9, 72, 504, 3024]
    assert [len(level.paths) for level in theirs] == [
        len(level.paths) for level in game_tree(TicTacToe(), max_depth=4, chunk=128)
    ]


@pytest.mark.slow
def test_othello_by_perft():
    """4, 12, 56, 244 positions by moves; published counts of Reversi."""
    assert perft(game_tree(PgxGame.make("othello"), max_depth=4, chunk=16)) == [4, 12, 56, 244]


@pytest.mark.learning
@pytest.mark.slow
def test_chess_by_perft():
    """20, 400, 8902: published counts; the compilation of chess takes its time."""
    game = PgxGame.make("chess")
    state, _ = game.reset(jax.random.key(0))
    step = jax.jit(lambda states, actions: jax.vmap(move)(states, actions))

    def move(state, action):
        after, _ = game.step(jax.random.key(0), state, action)
        return after, game.legal_actions(after)

    states = jax.tree.map(lambda leaf: np.asarray(leaf)[None], state)
    legal, counts = np.asarray(game.legal_actions(state))[None], []
    for _ in range(3):
        parents, actions = np.nonzero(legal)
        counts.append(len(actions))
        if len(counts) < 3:
            after = jax.tree.map(lambda leaf, at=parents: leaf[at], states)
            states, legal = joined_chunks(step, (after, actions), len(actions), 20)
    assert counts == [20, 400, 8902]


@pytest.mark.slow
def test_2048():
    """Two tiles at the start; equal ones merge for their sum; a move that moves nothing is over."""
    environment = make("pgx:2048")
    contract.check_environment(environment)
    step = jax.jit(environment.step)
    state, seen = environment.reset(jax.random.key(0))
    assert seen["board"].shape == (31, 4, 4)
    tiles = lambda seen: (np.asarray(seen["board"]).argmax(axis=0) * 1).ravel()  # noqa: E731
    assert (tiles(seen) > 0).sum() == 2
    rewards = []
    for number in range(60):
        legal = np.flatnonzero(environment.action_mask(state))
        before = 2.0 ** tiles(seen)[tiles(seen) > 0]
        state, out = step(jax.random.key(number), state, jnp.asarray(legal[0]))
        seen = out.observation
        if bool(out.terminated):
            break
        after = 2.0 ** tiles(seen)[tiles(seen) > 0]
        assert after.sum() - before.sum() in (2.0, 4.0)  # merging keeps the sum, a tile is added
        rewards.append(float(out.reward))
    assert sum(rewards) > 0
    wrong = np.flatnonzero(~np.asarray(environment.action_mask(state)))
    if len(wrong) and not bool(out.terminated):
        _, out = step(jax.random.key(0), state, jnp.asarray(wrong[0]))
        assert bool(out.terminated)
        assert float(out.reward) == -1.0


@pytest.mark.slow
def test_go_passes_end_the_game():
    """A pass is a move; two of them end the game, and komi decides for the second player."""
    game = PgxGame.make("go_9x9")
    step = jax.jit(game.step)
    state, seen = game.reset(jax.random.key(3))
    assert seen["board"].shape == (17, 9, 9)
    state, out = step(jax.random.key(0), state, jnp.asarray(81))
    assert not bool(out.terminated)
    assert int(game.mover(state)) == 1
    state, out = step(jax.random.key(0), state, jnp.asarray(81))
    assert bool(out.terminated)
    assert float(out.reward) == 1.0  # who passed last has the second player's komi
    assert not np.asarray(game.legal_actions(state)).any()
    assert np.asarray(out.observation["action_mask"]).all()
    after, later = step(jax.random.key(0), state, jnp.asarray(0))
    assert float(later.reward) == 0.0
    assert bool(game.over(after))


@pytest.mark.slow
def test_turns_of_backgammon_go_on():
    """The sign of the value follows whose turn it is; the same keys are the same dice."""
    game = PgxGame.make("backgammon")
    assert game.turns_may_go_on
    step = jax.jit(game.step)
    trails = []
    for _ in range(2):
        state, seen = game.reset(jax.random.key(1))
        assert set(seen) == {"action_mask", "features", "side_to_move"}
        trail = []
        for number in range(12):
            mover, action = int(game.mover(state)), jnp.argmax(game.legal_actions(state))
            state, out = step(jax.random.key(number), state, action)
            assert float(out.discount) == (1.0 if int(game.mover(state)) == mover else -1.0)
            trail.append((int(action), float(out.discount)))
        trails.append(trail)
    assert trails[0] == trails[1]
    assert {sign for _, sign in trails[0]} == {1.0, -1.0}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "count"), [("othello", 8), ("hex", 2), ("connect_four", 2)])
def test_symmetries(name, count):
    """The same game in a mirror: the image of every move gives the image of what is seen."""
    game = PgxGame.make(name)
    symmetries = game.symmetries
    assert len(symmetries) == count
    step = jax.jit(game.step)
    key, generator = jax.random.key(0), np.random.default_rng(0)
    state, seen = game.reset(key)
    line = []
    for _ in range(5):
        line.append(int(generator.choice(np.flatnonzero(seen["action_mask"]))))
        state, out = step(key, state, jnp.asarray(line[-1]))
        seen = out.observation
    ways = range(count) if name != "othello" else [s for s in range(8) if _keeps_start(game, s)]
    assert len(ways) > 1
    for index in ways:
        image, _ = game.reset(key)
        for action in line:
            turned = symmetries.actions[index].index(action)
            image, out = step(key, image, jnp.asarray(turned))
        wanted = symmetries.of_observation(index, seen)
        for field in ("board", "action_mask"):
            np.testing.assert_array_equal(out.observation[field], wanted[field])
    assert PgxGame.make("chess").symmetries is None


def _keeps_start(game, index):
    """Whether a turn of the board leaves othello's first four discs where they are."""
    _, seen = game.reset(jax.random.key(0))
    board = game.symmetries.of_observation(index, seen)["board"]
    return bool((board == seen["board"]).all())


def test_names_and_settings():
    game = make("pgx:connect_four", play_as="second")
    assert isinstance(game, AgainstOpponent)
    assert game.play_as == "second"
    assert make("pgx:othello").game.time_limit == 120
    assert PgxGame.make("go_9x9").time_limit == 162
    freeway = make("pgx:minatar-freeway", sticky_action_prob=0.0, time_limit=50)
    assert isinstance(freeway, PgxEnvironment)
    assert freeway.time_limit == 50
    assert freeway.observation_space.shape == (10, 10, 7)


@pytest.mark.parametrize(
    ("name", "settings", "reason"),
    [
        ("pgx:conect_four", {}, "Unknown pgx game 'conect_four'. Did you mean 'connect_four'"),
        ("pgx:kuhn_poker", {}, "hidden cards"),
        ("pgx:2048", {"opponent": "random"}, "no setting 'opponent'"),
        ("pgx:go_9x9", {"comi": 6.5}, r"no setting 'comi'. Did you mean 'komi'"),
        ("pgx:connect_four", {"play_as": "frist"}, "play_as='frist'.*'first'"),
        ("pgx:connect_four", {"opponent": "minimax"}, "opponent='minimax'.*random"),
        ("pxg:connect_four", {}, "Did you mean 'pgx:connect_four'"),
    ],
)
def test_refusals(name, settings, reason):
    with pytest.raises(UpslopeError, match=reason):
        make(name, **settings)
    with pytest.raises(UpslopeError, match="for 1 player"):
        PgxGame.make("2048")


def test_a_missing_pgx_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pgx", None)
    with pytest.raises(UpslopeError, match=r"pip install 'upslope\[games\]'"):
        make("pgx:connect_four")


def test_boards_have_the_names_of_their_players():
    """Squares of othello from the top, of go from below and without i; hex is slanted."""
    from upslope.drawing import board_lines, view_of
    from upslope.drawing.board_view import move_names

    othello = PgxGame.make("othello")
    state, seen = othello.reset(jax.random.key(0))
    names = move_names(othello)
    legal = [names[action] for action in np.flatnonzero(seen["action_mask"])]
    assert legal == ["d3", "c4", "f5", "e6"]
    assert names[-1] == "pass"
    lines = board_lines(view_of(othello, state))
    assert lines[3].split() == ["4", ".", ".", ".", "O", "X", ".", ".", "."]
    assert lines[-1].split() == list("abcdefgh")
    go = move_names(PgxGame.make("go_9x9"))
    assert (go[0], go[8], go[80], go[81]) == ("a9", "j9", "j1", "pass")
    board = PgxGame.make("hex")
    assert move_names(board)[-1] == "swap"
    assert view_of(board, board.reset(jax.random.key(0))[0]).slant == 0.5
