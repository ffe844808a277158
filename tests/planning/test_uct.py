"""UCT: against a plain implementation and its wrong variants, open_spiel, and exact play."""

import math
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from plain_uct import plain_uct
from planning_problems import Coin, Graph

from upslope.core.checks import UpslopeError
from upslope.engine.executables import compiled
from upslope.environments import AgainstOpponent, Nim, Pendulum, Pig, RandomLegal, TicTacToe
from upslope.environments.games.game_tree import (
    best_response_value,
    game_tree,
    minimax_values,
)
from upslope.objectives import DiscountedReturn
from upslope.planning import UCT
from upslope.planning.mcts.backup import best_edge, solved_value
from upslope.planning.mcts.exploration import UCB1, browne, kocsis_szepesvari, upper_confidence
from upslope.planning.mcts.search_tree import subtree
from upslope.planning.model_checks import is_stochastic

GAME = TicTacToe()
NAN, INF = jnp.nan, jnp.inf
START = {"solve": False, "random_ties": False, "rollout_length": 0, "keep_tree": False}


@pytest.fixture(scope="module")
def levels():
    return game_tree(GAME)


@eqx.filter_jit
def next_state(game, state, move):
    return game.step(jax.random.key(0), state, move)[0]


def after(moves, game=GAME):
    state, _ = game.reset(jax.random.key(0))
    for move in moves:
        state = next_state(game, state, jnp.asarray(move))
    return state


def planned(planner, state, seed=0):
    return jax.jit(lambda *arguments: planner.plan(*arguments))(
        jax.random.key(seed), state, planner.initial_memory()
    )


# The plain implementation, and the faults that others have reported of theirs.


def graph_case():
    graph, worth = Graph.drawn(1), np.array([0.5, -1.0, 0.25, 2.0, -0.5])
    successor, reward = np.asarray(graph.successor), np.asarray(graph.reward)
    planner = UCT(
        graph,
        DiscountedReturn(gamma=0.9),
        n_simulations=150,
        exploration=1.5,
        value_range=1.0,
        terminal_value=lambda state, _: jnp.asarray(worth, float)[state],
        **START,
    )
    plain = {
        "step": lambda s, a: (int(successor[s, a]), float(reward[s, a]), 1.0, False),
        "legal": lambda s: range(3),
        "value": lambda s: float(worth[s]),
        "root": 2,
        "n": 150,
        "c": 1.5,
        "gamma": 0.9,
        "max_depth": 6,
    }
    return planner, jnp.asarray(2), plain


def nim_case():
    # Worth nothing in themselves: a hash of the heap, so that no symmetry hides a sign.
    worth = np.random.default_rng(5).uniform(-0.9, 0.9, 16)
    planner = UCT(
        Nim(15),
        n_simulations=150,
        exploration=1.0,
        value_range=1.0,
        terminal_value=lambda state, _: jnp.asarray(worth, float)[state.left],
        **START,
    )
    plain = {
        "step": lambda s, a: (s - a, float(s == a), -1.0, s == a),
        "legal": lambda s: [a for a in (1, 2, 3) if a <= s],
        "value": lambda s: float(worth[s]),
        "root": 15,
        "n": 150,
        "c": 1.0,
    }
    return planner, after([], Nim(15)), plain


@pytest.mark.parametrize("case", [graph_case, nim_case])
def test_visits_and_values_equal_a_plain_implementation(case):
    planner, state, plain = case()
    extras = planned(planner, state).extras
    visits, means = plain_uct(**plain)
    assert extras.visits.tolist() == list(visits.values())
    np.testing.assert_allclose(extras.action_values, list(means.values()), rtol=2e-5, atol=1e-6)
    assert int(extras.visits.sum()) == int(extras.simulations) == 150
    # Faults that others' searches have had are seen by this comparison.
    for wrong in ("count", "max", "parent", "sign"):
        visits, means = plain_uct(**plain, wrong=wrong)
        seen = extras.visits.tolist() != list(visits.values())
        assert seen or (wrong == "sign" and case is graph_case), wrong


