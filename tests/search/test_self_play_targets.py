"""Targets and losses of self-play on hand numbers, and the faults that others were reported for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.search.games.losses import entropy, policy_loss, value_loss, weight_penalty
from upslope.search.games.targets import value_targets
from upslope.search.games.temperature import temperature_at

MINUS = -jnp.ones((5, 1))


def column(*numbers):
    return jnp.array(numbers, float)[:, None]


def target(reward, root, *, ends=True, valid=None, discount=MINUS, gamma=1.0, mix=1.0):
    """z of the first position of one window."""
    length = len(reward)
    valid = jnp.ones((length, 1), bool) if valid is None else jnp.array(valid)[:, None]
    last = jnp.arange(length)[:, None] == valid.sum() - 1
    found = value_targets(
        column(*reward),
        None if discount is None else discount[:length],
        last & ends,
        valid,
        column(*root),
        gamma,
        mix,
    )
    return float(found[0])


@pytest.mark.parametrize(("moves", "sign"), [(1, 1.0), (2, -1.0), (3, 1.0), (4, -1.0), (5, 1.0)])
def test_the_outcome_is_seen_by_who_is_to_move(moves, sign):
    """Who makes the last of an odd number of moves is who is to move now, and wins."""
    reward = [0.0] * (moves - 1) + [1.0]
    root = [0.3] * moves
    assert target(reward, root) == sign
    # A discount that is forgotten makes every position one that wins.
    assert target(reward, root, discount=None) == 1.0


def test_a_draw_is_neither_won_nor_lost():
    assert target([0.0, 0.0, 0.0], [0.9, -0.8, 0.7]) == 0.0


def test_an_unfinished_game_counts_with_the_last_value_the_search_gave():
    """After two moves the value 0.4 of the third position is again the mover's; not a draw."""
    assert target([0.0, 0.0, 0.0], [0.9, 0.8, 0.4], ends=False) == pytest.approx(0.4)
    assert target([0.0, 0.0], [0.9, 0.8], ends=False) == pytest.approx(-0.8)
    # The last position knows nothing but its own search.
    assert target([0.0], [0.9], ends=False) == pytest.approx(0.9)


def test_what_follows_the_end_in_a_window_is_another_game():
    won = target([0.0, 1.0, 0.0, 1.0], [0.1] * 4, valid=[True, True, False, False])
    assert won == -1.0


def test_lambda_mixes_outcome_and_search():
    r"""By hand: z_2 = 1, z_1 = -((1 - l) v_2 + l z_2), z_0 = -((1 - l) v_1 + l z_1)."""
    root, mix = [0.2, -0.5, 0.6], 0.75
    z_1 = -(0.25 * 0.6 + 0.75 * 1.0)
    z_0 = -(0.25 * -0.5 + 0.75 * z_1)
    assert target([0.0, 0.0, 1.0], root, mix=mix) == pytest.approx(z_0, abs=1e-6)
    assert target([0.0, 0.0, 1.0], root, mix=0.0) == pytest.approx(0.5)
    # gamma takes its part in both.
    z_1 = -0.9 * (0.25 * 0.6 + 0.75 * 1.0)
    z_0 = -0.9 * (0.25 * -0.5 + 0.75 * z_1)
    assert target([0.0, 0.0, 1.0], root, mix=mix, gamma=0.9) == pytest.approx(z_0, abs=1e-6)


def test_a_turn_of_several_moves_keeps_its_sign():
    """In pig a roll leaves the turn to the same player, and the discount is +1."""
    discount = column(1.0, -1.0, -1.0)
    assert target([0.0, 0.0, 1.0], [0.0] * 3, discount=discount) == -1.0


LOGITS, LEGAL = jnp.array([1.0, 2.0, 0.5]), jnp.array([True, False, True])
PI = jnp.array([0.25, 0.0, 0.75])


def test_the_policys_loss_and_its_gradient():
    odds = np.exp([1.0, 0.5])
    p = odds / odds.sum()
    by_hand = -(0.25 * np.log(p[0]) + 0.75 * np.log(p[1]))
    assert policy_loss(LOGITS, LEGAL, PI) == pytest.approx(by_hand, rel=1e-6)
    slope = jax.grad(policy_loss)(LOGITS, LEGAL, PI)
    np.testing.assert_allclose(slope, [p[0] - 0.25, 0.0, p[1] - 0.75], atol=1e-6)
    # A mask behind the softmax leaves probability with the illegal action: another loss.
    behind = -jnp.sum(PI * jnp.where(LEGAL, jax.nn.log_softmax(LOGITS), 0.0))
    assert abs(float(behind) - by_hand) > 0.5


def test_a_masked_action_with_any_logit_is_harmless():
    """-0 log 0: nothing infinite, however sure the network was of an illegal action."""
    logits = jnp.array([0.0, 1e30, 0.0])
    value, slope = jax.value_and_grad(policy_loss)(logits, LEGAL, PI)
    assert value == pytest.approx(np.log(2), rel=1e-6)
    assert np.isfinite(slope).all()
    assert entropy(logits, LEGAL) == pytest.approx(np.log(2), rel=1e-6)


def test_the_values_loss_and_the_penalty():
    assert value_loss(jnp.array(0.2), jnp.array(-1.0)) == pytest.approx(1.44)
    assert jax.grad(value_loss)(jnp.array(0.2), jnp.array(-1.0)) == pytest.approx(2.4)
    assert weight_penalty(jnp.array([1.0, -2.0]), 1e-4) == pytest.approx(5e-4)


def test_the_temperature_falls_after_so_many_moves():
    moves = jnp.arange(5)
    found = jax.vmap(lambda move: temperature_at(move, 1.0, 3, 0.0))(moves)
    np.testing.assert_array_equal(found, [1.0, 1.0, 1.0, 0.0, 0.0])
