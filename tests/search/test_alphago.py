"""AlphaGo's three stages, each learning what it should, and the search of what came of them."""

from __future__ import annotations

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.checks import UpslopeError
from upslope.environments import CartPole, Nim, TicTacToe
from upslope.environments.wrappers.fully_observed import FullState
from upslope.objectives import EpisodicReturn
from upslope.planning import PUCT, PolicyValueRollouts, TwoNetworkEvaluator
from upslope.policies import default_policy
from upslope.sampling import JaxSampler
from upslope.search import AlphaGo, ProblemSpec
from upslope.search.games.alphago.learning import (
    Learner,
    imitation,
    reinforcement,
    value_fit,
)
from upslope.search.games.alphago.players import Against, GameSoFar, OneDeviation
from upslope.search.iteration import iterate

pytest.importorskip("mctx")
OBJECTIVE = EpisodicReturn()
GAME = Nim()


def network(seed=0, game=GAME, hidden=(8,)):
    spaces = game.observation_space, game.action_space
    return default_policy(jax.random.key(seed), *spaces, hidden=hidden)


def configured(game=GAME, policy=None, **settings):
    policy = network(game=game) if policy is None else policy
    spaces = game.observation_space, game.action_space
    return AlphaGo(**settings).configure(ProblemSpec(None, *spaces, policy, OBJECTIVE, game))


def shown(game=GAME):
    state, observation = game.reset(jax.random.key(0))
    return state, observation


def rows(n=3):
    _, observation = shown()
    return jax.tree.map(lambda leaf: jnp.stack([jnp.asarray(leaf)] * n), observation)


# The updates, by hand: at one position, the logits are free to move.


def test_reinforce_raises_what_won_and_lowers_what_lost():
    policy, seen = network(), rows(2)
    action, weight = jnp.array([0, 1]), jnp.ones(2)
    slope = jax.grad(lambda p: reinforcement(p, seen, action, jnp.array([1.0, -1.0]), weight))(
        policy
    )
    better = jax.tree.map(lambda leaf, d: leaf + 0.5 * d, policy, slope)
    _, observation = shown()
    before, after = policy(observation).probs, better(observation).probs
    assert after[0] > before[0]
    assert after[1] < before[1]


def test_outcomes_that_are_all_equal_say_nothing():
    """The baseline is the batch's mean; without one, every move would be raised."""
    policy, seen = network(), rows()
    action, weight = jnp.array([0, 1, 2]), jnp.ones(3)
    slope = jax.grad(lambda p: reinforcement(p, seen, action, jnp.ones(3), weight))(policy)
    assert max(float(jnp.max(jnp.abs(leaf))) for leaf in jax.tree.leaves(slope)) < 1e-7


def test_what_has_no_weight_is_not_learnt_from():
    policy, seen = network(), rows()
    target = jnp.array([0, 1, 2])
    part = imitation(policy, seen, target, jnp.array([1.0, 0.0, 0.0]))
    _, observation = shown()
    assert part == pytest.approx(float(policy(observation).log_prob(0)), rel=1e-6)
    value = policy.network_like(jax.random.key(1), 1)
    outcome = jnp.array([1.0, -1.0, -1.0])
    one = value_fit(value, seen, outcome, jnp.array([1.0, 0.0, 0.0]))
    other = value_fit(value, seen, outcome, jnp.array([0.0, 1.0, 1.0]))
    assert one == pytest.approx(-((1.0 - np.tanh(0.0)) ** 2), abs=0.2)
    assert one != pytest.approx(float(other), abs=1e-4)


def test_a_learner_ascends():
    policy, seen = network(), rows()
    target, weight = jnp.array([2, 2, 2]), jnp.ones(3)
    fits = lambda p: imitation(p, seen, target, weight)  # noqa: E731
    learner, before = Learner.fresh(policy, 1e-8).improved(fits, 0.05, 30, 5.0, 1e-8)
    assert before == pytest.approx(float(fits(policy)), rel=1e-6)
    assert fits(learner.network) > -0.1


# Who plays.


def test_against_an_earlier_self_only_the_learners_moves_are_learnt_from():
    player = Against(GAME, network(0), network(1))
    state, observation = shown()
    so_far = GameSoFar(*(jnp.zeros((), int) for _ in range(3)))
    for side in (0, 1):
        _, notes = player.move(
            jax.random.key(3), FullState(observation, state), so_far._replace(side=jnp.array(side))
        )
        assert bool(notes.learns) == (int(GAME.mover(state)) == side)