def test_the_constants_of_both_conventions():
    """UCB1's sqrt(2 ln N / n) is Kocsis and Szepesvari's; Browne's is sqrt(2) times as wide."""
    assert math.sqrt(2) == UCB1
    assert kocsis_szepesvari(1 / math.sqrt(2)) == pytest.approx(UCB1)
    assert browne(1 / math.sqrt(2)) == pytest.approx(2.0)
    visits = jnp.array([4, 9, 0])
    score = upper_confidence(jnp.array([0.5, 0.25, 0.0]), visits, jnp.asarray(14), UCB1)
    wanted = [0.5 + math.sqrt(2 * math.log(14) / 4), 0.25 + math.sqrt(2 * math.log(14) / 9)]
    np.testing.assert_allclose(score[:2], wanted, rtol=1e-6)
    assert score[2] == jnp.inf


# open_spiel's Python search on the positions of its own mcts_test.py. Made by open_spiel 2.0.2:
# MCTSBot(uct_c=2, max_simulations=501, solve=False) with `board_worth` for its evaluator and the
# moves not shuffled. It counts the root's own evaluation as a simulation: 501 of its are 500.
SPIEL = {
    (): ([53, 65, 52, 48, 59, 55, 44, 54, 70],
         [-0.5, 3.25, -1.625, -2.625, 2.5, 0.25, -3.375, -0.875, 5.125]),
    (4, 0, 8): ([0, 58, 150, 66, 0, 58, 108, 60, 0],
                [0, -9.625, 12.5, -6.625, 0, -10.25, 1.25, -9.25, 0]),
    (4, 0, 8, 1, 2): ([0, 0, 0, 97, 0, 175, 157, 71, 0],
                      [0, 0, 0, -80.875, 0, -123.5, -114.125, -65.5, 0]),
    (1, 8): ([87, 0, 88, 57, 72, 54, 61, 81, 0],
             [1.0, 0, 1.125, -6.375, -2.75, -7.625, -5.75, -1.625, 0]),
}  # fmt: skip


def board_worth(x, o):
    """A number in [-5/8, 5/8] that means nothing, to the player of the crosses."""
    weights = (np.arange(9) + 1) ** 2
    return ((weights * (x + 2 * o)).sum() * 7 % 11 - 5) / 8


def worth_to_mover(state, observation):
    crosses = jnp.where(state.mover == 0, state.own, state.other)
    noughts = jnp.where(state.mover == 0, state.other, state.own)
    sign = jnp.where(state.mover == 0, 1.0, -1.0)
    return sign * board_worth(crosses.astype(int), noughts.astype(int))


@pytest.mark.slow
def test_visits_and_values_equal_open_spiel():
    """On its published positions, simulation for simulation."""
    planner = UCT(
        GAME,
        n_simulations=500,
        exploration=2.0,
        value_range=1.0,
        terminal_value=worth_to_mover,
        **START,
    )
    plan = jax.jit(lambda *arguments: planner.plan(*arguments))
    for moves, (visits, total) in SPIEL.items():
        extras = plan(jax.random.key(0), after(moves), ()).extras
        assert extras.visits.tolist() == visits, moves
        found = jnp.where(extras.visits > 0, extras.action_values * extras.visits, 0)
        np.testing.assert_allclose(found, total, atol=2e-3)


@pytest.mark.slow
def test_the_stored_numbers_are_open_spiels():
    mcts = pytest.importorskip("open_spiel.python.algorithms.mcts")
    pyspiel = pytest.importorskip("pyspiel")

    class Evaluator(mcts.Evaluator):
        def evaluate(self, state):
            cells = np.array(state.observation_tensor(0)).reshape(3, 9)
            value = float(board_worth(cells[2].astype(int), cells[1].astype(int)))
            return np.array([value, -value])

        def prior(self, state):
            return [(action, 1.0) for action in state.legal_actions()]

    class Unshuffled(np.random.RandomState):
        def shuffle(self, x):
            pass

    game = pyspiel.load_game("tic_tac_toe")
    for moves, (visits, total) in SPIEL.items():
        state = game.new_initial_state()
        for move in moves:
            state.apply_action(move)
        bot = mcts.MCTSBot(game, 2.0, 501, Evaluator(), solve=False, random_state=Unshuffled())
        for child in bot.mcts_search(state).children:
            assert child.explore_count == visits[child.action]
            assert child.total_reward == total[child.action]


# The solver.


