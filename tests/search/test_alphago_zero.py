"""AlphaGo Zero's own parts: resignation and its false positives, the match that decides."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import upslope
from upslope.core.checks import UpslopeError
from upslope.environments import Nim, Pig, Resignable, TicTacToe
from upslope.planning import GamePlayer
from upslope.search.games.resignation import FalsePositives, Resignation, adapted, false_positives
from upslope.search.games.targets import value_targets

pytest.importorskip("mctx")


def test_who_resigns_loses_and_other_moves_are_the_games():
    game = Resignable(TicTacToe())
    assert game.action_space.n == 10
    state, _ = game.reset(jax.random.key(0))
    _, gave_up = game.step(jax.random.key(0), state, jnp.asarray(9))
    assert (float(gave_up.reward), bool(gave_up.terminated)) == (-1.0, True)
    _, moved = game.step(jax.random.key(0), state, jnp.asarray(4))
    assert (float(moved.reward), bool(moved.terminated)) == (0.0, False)
    assert moved.observation["board"][1, 1, 1] == 1.0
    # To the target a resignation is a loss of its mover, and a win of who moved before.
    one = lambda *numbers: jnp.array(numbers)[:, None]  # noqa: E731
    args = one(0.0, -1.0), one(-1.0, -1.0), one(False, True), one(True, True), one(0.1, -0.9)
    assert value_targets(*args).tolist() == [1.0]


def test_false_positives_are_those_who_thought_of_resigning_and_did_not_lose():
    """Four games that ended, and one that did not; the threshold is -0.5.

    The mover won after a low of -0.8: wrong. It lost after one of -0.8: right, and the winner had
    never been below -0.1. A draw in which one of them had been at -0.6: wrong. A win of the mover's
    in a game in which resigning was allowed does not count.
    """
    reward = jnp.array([[1.0, -1.0, 0.0, 1.0, 0.0]])
    ended = jnp.array([[True, True, True, True, False]])
    plays_on = jnp.array([[True, True, True, False, True]])
    lowest = jnp.array([[[-0.8, -0.2], [-0.8, -0.1], [0.0, -0.6], [-0.9, 0.0], [-1.0, -1.0]]])
    found = false_positives(reward, ended, plays_on, lowest, jnp.asarray(-0.5))
    assert (float(found.games), float(found.wrong)) == (3.0, 2.0)
    # Seen from the wrong side the game that was rightly lost counts, and the one wrongly lost not.
    swapped = false_positives(reward, ended, plays_on, lowest[..., ::-1], jnp.asarray(-0.5))
    assert float(swapped.wrong) == 2.0
    assert float(false_positives(-reward, ended, plays_on, lowest, jnp.asarray(-0.7)).wrong) == 1.0


def test_the_threshold_settles_where_the_target_share_is_wrong():
    """Lowest values of survivors uniform on [-1, 0]: 5 % lie below -0.95."""
    lows = -jax.random.uniform(jax.random.key(0), (40, 500))

    @jax.jit
    def settle(lows):
        def step(known, low):
            wrong = jnp.sum(low < known.threshold, dtype=float)
            seen = FalsePositives(jnp.asarray(float(low.size)), wrong)
            return adapted(known, seen, 0.05, 1e-3), known.threshold

        start = Resignation(-jnp.ones(()), jnp.zeros(()))
        return jax.lax.scan(step, start, lows)

    known, path = settle(lows)
    assert path[0] == -1.0  # nobody resigns before anything is known
    assert np.mean(path[20:]) == pytest.approx(-0.95, abs=0.02)
    assert known.false_positives == pytest.approx(0.05, abs=0.02)


@pytest.mark.slow
def test_a_run_with_matches_and_resignation_leaves_a_player(tmp_path):
    run = upslope.train(
        "tic-tac-toe",
        "alphago-zero",
        out=tmp_path / "run",
        n_envs=8,
        train_freq=8,
        n_simulations=4,
        simulations_at_play=4,
        buffer_size=400,
        learning_starts=64,
        batch_size=16,
        gradient_steps=2,
        gating_interval=128,
        gating_games=4,
        gating_threshold=0.0,
        play_on=1.0,
        total_timesteps=768,
        seeds=1,
        hidden=(8,),
        evaluations=1,
        evaluation_episodes=2,
        final_episodes=4,
        use_preset=False,
    )
    scores = run.curves["match_score"].ravel()
    played = ~np.isnan(scores)
    assert played.sum() == 6  # after 128, 256, ... moves
    assert set(scores[played] * 8) <= set(range(9))  # halves of four games
    promoted = int((scores[played] > 0).sum())
    assert run.curves["promotions"].ravel()[-1] == promoted > 0
    assert np.nanmax(run.curves["resigned"]) == 0.0  # every game was played on
    assert isinstance(upslope.load(tmp_path / "run").policy, GamePlayer)


@pytest.mark.parametrize(
    ("game", "settings", "reason"),
    [
        ("pig", {"symmetries": False}, "Pig.*alternate.*alphazero"),
        ("nim", {}, "symmetries=True and Nim"),
        ("tic-tac-toe", {"gating_games": 1}, "gating_games=1"),
        ("tic-tac-toe", {"play_on": 2.0}, "play_on"),
    ],
)
def test_refusals(game, settings, reason):
    assert Pig().turns_may_go_on
    assert Nim().symmetries is None
    with pytest.raises(UpslopeError, match=reason):
        upslope.train(game, "alphago-zero", **settings)