def test_one_position_of_a_game_is_for_the_values_the_one_after_the_random_move():
    player = OneDeviation(GAME, network(0), network(1))
    state, observation = shown()
    learnt = []
    for moves in range(4):
        so_far = GameSoFar(jnp.array(moves), jnp.array(0), jnp.array(1))
        _, notes = player.move(jax.random.key(3), FullState(observation, state), so_far)
        learnt.append(bool(notes.learns))
    assert learnt == [False, False, True, False]


# The search.


def searches(share, evaluator):
    return PolicyValueRollouts(GAME, OBJECTIVE, evaluator, 8, rollout_share=share)


@pytest.mark.slow
def test_leaves_mix_the_networks_value_with_a_rollout():
    policy = network()
    evaluator = TwoNetworkEvaluator(policy, policy.network_like(jax.random.key(1), 1))
    state, observation = shown()
    key, running = jax.random.key(5), jnp.zeros((), bool)

    @jax.jit
    def value(share):
        return searches(share, evaluator).evaluate(key, state, observation, running)[1]

    none, half, all_of_it = (float(value(jnp.asarray(share))) for share in (0.0, 0.5, 1.0))
    assert none == pytest.approx(float(evaluator(state, observation)[1]), rel=1e-6)
    assert abs(all_of_it) == 1.0  # a game of Nim is won or lost
    assert half == pytest.approx((none + all_of_it) / 2, abs=1e-6)


@pytest.mark.slow
def test_without_rollouts_it_is_puct():
    policy = network()
    evaluator = TwoNetworkEvaluator(policy, policy.network_like(jax.random.key(1), 1))
    state, _ = shown()
    plain = PUCT(GAME, OBJECTIVE, evaluator, 8, c_base=1e9)
    plans = [
        eqx.filter_jit(type(search).plan)(search, jax.random.key(2), state, ())
        for search in (plain, searches(0.0, evaluator))
    ]
    np.testing.assert_array_equal(plans[0].extras.visits, plans[1].extras.visits)
    np.testing.assert_array_equal(plans[0].extras.action_values, plans[1].extras.action_values)


# The method.


@pytest.mark.slow
def test_the_stages_follow_each_other_and_hand_over():
    settings = {"n_games": 8, "expert_simulations": 4, "gradient_steps": 2, "pool_size": 3}
    method = configured(pool_interval=1, total_timesteps=600, **settings)
    state = method.init(jax.random.key(0), network(), OBJECTIVE)
    sampler = JaxSampler.create(
        jax.random.key(1),
        method.sampled_in(GAME),
        method.experience,
        OBJECTIVE,
        method.ask(jax.random.key(2), state),
    )
    step = jax.jit(lambda key, carry: iterate(key, method, OBJECTIVE, *carry))
    stages, carry = [], (state, sampler)
    handed_over = None
    while float(carry[0].steps.value) < 600:
        before = carry[0]
        *carry, diagnostics = step(jax.random.fold_in(jax.random.key(3), len(stages)), carry)
        stages.append(int(diagnostics.stage))
        known = (diagnostics.agreement, diagnostics.pool_score, diagnostics.value_error)
        assert [bool(jnp.isnan(each)) for each in known] == [
            stage != stages[-1] for stage in range(3)
        ]
        if stages[-1] == 1 and handed_over is None:
            handed_over = before
    assert stages == sorted(stages)
    assert set(stages) == {0, 1, 2}
    same = jax.tree.map(
        lambda a, b: bool(jnp.all(a == b)),
        handed_over.improved.network,
        handed_over.imitator.network,
    )
    assert all(jax.tree.leaves(same))
    end = carry[0]
    assert int(end.pooled) == 1 + stages.count(1)
    moved = jax.tree.map(
        lambda a, b: bool(jnp.any(a != b)), end.improved.network, end.imitator.network
    )
    assert any(jax.tree.leaves(moved))


def test_what_it_refuses():
    with pytest.raises(UpslopeError, match=r"CartPole.*plays both sides"):
        AlphaGo().configure(ProblemSpec(None, None, None, None, OBJECTIVE, CartPole()))
    with pytest.raises(UpslopeError, match="time_limit=None"):
        configured(dataclasses.replace(TicTacToe(), time_limit=None))
    with pytest.raises(UpslopeError, match="network without memory"):
        configured(policy=jnp.zeros(3))
    with pytest.raises(UpslopeError, match=r"rollout_share=1\.5"):
        AlphaGo(rollout_share=1.5)
    with pytest.raises(UpslopeError, match="expert_simulations=0"):
        AlphaGo(expert_simulations=0)