@pytest.mark.slow
def test_open_spiels_solved_positions():
    """Its mcts_test.py: a draw with two replies, a loss whatever is played, a win at once."""
    plan = jax.jit(UCT(GAME, n_simulations=2000, keep_tree=False).plan)
    draw = plan(jax.random.key(0), after([4, 0, 8]), ())
    assert float(draw.value) == 0.0
    assert int(draw.action) in (2, 6)
    assert not (draw.extras.action_values > 0).any()
    loss = plan(jax.random.key(0), after([4, 0, 8, 1, 2]), ())
    assert float(loss.value) == -1.0
    assert loss.extras.solved[jnp.array([3, 5, 6, 7])].all()
    assert int(loss.action) in (5, 6), "the loss that takes longest: it stops one of two lines"
    win = plan(jax.random.key(0), after([1, 8]), ())
    assert float(win.value) == 1.0
    assert int(win.action) == 2
    assert int(win.extras.simulations) < 2000


CELLS = np.arange(9).reshape(3, 3)
SYMMETRIES = [
    np.array(turned).reshape(-1)
    for k in range(4)
    for turned in (
        np.rot90(np.arange(9).reshape(3, 3), k),
        np.rot90(np.arange(9).reshape(3, 3), k).T,
    )
]


@pytest.mark.slow
def test_it_never_loses_and_agrees_with_minimax_on_every_position(levels):
    """All 4,520 positions that are not over, one of each class of symmetric ones searched.

    What it plays keeps the minimax value everywhere; what it calls solved has that value exactly;
    and the best of all opponents earns nothing against it, as first or as second player.
    """
    boards, index, worths = [], {}, []
    for level, worth in zip(levels, minimax_values(levels), strict=True):
        for own, other, values in zip(level.states.own, level.states.other, worth, strict=True):
            if min(bytes(own[s] + 2 * other[s]) for s in SYMMETRIES) == bytes(own + 2 * other):
                index[bytes(own + 2 * other)] = len(boards)
                boards.append((own, other, int(own.sum() != other.sum())))
                worths.append(values)
    own, other, mover = (np.array(column) for column in zip(*boards, strict=True))
    assert len(boards) == 627
    states = after([])._replace(
        own=jnp.asarray(own), other=jnp.asarray(other), mover=jnp.asarray(mover),
        over=jnp.zeros(len(boards), bool),
    )  # fmt: skip
    planner = UCT(GAME, n_simulations=1000, exploration=0.7, keep_tree=False)
    arguments = jax.random.split(jax.random.key(0), len(boards)), states, ()
    found = compiled(jax.jit(jax.vmap(planner.plan, (0, 0, None))).lower(*arguments))(*arguments)
    worths, action = np.array(worths), np.asarray(found.action)
    rows = np.arange(len(boards))
    np.testing.assert_array_equal(worths[rows, action], worths.max(axis=1))
    solved = np.asarray(found.extras.solved)
    assert solved.any(axis=1).mean() > 0.8
    np.testing.assert_array_equal(np.asarray(found.extras.action_values)[solved], worths[solved])
    assert (found.extras.visits.sum(axis=1) == found.extras.simulations).all()
    policy = []
    for level in levels:
        table = np.zeros(level.legal.shape)
        for n, (own, other) in enumerate(zip(level.states.own, level.states.other, strict=True)):
            turn = min(SYMMETRIES, key=lambda s: bytes(own[s] + 2 * other[s]))
            at = index[bytes(own[turn] + 2 * other[turn])]
            table[n, turn[action[at]]] = 1.0
        assert (table <= level.legal).all()
        policy.append(table)
    assert best_response_value(levels, policy, begins=True) == 0.0
    assert best_response_value(levels, policy, begins=False) == 0.0


class OneSided(Nim):
    """Wrong on purpose: the next value is taken from the parent's side."""

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        return state, out._replace(discount=jnp.ones(()))


@pytest.mark.slow
def test_nim_takes_three_and_the_parents_side_does_not():
    right = planned(UCT(Nim(15), n_simulations=1500, keep_tree=False), after([], Nim(15)))
    assert int(right.action) == 2
    assert float(right.value) == 1.0
    assert bool(right.extras.solved[2])
    assert (right.extras.action_values[:2] < 0.5).all()
    game = OneSided(15)
    wrong = planned(UCT(game, n_simulations=1500, keep_tree=False), after([], game))
    np.testing.assert_array_equal(wrong.extras.action_values, 1.0)


