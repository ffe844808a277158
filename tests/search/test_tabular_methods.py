"""Q-learning, SARSA and their kin in tables: updates by hand, exact optima, who acts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

import upslope
from tabular_steps import (
    GAMMA,
    chain,
    episode_lengths,
    one_step,
    optimal_action_values,
    search,
    state_at,
    tell,
    told,
)
from upslope.core.checks import UpslopeError
from upslope.core.records import Step, Trajectories
from upslope.environments import Environment
from upslope.objectives import AverageReward, DiscountedReturn, EpisodicReturn
from upslope.policies import TabularEpsilonGreedy, TabularSoftmax, default_policy
from upslope.policies.tabular_epsilon_greedy import epsilon_greedy_probabilities
from upslope.policies.twin.actor import generator
from upslope.search import (
    METHODS,
    DoubleQLearning,
    ExpectedSarsa,
    MonteCarloControl,
    ProblemSpec,
    QLearning,
    Sarsa,
)

TABLE = np.array([[1.0, 2.0], [3.0, 4.0], [0.0, 5.0]])
ONE_STEP = ("q-learning", "expected-sarsa", "double-q", "dyna-q", "dyna-q-plus")
TABULAR = (*ONE_STEP, "sarsa", "monte-carlo-control", "prioritized-sweeping", "q-planning")


@pytest.mark.parametrize(
    ("step", "target", "objective"),
    [
        (one_step(0, 1, 1.0, 2), 1 + 0.9 * 5, DiscountedReturn(0.9)),
        (one_step(0, 1, 1.0, 2, terminated=True), 1.0, DiscountedReturn(0.9)),
        # A time limit is no end of the world: the value of the true successor counts ...
        (one_step(0, 1, 1.0, 2, truncated=True), 1 + 0.9 * 5, DiscountedReturn(0.9)),
        # ... but for an objective that ends there, too.
        (one_step(0, 1, 1.0, 2, truncated=True), 1.0, EpisodicReturn()),
        (one_step(0, 1, 1.0, 2, discount=-1.0), 1 - 0.9 * 5, DiscountedReturn(0.9)),
    ],
    ids=["step", "terminated", "truncated", "episodic", "discount"],
)
def test_q_learning_by_hand(step, target, objective):
    after = told(QLearning(learning_rate=0.5), TABLE, [step], objective)
    expected = TABLE.copy()
    expected[0, 1] += 0.5 * (target - 2.0)
    np.testing.assert_allclose(after, expected, rtol=1e-6)


def test_expected_sarsa_by_hand():
    method = ExpectedSarsa(learning_rate=0.5, epsilon=0.2)
    after = told(method, TABLE, [one_step(0, 1, 1.0, 2)])
    assert after[0, 1] == pytest.approx(2 + 0.5 * (1 + 0.9 * (0.9 * 5 + 0.1 * 0) - 2))
    greedy = told(ExpectedSarsa(learning_rate=0.5, epsilon=0.0), TABLE, [one_step(0, 1, 1.0, 2)])
    np.testing.assert_array_equal(
        greedy, told(QLearning(learning_rate=0.5), TABLE, [one_step(0, 1, 1.0, 2)])
    )


def test_ties_share_the_greedy_probability():
    np.testing.assert_allclose(
        epsilon_greedy_probabilities(jnp.asarray([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]), 0.3),
        [[0.1, 0.45, 0.45], [1 / 3, 1 / 3, 1 / 3]],
        rtol=1e-6,
    )


def n_step_sarsa(table, episode, n, alpha, *, expected=None, shift=0):
    """The book's box, for one whole episode: (s, a, r) and whether it terminated.

    `shift` bootstraps from an action too early or too late: a mistake that tests must see.
    """
    table, length = table.copy(), len(episode)
    for time in range(length + n - 1):
        tau = time - n + 1
        if tau < 0 or tau >= length:
            continue
        last = min(tau + n, length)
        target = sum(GAMMA ** (k - tau) * episode[k][2] for k in range(tau, last))
        if tau + n < length:
            s, a, _ = episode[min(max(tau + n + shift, 0), length - 1)]
            target += GAMMA**n * table[s, a]
        elif expected is not None:
            target += GAMMA ** (length - tau) * expected
        s, a, _ = episode[tau]
        table[s, a] += alpha * (target - table[s, a])
    return table


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_sarsa_is_the_books_n_step_sarsa(n):
    """An episode of five steps that visits pairs twice, of which some are still to be updated."""
    episode = [(0, 1, 1.0), (1, 0, 0.5), (0, 1, -1.0), (0, 0, 2.0), (2, 1, 3.0)]
    after = [episode[i + 1][0] for i in range(4)] + [1]
    steps = [
        one_step(*now, then, terminated=i == 4)
        for i, (now, then) in enumerate(zip(episode, after, strict=True))
    ]
    got = told(Sarsa(learning_rate=0.5, n_step=n), TABLE, steps)
    np.testing.assert_allclose(got, n_step_sarsa(TABLE, episode, n, 0.5), rtol=1e-6)
    if n < 5:
        wrong = n_step_sarsa(TABLE, episode, n, 0.5, shift=-1)
        assert np.abs(got - wrong).max() > 0.01


def test_sarsa_of_a_truncated_episode_ends_with_the_policys_mean():
    """No action follows: sum_a pi(a|s') q(s', a) is what it would have been in the mean."""
    steps = [one_step(0, 1, 1.0, 1), one_step(1, 0, 0.5, 2, truncated=True)]
    got = told(Sarsa(learning_rate=0.5, n_step=3, epsilon=0.2), TABLE, steps)
    expected = 0.9 * 5.0 + 0.1 * 0.0
    want = n_step_sarsa(TABLE, [(0, 1, 1.0), (1, 0, 0.5)], 3, 0.5, expected=expected)
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_sarsa_forgets_an_episode_that_is_over():
    """The first step of the next episode starts with an empty window."""
    method = Sarsa(learning_rate=0.5, n_step=2)
    episode = [one_step(0, 1, 1.0, 1), one_step(1, 0, 0.5, 2, terminated=True)]
    once = told(method, TABLE, episode)
    again = told(method, TABLE, [*episode, one_step(2, 0, 9.0, 0)])
    np.testing.assert_array_equal(once, again)  # it waits


def test_double_q_values_by_the_other_table():
    """Both sides of the coin, from tables that disagree about the best action."""
    method = DoubleQLearning(learning_rate=0.5)
    tables = jnp.stack([jnp.asarray(TABLE), jnp.asarray(TABLE[:, ::-1] * 2)])
    state = state_at(method, TABLE)._replace(tables=tables, values=jnp.mean(tables, 0))
    step, seen = one_step(0, 1, 1.0, 2), set()
    run = jax.jit(lambda key: tell(method, state, step, key)[0])
    for key in range(16):
        after = run(key)
        changed = np.argwhere(np.asarray(after.tables != tables))
        ((mine, s, a),) = changed
        assert (s, a) == (0, 1)
        chosen = int(np.argmax(tables[mine, 2]))
        target = 1 + 0.9 * float(tables[1 - mine, 2, chosen])
        assert target != pytest.approx(1 + 0.9 * float(tables[mine].max()))  # Q-learning's
        want = tables[mine, 0, 1] + 0.5 * (target - tables[mine, 0, 1])
        assert after.tables[mine, 0, 1] == pytest.approx(float(want))
        np.testing.assert_allclose(after.values, jnp.mean(after.tables, 0), rtol=1e-6)
        seen.add(int(mine))
    assert seen == {0, 1}


@pytest.mark.slow
def test_double_q_is_not_drawn_to_noise():
    """Example 6.7: left leads to rewards of mean -0.1; Q-learning takes it far too often."""
    n_arms, mean = 8, -0.1

    class World(Environment):
        time_limit = 10
        observation_space = spaces.Discrete(2)
        action_space = spaces.Discrete(n_arms)

        def reset(self, key):
            return jnp.zeros((), int), jnp.zeros((), int)

        def step(self, key, state, action):
            left = (state == 0) & (action < n_arms // 2)
            reward = jnp.where(state == 1, mean + jax.random.normal(key), 0.0)
            after = jnp.where(left, 1, 0)
            return after, Step(after, reward, ~left)

    share = {}
    for method in (QLearning(epsilon=0.1), DoubleQLearning(epsilon=0.1)):
        lefts = []
        for seed in range(40):
            _, rows = search(method, 400, (2, n_arms), World, seed)
            lefts.append(np.mean(episode_lengths(rows)[:200] == 2))
        share[type(method)] = np.mean(lefts)
    assert share[QLearning] > share[DoubleQLearning] + 0.05
    assert share[QLearning] > 0.1  # above what exploring takes, half of epsilon


def test_monte_carlo_by_hand():
    """An episode that visits (0, 1) twice: the first return alone, or both."""
    rewards = [1.0, 2.0, 4.0]
    column = lambda values, dtype: jnp.asarray(values, dtype)[:, None]  # noqa: E731
    episode = Trajectories(
        observation=column([0, 0, 1, 0], int),
        action=column([1, 1, 0, 1], int),
        reward=column([*rewards, 99.0], float),
        next_observation=column([0, 1, 2, 0], int),
        terminated=column([False, False, True, False], bool),
        truncated=column([False] * 4, bool),
        valid=column([True, True, True, False], bool),  # the last row is padding
    )
    first = 1 + 0.9 * 2 + 0.81 * 4
    second = 2 + 0.9 * 4
    once = told(MonteCarloControl(), np.zeros((3, 2)), [episode])
    np.testing.assert_allclose(once, [[0, first], [4, 0], [0, 0]], rtol=1e-6)
    every = told(MonteCarloControl(first_visit=False), np.zeros((3, 2)), [episode])
    np.testing.assert_allclose(every, [[0, (first + second) / 2], [4, 0], [0, 0]], rtol=1e-6)
    # A constant rate moves by its share, twice.
    method = MonteCarloControl(first_visit=False, learning_rate=0.5, learning_rate_exponent=0.0)
    moved = told(method, np.zeros((3, 2)), [episode])
    assert moved[0, 1] == pytest.approx(0.25 * first + 0.5 * second)
    # And the second episode is the second sample of a mean.
    twice = told(MonteCarloControl(), np.zeros((3, 2)), [episode, episode])
    np.testing.assert_allclose(twice, once, rtol=1e-6)


def test_the_nth_update_of_a_pair_moves_it_by_a_share_of_n():
    method = QLearning(learning_rate=1.0, learning_rate_exponent=1.0)
    ends = [one_step(0, 1, reward, 2, terminated=True) for reward in (1.0, 5.0, 6.0)]
    assert told(method, TABLE, ends)[0, 1] == pytest.approx(4.0)  # their mean
    slower = QLearning(learning_rate=0.5, learning_rate_exponent=0.5)
    want = 2.0
    for n, reward in enumerate((1.0, 5.0, 6.0), start=1):
        want += 0.5 / n**0.5 * (reward - want)
    assert told(slower, TABLE, ends)[0, 1] == pytest.approx(want, rel=1e-6)


def test_epsilon_falls_by_the_budget_and_values_start_where_they_are_told_to():
    method = QLearning(epsilon=0.8, epsilon_schedule="linear", total_timesteps=10.0)
    state = state_at(method, TABLE)
    for steps, epsilon in ((0, 0.8), (5, 0.4), (10, 0.0), (99, 0.0)):
        asked = method.ask(jax.random.key(0), state._replace(steps=jnp.asarray(steps)))
        assert float(asked.epsilon) == pytest.approx(epsilon)
    optimistic = QLearning(initial_value=7.0)
    np.testing.assert_allclose(state_at(optimistic, TABLE).values, TABLE + 7)
    assert method.scheduled_by_budget() == ("epsilon_schedule",)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*ONE_STEP, "sarsa", "prioritized-sweeping"])
def test_a_chain_is_learned_exactly(name):
    """Deterministic, rate 1: the last pair is worth its reward, terminal states nothing.

    On-policy methods are exact for the policy they have; with a rate that falls and epsilon with
    it they come close.
    """
    mdp = chain()
    best = optimal_action_values(mdp)
    settings = {"learning_rate": 1.0, "epsilon": 0.5}
    if name == "dyna-q-plus":
        settings["kappa"] = 0.0
    tolerance = 1e-5
    if name in ("sarsa", "expected-sarsa"):
        best = optimal_action_values(mdp, epsilon=0.5)
    if name == "sarsa":
        settings |= {"learning_rate_exponent": 0.8}
        tolerance = 0.12
    method = METHODS.get(name)(**settings)
    state, _ = search(method, 6000 if name == "sarsa" else 600, (4, 2), chain)
    values = np.asarray(method.solution(state).logits)
    np.testing.assert_allclose(values, best, atol=tolerance)
    assert (values[3] == 0).all()  # of the terminal state, to the bit


@pytest.mark.slow
def test_monte_carlo_values_a_chain():
    """Action 1 at every state, found by returns: gamma^k times the reward on the greedy way."""
    method = MonteCarloControl(learning_rate=0.1, learning_rate_exponent=0.0)
    state, _ = search(method, 400, (4, 2), chain)
    values = np.asarray(method.solution(state).logits)
    assert (values[:3].argmax(1) == 1).all()
    assert values[2, 1] == pytest.approx(2.0, abs=1e-5)  # certain, whatever the policy
    assert 1.2 < values[0, 1] < 2 * 0.81 + 1e-5


def test_ties_are_broken_at_random_with_and_without_jax():
    """Frequencies of 20,000 draws: |z| < 4.5 in each cell, a false alarm in 10^5."""
    table = TabularSoftmax(jnp.asarray([[1.0, 3.0, 3.0, 0.0]]))
    actor = TabularEpsilonGreedy(table, 0.2)
    want, n = np.array([0.05, 0.45, 0.45, 0.05]), 20_000
    noise = jax.vmap(actor.noise)(jax.random.split(jax.random.key(0), n))
    drawn = jax.vmap(lambda noise: actor.act(noise, jnp.asarray(0), ()).action)(noise)
    twin, _ = actor.numpy().act_batch(np.zeros(n, int), (), generator(0))
    for actions in (np.asarray(drawn), twin):
        share = np.bincount(actions, minlength=4) / n
        assert (np.abs(share - want) < 4.5 * np.sqrt(want * (1 - want) / n)).all()
    greedy = actor.greedy()
    assert int(greedy.act((), jnp.asarray(0), ()).action) == 1
    assert int(actor.numpy().greedy(np.asarray(0))[0]) == 1


def problem(environment=None, observations=None, actions=None, policy=None, objective=None):
    observations = observations or spaces.Discrete(4)
    actions = actions or spaces.Discrete(2)
    if policy is None:
        policy = jax.eval_shape(
            lambda key: default_policy(key, observations, actions), jax.random.key(0)
        )
    shape = jax.ShapeDtypeStruct((), int)
    objective = objective or DiscountedReturn(0.9)
    return ProblemSpec(shape, observations, actions, policy, objective, environment)


@pytest.mark.parametrize("name", TABULAR)
def test_problems_without_a_table_are_refused(name):
    """Each sentence says what was got and what to use instead."""
    method = METHODS.get(name)()
    box = spaces.Box(-1, 1, (3,))
    with pytest.raises(UpslopeError, match=rf"{name} learns a table.*observations Box.*dqn"):
        method.configure(problem(observations=box))
    with pytest.raises(UpslopeError, match="got actions Box"):
        method.configure(problem(actions=box))
    network = default_policy(
        jax.random.key(0), spaces.Discrete(4), spaces.Discrete(2), kind="softmax"
    )
    with pytest.raises(UpslopeError, match=r"tabular-softmax.*NetworkPolicy"):
        method.configure(problem(policy=network))
    with pytest.raises(UpslopeError, match="average"):
        method.configure(problem(objective=AverageReward()))
    assert method.configure(problem(chain())) is method


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("q-learning", {"learning_rate": 0.0}),
        ("q-learning", {"learning_rate": 1.5}),
        ("q-learning", {"learning_rate_exponent": -1.0}),
        ("sarsa", {"epsilon": 1.1}),
        ("sarsa", {"n_step": 0}),
        ("dyna-q", {"planning_steps": -1}),
        ("dyna-q", {"model": "first"}),
        ("dyna-q-plus", {"kappa": -1.0}),
        ("prioritized-sweeping", {"theta": -1.0}),
        ("q-planning", {"planning_steps": 0}),
        ("q-learning", {"initial_value": float("nan")}),
    ],
)
def test_bad_numbers_are_refused_by_name(name, wrong):
    (field,) = wrong
    with pytest.raises(UpslopeError, match=field):
        METHODS.get(name)(**wrong)


def test_names_that_people_type():
    for typed, name in (("q_learning", "q-learning"), ("Q-Learning", "q-learning")):
        assert METHODS.get(typed) is METHODS.get(name)
    for typed in ("dynaq", "dyna_q", "DynaQ"):
        assert METHODS.get(typed) is METHODS.get("dyna-q")
    for typed, meant in (
        ("n-step-sarsa", "sarsa"),
        ("dyna-q+", "dyna-q-plus"),
        ("double-q-learning", "double-q"),
        ("prioritised-sweeping", "prioritized-sweeping"),
        ("monte-carlo", "monte-carlo-control"),
    ):
        with pytest.raises(UpslopeError, match=f"Did you mean '{meant}'"):
            METHODS.get(typed)


@pytest.mark.learning
@pytest.mark.slow
def test_simulators_with_numbered_states_are_learned():
    """FrozenLake without slipping, in Gymnasium: the way of six steps, by the host program."""
    run = upslope.train(
        upslope.make("gymnasium:FrozenLake-v1", is_slippery=False),
        "dyna-q",
        seeds=1,
        total_timesteps=1500,
        planning_steps=20,
        learning_rate=0.5,
        gamma=0.95,
        epsilon=0.3,
        evaluations=1,
        final_episodes=2,
    )
    actor, cell, way = run.policy().numpy(), 0, []
    for _ in range(6):
        action, _ = actor.greedy(np.asarray(cell))
        row = cell // 4 + (action == 1) - (action == 3)
        column = cell % 4 + (action == 2) - (action == 0)
        cell = int(row * 4 + column)
        way.append(cell)
    assert way[-1] == 15  # the goal
    assert not set(way) & {5, 7, 11, 12}  # no hole
