"""Dyna-Q, Dyna-Q+, prioritised sweeping: the model, what planning does, the book's mazes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tabular_steps import (
    GAMMA,
    OBJECTIVE,
    chain,
    episode_lengths,
    one_step,
    optimal_action_values,
    search,
    state_at,
    tell,
    told,
)
from upslope.environments import DynaMaze, FiniteMDP, ShortcutMaze
from upslope.search import DynaQ, DynaQPlus, PrioritizedSweeping, QLearning
from upslope.search.value_based.observed_model import (
    draw_pairs,
    multiplied,
    no_observations,
    observe,
    simulate,
)
from upslope.search.value_based.tabular_method import only_transition

SHAPE = (54, 4)


def observed(steps, kind="last", n_outcomes=1, shape=(3, 2)):
    """The model after these steps."""
    model = no_observations(*shape, n_outcomes)
    for number, step in enumerate(steps, start=1):
        transition = only_transition(step, OBJECTIVE)
        model = observe(model, transition, jnp.asarray(number), kind)
    return model


# --- the model ----------------------------------------------------------------------------------


def test_a_last_value_model_overwrites_and_does_not_average():
    steps = [
        one_step(0, 1, 1.0, 2),
        one_step(0, 1, 5.0, 1),
        one_step(2, 0, 3.0, 0, terminated=True),
    ]
    model = observed(steps)
    said = simulate(
        model.outcomes, jnp.asarray([0, 2]), jnp.asarray([1, 0]), jnp.zeros(2, jnp.uint32), "last"
    )
    np.testing.assert_array_equal(said.successor[:, 0], [1, 0])
    np.testing.assert_array_equal(said.reward, [5.0, 3.0])  # not 3, the mean
    np.testing.assert_array_equal(said.weight[:, 0], [1.0, 0.0])  # nothing after a termination
    np.testing.assert_array_equal(model.tried_at, [[0, 2], [0, 0], [3, 0]])


def test_pairs_are_listed_once_in_the_order_of_their_first_trial():
    model = observed([one_step(*pair, 0.0, 0) for pair in [(2, 1), (0, 0), (2, 1), (2, 0), (0, 0)]])
    visited = model.visited
    assert int(visited.n_states) == 2
    np.testing.assert_array_equal(visited.states[:2], [2, 0])
    np.testing.assert_array_equal(visited.n_actions, [1, 0, 2])
    np.testing.assert_array_equal(visited.actions[2], [1, 0])


def test_planning_draws_states_first_and_then_their_actions():
    """State 2 has two actions and state 0 one: 1/2, 1/4, 1/4, within 4.5 standard errors."""
    visited = observed([one_step(*pair, 0.0, 0) for pair in [(2, 1), (0, 0), (2, 0)]]).visited
    words = jax.random.bits(jax.random.key(1), (20_000,), jnp.uint32)
    for untried, want in (
        (False, [0.5, 0, 0, 0, 0.25, 0.25]),
        (True, [0.25, 0.25, 0, 0, 0.25, 0.25]),
    ):
        state, action = draw_pairs(visited, words, untried=untried)
        share = np.bincount(np.asarray(state * 2 + action), minlength=6) / 20_000
        want = np.asarray(want)
        assert (np.abs(share - want) <= 4.5 * np.sqrt(want * (1 - want) / 20_000)).all()
        assert (share[want == 0] == 0).all()  # never-seen states stay out


def test_products_of_words_are_exact():
    numbers = np.random.default_rng(0).integers(0, 2**32, (2, 500), dtype=np.uint64)
    upper, lower = multiplied(*jnp.asarray(numbers.astype(np.uint32)))
    products = [int(a) * int(b) for a, b in numbers.T]
    assert [int(x) for x in upper] == [x >> 32 for x in products]
    assert [int(x) for x in lower] == [x % 2**32 for x in products]


def test_a_counting_model_knows_frequencies_means_and_ends():
    """(0, 1) led to 2 three times (rewards 1, 2, 6) and ended in 1 once (reward 4)."""
    steps = [
        one_step(0, 1, 1.0, 2),
        one_step(0, 1, 2.0, 2),
        one_step(0, 1, 4.0, 1, terminated=True),
        one_step(0, 1, 6.0, 2),
    ]
    model = observed(steps, "sampled", n_outcomes=4)
    n = 20_000
    zeros, ones = jnp.zeros(n, int), jnp.ones(n, int)
    words = jax.random.bits(jax.random.key(2), (n,), jnp.uint32)
    drawn = simulate(model.outcomes, zeros, ones, words, "sampled")
    share = np.mean(np.asarray(drawn.successor[:, 0]) == 2)
    assert abs(share - 0.75) < 4.5 * np.sqrt(0.75 * 0.25 / n)
    assert set(zip(*map(np.asarray, (drawn.reward, drawn.weight[:, 0])), strict=True)) == {
        (3.0, 1.0),
        (4.0, 0.0),
    }
    mean = simulate(model.outcomes, zeros[:1], ones[:1], words[:1], "expected")
    values = jnp.asarray([10.0, 20.0, 30.0])
    target = mean.reward[0] + GAMMA * jnp.sum(mean.weight[0] * values[mean.successor[0]])
    assert float(target) == pytest.approx(0.75 * (3 + GAMMA * 30) + 0.25 * 4)


def test_a_full_counting_model_gives_up_what_it_saw_least():
    steps = [one_step(0, 0, 1.0, s) for s in (0, 1, 1, 2)]
    model = observed(steps, "expected", n_outcomes=2)
    kept = dict(
        zip(
            np.asarray(model.outcomes.successor[0, 0]).tolist(),
            np.asarray(model.outcomes.count[0, 0]).tolist(),
            strict=True,
        )
    )
    assert kept == {1: 2.0, 2: 1.0}


# --- Dyna-Q -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_without_planning_it_is_q_learning_to_the_bit():
    plain, _ = search(QLearning(), 3000, SHAPE, DynaMaze)
    for method in (DynaQ(planning_steps=0), DynaQPlus(planning_steps=0, kappa=1.0)):
        state, rows = search(method, 3000, SHAPE, DynaMaze)
        assert np.abs(state.values).max() > 0
        np.testing.assert_array_equal(plain.values, state.values)
        assert not np.asarray(rows[2].model_steps).any()


@pytest.mark.slow
def test_the_first_episode_does_not_depend_on_n():
    """Planning has a random stream of its own, and nothing to spread before the goal."""
    lengths = {}
    for n in (0, 5, 50):
        _, rows = search(DynaQ(planning_steps=n), 6000, SHAPE, DynaMaze)
        lengths[n] = episode_lengths(rows)
        assert (np.asarray(rows[2].model_steps) == n).all()
    assert lengths[0][0] == lengths[5][0] == lengths[50][0]
    assert lengths[0][1] > lengths[50][1]


def test_pairs_never_tried_keep_their_values():
    """Dyna-Q leaves them out of planning; Dyna-Q+ plans with them, where the state is known."""
    table = np.full((3, 2), 7.0)
    steps = [one_step(0, 1, 1.0, 2), one_step(2, 0, 0.0, 0)]
    plain = told(DynaQ(planning_steps=50, learning_rate=0.5), table, steps)
    assert (plain[[0, 1, 1, 2], [0, 0, 1, 1]] == 7.0).all()
    assert (plain[[0, 2], [1, 0]] != 7.0).all()
    plus = told(DynaQPlus(planning_steps=50, learning_rate=0.5), table, steps)
    assert (plus[1] == 7.0).all()  # a state that was never visited
    assert (plus[[0, 2], [0, 1]] != 7.0).all()


def test_a_planned_update_by_hand():
    """One pair is known, so planning can draw no other: two updates towards the same target."""
    step = one_step(0, 1, 1.0, 2)
    got = told(DynaQ(planning_steps=2, learning_rate=0.5), np.zeros((3, 2)), [step])
    assert got[0, 1] == pytest.approx(1 - 0.5**3)
    rates = DynaQ(planning_steps=2, learning_rate=1.0, learning_rate_exponent=1.0)
    assert told(rates, np.zeros((3, 2)), [step])[0, 1] == pytest.approx(1.0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sampled", "expected"])
def test_a_stochastic_world_needs_a_model_that_counts(kind):
    """Its values come close to those of the world; the last outcome alone is far from them."""

    def world():
        """Action 0 wins 1 with probability 0.8, else loses 4: worth nothing. Action 1 wins 0.1."""
        moves, rewards = np.zeros((3, 2, 3)), np.zeros((3, 2, 3))
        moves[0, 0], rewards[0, 0] = [0, 0.8, 0.2], [0, 1, -4]
        moves[0, 1], rewards[0, 1] = [0, 1, 0], 0.1
        moves[1, :, 1] = moves[2, :, 2] = 1
        mdp = FiniteMDP(moves, np.zeros((3, 2)), [1, 0, 0], [False, True, True], time_limit=10)
        return Winning(mdp)

    settings = {"planning_steps": 20, "epsilon": 0.5, "learning_rate_exponent": 0.6}
    settings |= {"learning_rate": 1.0}
    state, _ = search(DynaQ(**settings, model=kind), 3000, (3, 2), world)
    np.testing.assert_allclose(state.values[0], [0.0, 0.1], atol=0.2)
    last, _ = search(DynaQ(**settings | {"learning_rate_exponent": 0.0}), 3000, (3, 2), world)
    assert abs(float(last.values[0, 0]) - 0.0) > 0.9  # 1 or -4


class Winning(FiniteMDP):
    """Reward 1 for ending in state 1 by action 0, -4 in state 2, 0.1 for action 1."""

    def __init__(self, mdp):
        super().__init__(mdp.transition, mdp.reward, mdp.initial, mdp.terminal, mdp.time_limit)

    def step(self, key, state, action):
        after, step = super().step(key, state, action)
        reward = jnp.where(action == 1, 0.1, jnp.where(after == 1, 1.0, -4.0))
        return after, step._replace(reward=reward)


@pytest.mark.slow
def test_the_fixed_point_of_dyna_is_the_optimum_of_the_maze():
    """Every value that was tried, to 1e-5: rate 1, many planning steps, much exploration."""
    method = DynaQ(planning_steps=50, learning_rate=1.0, epsilon=0.7)
    state, _ = search(method, 6000, SHAPE, DynaMaze)
    best = optimal_action_values(DynaMaze().finite_mdp())
    tried = np.asarray(state.model.tried_at) > 0
    assert tried.sum() == 46 * 4  # 47 cells without the goal
    np.testing.assert_allclose(np.asarray(state.values)[tried], best[tried], atol=1e-5)


@pytest.mark.learning
@pytest.mark.slow
def test_the_books_learning_curves():
    """Thirty runs: n = 50 is near 14 steps from episode 3 on, n = 0 far away until episode 10."""
    means = {}
    for n in (0, 50):
        curves = []
        for seed in range(30):
            _, rows = search(DynaQ(planning_steps=n), 6000, SHAPE, DynaMaze, seed, gamma=0.95)
            curves.append(episode_lengths(rows)[:10])
        means[n] = np.mean([curve for curve in curves if len(curve) == 10], axis=0)
        assert sum(len(curve) == 10 for curve in curves) >= 25
    assert 15.5 < means[50][2:].mean() < 20
    assert means[0][1:].mean() > 150


# --- Dyna-Q+ ------------------------------------------------------------------------------------


def test_the_bonus_is_for_planning_and_its_clock_never_restarts():
    """tau counts real steps of the whole experiment, through the ends of episodes."""
    method = DynaQPlus(planning_steps=1, learning_rate=1.0, kappa=0.5)
    assert told(DynaQPlus(planning_steps=0, kappa=9.0), np.zeros((3, 2)), [one_step(0, 1, 1.0, 2)])[
        0, 1
    ] == pytest.approx(0.1)  # the real step is learned without it
    state = state_at(method, np.zeros((3, 2)))
    run = jax.jit(lambda state, step, key: tell(method, state, step, key)[0])
    for number in range(9):
        state = run(state, one_step(0, 1, 0.0, 2, terminated=True), number)
        assert np.isfinite(state.values).all()
    assert int(state.steps) == 9
    clock = state.steps + 1
    taus = (clock - state.model.tried_at)[0]
    np.testing.assert_array_equal(taus, [10, 1])
    bonus = method._bonus(state.model, jnp.asarray([0, 0]), jnp.asarray([0, 1]), clock)
    np.testing.assert_allclose(bonus, 0.5 * np.sqrt([10, 1]), rtol=1e-6)


@pytest.mark.learning
@pytest.mark.slow
def test_only_dyna_q_plus_finds_the_shortcut():
    """It opens at step 3000: ten steps to the goal instead of 16. Means of the last 1,000 steps."""
    settings = {"planning_steps": 50, "learning_rate": 1.0}
    reward = {}
    for method in (DynaQ(**settings), DynaQPlus(**settings, kappa=1e-3)):
        late = []
        for seed in range(10):
            _, rows = search(method, 6000, SHAPE, ShortcutMaze, seed)
            late.append(np.asarray(rows[2].reward)[-1000:].sum())
        reward[type(method)] = np.mean(late)
    assert reward[DynaQ] < 1000 / 16
    assert reward[DynaQPlus] > 1.15 * reward[DynaQ]


# --- prioritised sweeping -----------------------------------------------------------------------


def test_one_reward_runs_back_along_the_whole_way():
    """The first time the goal is found all pairs that lead there are learned, last one first."""
    n = 5
    way = [one_step(s, 1, float(s == n - 1), s + 1, terminated=s == n - 1) for s in range(n)]
    method = PrioritizedSweeping(planning_steps=n, learning_rate=1.0)
    got = told(method, np.zeros((n + 1, 2)), way)
    np.testing.assert_allclose(got[:n, 1], GAMMA ** np.arange(n)[::-1], rtol=1e-6)
    # With a step fewer the first pair is not reached, and Q-learning learns the last one alone.
    short = told(
        PrioritizedSweeping(planning_steps=n - 1, learning_rate=1.0), np.zeros((n + 1, 2)), way
    )
    assert short[0, 1] == 0
    assert short[1, 1] > 0
    plain = told(QLearning(learning_rate=1.0), np.zeros((n + 1, 2)), way)
    assert np.count_nonzero(plain) == 1


def test_changes_below_theta_are_not_worth_an_update():
    step = one_step(0, 1, 0.5, 2, terminated=True)
    for theta, learned in ((0.4, True), (0.6, False)):
        method = PrioritizedSweeping(planning_steps=5, learning_rate=1.0, theta=theta)
        state, diagnostics = tell(method, state_at(method, np.zeros((3, 2))), step)
        assert bool(state.values[0, 1] == 0.5) == learned
        assert float(diagnostics.model_steps) == learned  # the queue is empty after one
        assert not np.asarray(state.priorities).any()


@pytest.mark.slow
def test_sweeping_needs_fewer_updates_than_dyna():
    """The maze's best way (14 steps, within a fifth) after how many updates, means of five runs."""
    updates = {}
    for method in (PrioritizedSweeping(), DynaQ(learning_rate=0.5)):
        needed = []
        for seed in range(5):
            _, rows = search(method, 6000, SHAPE, DynaMaze, seed)
            episodes, lengths, diagnostics = map(
                np.asarray, (rows[0], rows[1], rows[2].model_steps)
            )
            short = np.flatnonzero((episodes > 0) & (lengths <= 1.2 * 14))
            needed.append(diagnostics[: short[0] + 1].sum())
        updates[type(method)] = np.mean(needed)
    assert updates[PrioritizedSweeping] < 0.5 * updates[DynaQ]


def test_a_model_learned_on_a_chain_is_the_chain():
    mdp = chain()
    state, _ = search(PrioritizedSweeping(learning_rate=1.0, epsilon=0.5), 600, (4, 2), chain)
    tried = np.asarray(state.model.tried_at) > 0
    successor = np.asarray(state.model.outcomes.successor[..., 0])
    np.testing.assert_array_equal(successor[tried], np.asarray(mdp.transition).argmax(-1)[tried])
    assert tried[:3].all()
    assert not tried[3].any()