def test_what_makes_a_node_solved():
    def solved(exact, plies=(1, 1, 1)):
        value, steps = solved_value(jnp.array(exact, float), jnp.array(plies), 1.0)
        return float(value), int(steps)

    assert solved([NAN, 1.0, NAN], (0, 3, 0)) == (1.0, 3)
    assert math.isnan(solved([NAN, 0.0, -1.0])[0]), "an unknown action may win"
    assert solved([1.0, 1.0, -1.0], (5, 3, 1)) == (1.0, 3), "the shortest win"
    assert solved([-1.0, -1.0, -INF], (2, 4, 9)) == (-1.0, 4), "the longest loss"
    assert solved([0.0, -INF, -1.0], (6, 0, 2))[0] == 0.0


def test_the_final_choice():
    def best(visits, total, exact, plies=(1, 1, 1)):
        arrays = (jnp.array(visits), jnp.array(total, float), jnp.array(exact, float))
        return int(best_edge(*arrays, jnp.array(plies), 1.0))

    assert best([90, 5, 5], [80, 5, 1], [NAN, 1.0, NAN]) == 1, "a proven win before most visits"
    assert best([9, 9, 9], [9, 9, 9], [1.0, 1.0, 1.0], (5, 3, 7)) == 1, "the shortest win"
    assert best([90, 8, 2], [-9, 1, 1], [-1.0, NAN, NAN]) == 1, "a proven loss is avoided"
    assert best([9, 3, 2], [-9, -3, -2], [-1.0, -1.0, -1.0], (2, 4, 6)) == 2, "the longest loss"
    assert best([9, 9, 2], [1, 3, 2], [NAN, NAN, NAN]) == 1, "ties by the mean"
    assert best([9, 40, 2], [0, -4, 0], [0.0, NAN, NAN]) == 1, "a draw is not a win"
    assert best([0, 3, 2], [0, -3, -2], [-INF, -1.0, -1.0]) in (1, 2), "never an illegal one"


# Chance, one player, the kept tree.


def exact_pig(target):
    """V(own, other, turn), the mover's probability of winning, by value iteration."""
    v = np.full((target, target, target + 1), 0.5)
    for _ in range(200):
        new = v.copy()
        for i in range(target):
            for j in range(target):
                for k in range(target - i + 1):
                    hold = 1.0 if i + k >= target else 1 - v[j, i + k, 0]
                    rolls = [v[i, j, min(k + d, target - i)] for d in range(2, 7)]
                    new[i, j, k] = max(hold, (1 - v[j, i, 0] + sum(rolls)) / 6)
        if np.abs(new - v).max() < 1e-9:
            break
        v = new
    return v


@pytest.mark.slow
def test_pig_against_its_exact_values():
    """Chance nodes: the value within sampling error, and the better move where it matters."""
    game, exact = Pig(10), exact_pig(10)
    planner = UCT(game, n_simulations=3000, keep_tree=False)
    assert planner.outcomes == 16
    assert not planner.solves
    state = after([], game)
    plan = jax.jit(lambda *arguments: planner.plan(*arguments))
    start = plan(jax.random.key(0), state, ())
    assert int(start.action) == 0
    assert abs(float(start.value) - (2 * exact[0, 0, 0] - 1)) < 0.12
    # Ten points on the table: holding wins now.
    won = plan(jax.random.key(1), state._replace(turn=jnp.asarray(10)), ())
    assert int(won.action) == 1
    assert float(won.extras.action_values[1]) == 1.0
    assert int(start.extras.visits.sum()) == 3000


def test_what_a_step_draws_is_found_in_its_program():
    assert not is_stochastic(GAME)
    assert not is_stochastic(Nim())
    assert is_stochastic(Pig())
    assert is_stochastic(Coin())
    assert is_stochastic(AgainstOpponent(GAME, RandomLegal()))


@pytest.mark.slow
def test_outcomes_beyond_those_that_are_kept():
    """With two outcomes per edge the search still runs, and its counts still add up."""
    extras = planned(UCT(Pig(20), n_simulations=200, n_outcomes=2), after([], Pig(20))).extras
    assert int(extras.visits.sum()) == 200
    assert int(extras.n_nodes) <= 201


@pytest.mark.slow
def test_one_player_against_exact_values():
    """A deterministic process of six steps: near the optimum by enumeration of 729 sequences."""
    graph = Graph.drawn(0)
    successor, reward = np.asarray(graph.successor), np.asarray(graph.reward)
    values = np.zeros(5)
    for _ in range(6):
        q = reward + values[successor]
        values = q.max(axis=1)
    planner = UCT(graph, n_simulations=3000, rollout_length=0, keep_tree=False)
    plan = jax.jit(lambda *arguments: planner.plan(*arguments))
    for state in range(5):
        found = plan(jax.random.key(state), jnp.asarray(state), ())
        assert q[state, int(found.action)] > values[state] - 0.05
        assert float(found.value) <= values[state] + 1e-4
        assert float(found.value) > values[state] - 3.0, "an average over what was explored"


@pytest.mark.slow
def test_batched_equals_single_and_stops_apart():
    """Positions of different difficulty in one batch: each plan is the single one's, in bits."""
    planner = UCT(GAME, n_simulations=60)
    states = [after(moves) for moves in ([], [4, 0, 8, 1, 2], [1, 8], [0, 4])]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    keys = jax.random.split(jax.random.key(3), 4)
    memory = planner.initial_memory()
    batched = jax.jit(jax.vmap(planner.plan, (0, 0, None)))(keys, stacked, memory)
    plan = jax.jit(lambda *arguments: planner.plan(*arguments))
    for n, state in enumerate(states):
        single = plan(keys[n], state, memory)
        for one, many in zip(jax.tree.leaves(single), jax.tree.leaves(batched), strict=True):
            np.testing.assert_array_equal(one, many[n])
    assert len(set(np.asarray(batched.extras.simulations).tolist())) > 1


@pytest.mark.slow
def test_the_tree_is_kept_where_it_is_still_true():
    """After both players' moves the next plan begins with the statistics of that very node."""
    planner = UCT(GAME, n_simulations=300, random_ties=False)
    plan = jax.jit(lambda *arguments: planner.plan(*arguments))
    first = plan(jax.random.key(0), after([]), planner.initial_memory())
    tree = first.memory
    reply = int(jnp.argmax(tree.visits[tree.children[0, first.action, 0]]))
    node = int(tree.children[int(tree.children[0, int(first.action), 0]), reply, 0])
    moved = after([int(first.action), reply])
    kept = jax.jit(planner.start)(moved, tree)
    np.testing.assert_array_equal(kept.visits[0], tree.visits[node])
    np.testing.assert_allclose(kept.total[0], tree.total[node])
    # Nothing but the descendants is there, parents before children, each linked from its parent.
    size = int(kept.n_nodes)
    parents, children = np.asarray(kept.parent), np.asarray(kept.children)
    assert (parents[1:size] < np.arange(1, size)).all()
    for child in range(1, size):
        assert child in children[parents[child]].ravel()
    assert (children < size).all()
    second = plan(jax.random.key(1), moved, tree)
    assert int(second.extras.kept) == int(tree.visits[node].sum()) > 0
    assert int(second.extras.visits.sum()) == int(second.extras.kept + second.extras.simulations)
    # A position that the tree does not hold begins anew: an old tree's counts are not taken over.
    other = after([0, 1, 3, 4])
    fresh = plan(jax.random.key(1), other, subtree(tree, jnp.asarray(node)))
    assert int(fresh.extras.kept) == 0


def test_it_shares_no_randomness_with_the_episode():
    """A plan does not touch its caller's key: the same key gives the same plan, whatever is run."""
    planner = UCT(Pig(8), n_simulations=5)
    key, state = jax.random.key(4), after([], Pig(8))
    before = jax.random.uniform(jax.random.fold_in(key, 1))
    plan = jax.jit(lambda *arguments: planner.plan(*arguments))
    one = plan(key, state, planner.initial_memory())
    two = plan(key, state, planner.initial_memory())
    np.testing.assert_array_equal(one.extras.visits, two.extras.visits)
    assert jax.random.uniform(jax.random.fold_in(key, 1)) == before


@pytest.mark.parametrize(
    ("make_it", "reason"),
    [
        (lambda: UCT(GAME, n_simulations=0), "n_simulations=0.*at least 1"),
        (lambda: UCT(GAME, exploration=-1.0), "exploration"),
        (lambda: UCT(Pendulum()), "Discrete.*'cem'"),
        (lambda: UCT("tic-tac-toe"), "must be an upslope Environment"),
        (lambda: UCT(Pig(5, time_limit=None)),
         "might never end"),
        (lambda: UCT(GAME, n_rollouts=0), "at least 1"),
    ],
)  # fmt: skip
def test_refusals(make_it, reason):
    with pytest.raises(UpslopeError, match=reason):
        make_it()
