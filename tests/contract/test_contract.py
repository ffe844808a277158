"""One battery for every registered method: the contract, its cost, and progress.

A new method joins by a row in `SMALL` (settings that make it small) and, if it learns the probes,
nothing more.
"""

from __future__ import annotations

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from small_policies import Affine
from tabular_steps import optimal_action_values
from upslope.core.actor import Actor
from upslope.environments import CartPole, FiniteMDP, TicTacToe
from upslope.environments.probes import (
    ActionProbe,
    ConstantProbe,
    DelayedProbe,
    ObservationActionProbe,
    ObservationProbe,
)
from upslope.environments.tabular.random_mdp import seeded_garnet
from upslope.objectives import DiscountedReturn, EpisodicReturn
from upslope.policies import SoftmaxNetwork, TabularSoftmax
from upslope.sampling import Dynamics, EpisodeReturns, JaxSampler, Replay, Replayed
from upslope.sampling.episode_returns import sample_returns
from upslope.search import METHODS, ModelBased, MuZero, ProblemSpec, SearchMethod
from upslope.search.iteration import iterate
from upslope.search.value_based.tabular_method import TabularMethod

# Settings that make a method small, and a number and a size of it that may be changed.
SMALL = {
    "cem": ({"population_size": 6, "n_elites": 3, "episodes_per_candidate": 2}, "std", "n_elites"),
    "reinforce": ({"n_episodes": 5}, "learning_rate", "n_episodes"),
    "ppo": (
        {"n_envs": 4, "n_steps": 8, "n_epochs": 2, "batch_size": 16},
        "learning_rate",
        "n_epochs",
    ),
}
SMALL |= {
    "random-search": (
        {"population_size": 4, "episodes_per_candidate": 2},
        "radius",
        "population_size",
    ),
    "hill-climbing": (
        {"population_size": 3, "episodes_per_candidate": 2},
        "std",
        "population_size",
    ),
    "simulated-annealing": (
        {"population_size": 3, "episodes_per_candidate": 2},
        "temperature",
        "population_size",
    ),
    "nelder-mead": ({"episodes_per_candidate": 2, "std": 0.5}, "std", "episodes_per_candidate"),
    "genetic-algorithm": ({"population_size": 6, "n_parents": 3}, "std", "n_parents"),
    "finite-differences": ({"n_directions": 3}, "step", "n_directions"),
    "kohl-stone": (
        {"population_size": 4, "episodes_per_candidate": 2},
        "step",
        "population_size",
    ),
}
SMALL |= {
    name: ({"population_size": 6, "episodes_per_candidate": 2}, "std", "episodes_per_candidate")
    for name in ("cma-es", "sep-cma-es", "xnes", "snes", "pgpe", "openai-es", "ars")
}
SMALL |= {
    "dqn": (
        {
            "buffer_size": 64,
            "batch_size": 8,
            "learning_starts": 8,
            "target_update_interval": 16,
            "prioritized": True,
            "n_step": 2,
        },
        "learning_rate",
        "batch_size",
    )
}
SMALL |= {
    "muzero": (
        {
            "n_envs": 2,
            "buffer_size": 64,
            "batch_size": 4,
            "learning_starts": 8,
            "unroll_steps": 2,
            "n_step": 2,
            "gradient_steps": 2,
            "hidden_size": 4,
            "model_hidden": (4,),
            "support_size": 3,
            "n_simulations": 3,
        },
        "learning_rate",
        "batch_size",
    )
}
SMALL |= {
    "exact-gradient": ({}, "learning_rate", None),
    "natural-gradient": ({}, "learning_rate", None),
}
SMALL |= {
    "q-learning": ({}, "learning_rate", None),
    "sarsa": ({"n_step": 3}, "learning_rate", "n_step"),
    "expected-sarsa": ({"learning_rate_exponent": 0.7}, "epsilon", None),
    "double-q": ({"learning_rate_exponent": 0.7}, "learning_rate", None),
    "monte-carlo-control": ({}, "epsilon", None),
    "q-planning": ({"planning_steps": 20}, "learning_rate", "planning_steps"),
    "dyna-q": (
        {"planning_steps": 3, "model": "sampled", "n_outcomes": 4},
        "learning_rate",
        "planning_steps",
    ),
    "dyna-q-plus": ({"planning_steps": 3}, "kappa", "planning_steps"),
    "prioritized-sweeping": ({"planning_steps": 3}, "theta", "planning_steps"),
}
SMALL |= {"model-based": ({"n_steps": 6, "learning_starts": 4.0}, "learning_starts", "n_steps")}
SELF_PLAY = {
    "n_envs": 2,
    "train_freq": 4,
    "n_simulations": 3,
    "simulations_at_play": 0,
    "buffer_size": 64,
    "learning_starts": 4,
    "batch_size": 4,
    "gradient_steps": 2,
}
SMALL |= {
    "alphago": (
        {
            "n_games": 3,
            "expert_simulations": 3,
            "gradient_steps": 2,
            "pool_size": 2,
            "simulations_at_play": 0,
        },
        "learning_rate",
        "gradient_steps",
    ),
    "alphazero": (SELF_PLAY, "learning_rate", "batch_size"),
    "alphago-zero": (
        SELF_PLAY | {"gating_games": 2, "gating_interval": 16.0},
        "gating_threshold",
        "batch_size",
    ),
}
METHOD_NAMES = METHODS.names()
OBJECTIVE = DiscountedReturn(0.9)
WORLD, KNOWN = CartPole(time_limit=20), seeded_garnet(4, 2, 2)
NUMBERED = FiniteMDP(KNOWN.transition, KNOWN.reward, KNOWN.initial, time_limit=20)
GAME, PLAYER = TicTacToe(), SoftmaxNetwork(jax.random.key(0), 19, 9, (4,))
POLICY, TABLE = Affine.zeros(2, 4), TabularSoftmax(jnp.zeros((4, 2)))


def small(name, **changes):
    method = METHODS.get(name)(**(SMALL[name][0] | changes))
    return configured(method) if method.parts or searches_trees(method) else method


def configured(method, world=None, policy=None):
    """The method, with what it is made of built for the problem."""
    world = world or (GAME if for_two_players(method) else world_of(method))
    policy = policy or first_policy(method)
    spaces = world.observation_space, world.action_space
    return method.configure(ProblemSpec(None, *spaces, policy, OBJECTIVE, world))


def looks(method):
    """Whether the method looks into the world instead of trying policies in it."""
    return isinstance(method.experience, Dynamics)


def tabulates(method):
    """Whether the method learns a table, of a world whose states are numbered."""
    return isinstance(method, TabularMethod | ModelBased)


def plans(method):
    """Whether what acts is a search in a model of its own, not the policy."""
    return isinstance(method, MuZero)


def searches_trees(method):
    """Whether it learns what a tree search finds."""
    return plans(method) or for_two_players(method)


def for_two_players(method):
    """Whether it searches games of two players and nothing else."""
    return method.plays_both_sides and not method.plays_alone


# Methods that are for a kind of policy of their own.
POLICY_OF = dict.fromkeys(("dqn", "muzero"), SoftmaxNetwork(jax.random.key(0), 4, 2, (4,)))


def first_policy(method):
    if looks(method) or tabulates(method):
        return TABLE
    if for_two_players(method):
        return PLAYER
    return POLICY_OF.get(method.name, POLICY)


def world_of(method):
    if looks(method):
        return KNOWN
    if for_two_players(method):
        return method.sampled_in(GAME)
    return NUMBERED if tabulates(method) else WORLD


TABULAR_NAMES = [name for name in METHOD_NAMES if tabulates(small(name))]
SAMPLING_NAMES = [
    name
    for name in METHOD_NAMES
    if not (looks(small(name)) or name in TABULAR_NAMES or for_two_players(small(name)))
]


def start(method, key, world=None, policy=None, objective=OBJECTIVE):
    """State and sampler before the first iteration."""
    world = world or world_of(method)
    policy = policy or first_policy(method)
    if looks(method):  # its search has no randomness of its own: seeds differ by where they start
        logits = jax.random.normal(jax.random.fold_in(key, 1), policy.logits.shape)
        policy = TabularSoftmax(logits)
    make, init, ask = jax.random.split(key, 3)
    state = method.init(init, policy, objective)
    candidates = method.ask(ask, state)
    return state, JaxSampler.create(make, world, method.experience, objective, candidates)


@functools.cache
def starting(name):
    """`start` of a small method as a program of the key."""
    return jax.jit(functools.partial(start, small(name)))


@functools.cache
def started(name):
    """State and sampler before the first iteration with the first key."""
    return starting(name)(jax.random.key(0))


def once(method, objective, state, sampler, key):
    return iterate(key, method, objective, state, sampler)


class Program:
    """One iteration of a method, traced and compiled once for all tests of it.

    Attributes:
      traces: how often it has been traced.
    """

    def __init__(self):
        self.traces = 0

        @jax.jit
        def run(method, state, sampler, key):
            self.traces += 1
            return once(method, OBJECTIVE, state, sampler, key)

        self.run = run


@functools.cache
def program_of(name):
    return Program()


def kinds(tree):
    """Shape, type and weakness of every leaf, as a traced program sees them."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, [(x.shape, x.dtype, x.weak_type) for x in map(jax.typeof, leaves)]


def test_every_method_is_in_the_battery():
    assert set(METHOD_NAMES) == set(SMALL)


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_signatures(name):
    """The four verbs take the contract's arguments, by its names and in its order."""
    method = METHODS.get(name)(**SMALL[name][0])
    assert isinstance(method, SearchMethod)
    for verb in ("init", "ask", "tell", "solution"):
        given = list(inspect.signature(getattr(type(method), verb)).parameters)
        assert given == list(inspect.signature(getattr(SearchMethod, verb)).parameters), verb
    assert type(method).__doc__
    assert "References:" in type(method).__doc__
    hash(method.experience)
    assert all(isinstance(leaf, float | int) for leaf in jax.tree.leaves(method))


@pytest.mark.slow
@pytest.mark.parametrize("name", METHOD_NAMES)
def test_tell_keeps_the_state_as_it_is(name):
    """Structure, shapes and types, from `init` on: a scan may carry it, a checkpoint restore it."""
    method = small(name)
    carry = jax.eval_shape(starting(name), jax.random.key(0))
    step = program_of(name).run
    state, sampler, diagnostics = jax.eval_shape(step, method, *carry, jax.random.key(1))
    assert kinds(state) == kinds(carry[0])
    assert kinds(sampler) == kinds(carry[1])
    solution = jax.eval_shape(method.solution, state)
    if not searches_trees(method):  # they keep a network of their own beside the policy
        assert jax.tree.structure(solution) == jax.tree.structure(first_policy(method))
    else:
        before = jax.eval_shape(method.solution, carry[0])
        assert jax.tree.structure(solution) == jax.tree.structure(before)
    assert all(leaf.shape == () for leaf in jax.tree.leaves(diagnostics))


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_asking_for_candidates_keeps_to_the_experience(name):
    method = small(name)
    carry = jax.eval_shape(starting(name), jax.random.key(0))
    state, _ = carry
    asked = jax.eval_shape(method.ask, jax.random.key(1), state)
    if isinstance(method.experience, EpisodeReturns):
        lead = (method.experience.population_size,)
        policy = jax.tree.leaves(first_policy(method))
        for got, one in zip(jax.tree.leaves(asked), policy, strict=True):
            assert got.shape == lead + one.shape
    else:  # an actor, the same one at every iteration
        step = program_of(name).run
        state, _, _ = jax.eval_shape(step, method, *carry, jax.random.key(2))
        again = jax.eval_shape(method.ask, jax.random.key(1), state)
        assert kinds(asked) == kinds(again)
        assert isinstance(asked, Actor)


@pytest.mark.slow
@pytest.mark.parametrize("name", METHOD_NAMES)
def test_a_new_number_costs_no_compilation_and_a_new_size_one(name):
    _, number, size = SMALL[name]
    program, method = program_of(name), small(name)
    state, sampler = started(name)
    state, sampler, _ = program.run(method, state, sampler, jax.random.key(1))
    traces = program.traces
    for value in (0.123, 0.321):
        state, sampler, _ = program.run(
            small(name, **{number: value}), state, sampler, jax.random.key(2)
        )
    assert program.traces == traces
    if size is None:  # it has none
        return
    other = small(name, **{size: SMALL[name][0][size] - 1})
    # The second program need only be asked for, not compiled.
    carry = jax.eval_shape(functools.partial(start, other), jax.random.key(0))
    program.run.trace(other, *carry, jax.random.key(1))
    assert program.traces == traces + 1


@pytest.mark.slow
@pytest.mark.parametrize("name", METHOD_NAMES)
def test_seeds_side_by_side_are_the_seeds_one_by_one(name):
    """Three iterations of three seeds: vmap equals a Python loop, up to the order of sums.

    What solves equations takes turns instead, as in training: `map` for `vmap`.
    """
    method, step = small(name), program_of(name).run
    solution = jax.jit(lambda state: method.solution(state))

    def run(key):
        def body(carry, key):
            state, sampler, diagnostics = step(method, *carry, key)
            return (state, sampler), (diagnostics, sampler.statistics)

        (state, _), out = jax.lax.scan(body, starting(name)(key), jax.random.split(key, 3))
        return solution(state), out

    keys = jax.random.split(jax.random.key(4), 3)
    side_by_side = functools.partial(jax.lax.map, run) if looks(method) else jax.vmap(run)
    together = jax.tree.map(np.asarray, jax.jit(side_by_side)(keys))
    for i, key in enumerate(keys):
        (state, sampler), alone = starting(name)(key), []
        for k in jax.random.split(key, 3):
            state, sampler, diagnostics = step(method, state, sampler, k)
            alone.append((diagnostics, sampler.statistics))
        stacked = jax.tree.map(lambda *rows: np.stack([np.asarray(row) for row in rows]), *alone)
        one = solution(state), stacked
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a[i], np.asarray(b), rtol=2e-3, atol=2e-5),  # noqa: B023
            together,
            one,
        )
    same = [np.allclose(x[0], x[1], atol=1e-4, equal_nan=True) for x in jax.tree.leaves(together)]
    assert not all(same)  # the seeds do differ


@pytest.mark.slow
@pytest.mark.parametrize("name", METHOD_NAMES)
def test_the_cost_counted_is_the_cost_taken(name):
    """`statistics.steps` against the experience itself."""
    method = small(name)

    @jax.jit
    def look(state, sampler):
        candidates = method.ask(jax.random.key(1), state)
        experience, sampler = sampler.sample(jax.random.key(2), candidates)
        told, _ = method.tell(jax.random.key(3), state, candidates, experience, OBJECTIVE)
        return experience, sampler.statistics.steps, getattr(told, "steps", None)

    experience, steps, counted = look(*started(name))
    if isinstance(method.experience, EpisodeReturns):
        taken = int(experience.lengths.sum())
    elif looks(method):  # a look counts as one
        taken = 1
    else:
        fresh = experience.fresh if isinstance(experience, Replayed) else experience
        taken = int(fresh.valid.sum())
    assert int(steps) == taken > 0
    assert counted is None or int(getattr(counted, "value", counted)) == taken


# --- progress --------------------------------------------------------------------------------

LEARNING = {
    "cem": ({"population_size": 32, "n_elites": 8, "episodes_per_candidate": 8}, 40),
    "reinforce": (
        {"n_episodes": 64, "learning_rate": 0.1, "baseline": "value", "critic_learning_rate": 0.05},
        120,
    ),
    "ppo": (
        {
            **{"n_envs": 16, "n_steps": 8, "n_epochs": 4, "batch_size": 64},
            **{"learning_rate": 0.03, "max_grad_norm": 10.0},
        },
        100,
    ),
}
LEARNING |= {
    "random-search": ({"population_size": 32, "episodes_per_candidate": 64, "radius": 4.0}, 15),
    "hill-climbing": (
        {"population_size": 16, "episodes_per_candidate": 8, "reevaluate": True, "std": 1.0},
        40,
    ),
    "simulated-annealing": (
        {"population_size": 8, "episodes_per_candidate": 64, "std": 1.0, "temperature": 0.05},
        40,
    ),
    "nelder-mead": ({"episodes_per_candidate": 64, "std": 2.0}, 80),
    "genetic-algorithm": (
        {"population_size": 32, "n_parents": 8, "episodes_per_candidate": 8, "std": 1.0},
        30,
    ),
    "finite-differences": (
        {"step": 0.5, "n_directions": 8, "learning_rate": 0.4, "episodes_per_candidate": 8},
        60,
    ),
    "kohl-stone": (
        {
            **{"population_size": 16, "episodes_per_candidate": 8, "step": 0.3},
            **{"learning_rate": 0.3, "common_random_numbers": True},
        },
        60,
    ),
}
POPULATION = {"population_size": 32, "episodes_per_candidate": 8}
LEARNING |= {
    "cma-es": (POPULATION, 30),
    "sep-cma-es": (POPULATION, 30),
    "xnes": (POPULATION, 30),
    "snes": (POPULATION, 30),
    "pgpe": (POPULATION | {"std": 0.3, "learning_rate": 0.2}, 40),
    "openai-es": (POPULATION | {"std": 0.3, "learning_rate": 0.2, "weight_decay": 0.0}, 40),
    "ars": (POPULATION | {"std": 0.3, "learning_rate": 0.3}, 40),
}
LEARNING |= {
    "dqn": (
        {
            "n_envs": 4,
            "train_freq": 2,
            "buffer_size": 4000,
            "batch_size": 64,
            "learning_starts": 64,
            "gradient_steps": 4,
            "learning_rate": 2e-3,
            "target_update_interval": 80,
            "total_timesteps": 6400.0,
            "exploration_fraction": 0.5,
            "double_q": True,
            "n_step": 5,
        },
        400,
    )
}
# Its value is that of what was done: what it did before it knew better must be forgotten.
LEARNING |= {
    "muzero": (
        {
            "n_envs": 4,
            "train_freq": 2,
            "buffer_size": 400,
            "batch_size": 64,
            "learning_starts": 64,
            "gradient_steps": 8,
            "learning_rate": 2e-3,
            "unroll_steps": 2,
            "n_step": 3,
            "hidden_size": 8,
            "model_hidden": (16,),
            "support_size": 4,
            "n_simulations": 4,
            "rescale_values": False,
        },
        200,
    )
}
PROBES = [ConstantProbe, ObservationProbe, DelayedProbe, ActionProbe, ObservationActionProbe]


@jax.jit
def search(method, objective, state, sampler, keys):
    def body(carry, key):
        state, sampler, _ = once(method, objective, *carry, key)
        return (state, sampler), sampler.statistics.returns

    (state, _), returns = jax.lax.scan(body, (state, sampler), keys)
    return state, returns


@jax.jit
def looked_at(solution, model, observation):
    """What a search does, and what its model's value is before it."""
    act = solution.act(jax.random.key(5), observation, ())
    return act.action, model.observe(model.state_of(observation)).value


@pytest.mark.slow
@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("name", SAMPLING_NAMES)
def test_the_probes_are_learned(name, probe):
    """Each probe isolates one link; what is known of it, value and action, must be found.

    Values within 0.1; the best action with probability above 0.9.
    """
    settings, iterations = LEARNING[name]
    gradient_free = isinstance(METHODS.get(name)(**settings).experience, EpisodeReturns)
    if gradient_free and probe not in (ActionProbe, ObservationActionProbe):
        pytest.skip("gradient-free: it has no value to learn, and these have no best action")
    method, world, policy = METHODS.get(name)(**settings), probe(), Affine.zeros(2, 1)
    acts_on_values = isinstance(method.experience, Replay)
    if acts_on_values:
        policy = SoftmaxNetwork(jax.random.key(3), 1, 2, (16,))
    if plans(method):
        method = configured(method, world, policy)
    state, sampler = start(method, jax.random.key(0), world, policy)
    state, _ = search(
        method, OBJECTIVE, state, sampler, jax.random.split(jax.random.key(1), iterations)
    )
    solution = method.solution(state)
    for known in world.known_values(OBJECTIVE.gamma):
        observation = jnp.asarray([known.observation])
        critic = getattr(state, "critic", None)
        if plans(method):
            action, value = looked_at(solution, state.model, observation)
            np.testing.assert_allclose(value, known.value, atol=0.1)
            assert known.action is None or int(action) == int(known.action)
            continue
        if acts_on_values:
            values = solution(observation).logits
            np.testing.assert_allclose(jnp.max(values), known.value, atol=0.1)
        if critic is not None:
            np.testing.assert_allclose(critic(observation), known.value, atol=0.1)
        if known.action is not None and acts_on_values:
            assert int(solution(observation).mode()) == int(known.action)
        elif known.action is not None:
            right = solution(observation).log_prob(jnp.asarray(int(known.action)))
            assert float(jnp.exp(right)) > 0.9


# Iterations until a table is good; a Monte Carlo iteration is an episode.
TABLES = {
    **dict.fromkeys(TABULAR_NAMES, 4000),
    "monte-carlo-control": 400,
    "q-planning": 40,
    "model-based": 40,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TABULAR_NAMES)
def test_a_table_is_learned(name):
    """Acting greedily on it loses, in each state, at most a tenth of what acting badly would."""
    settings = {"epsilon": 0.3} | ({"learning_rate": 0.3} if name == "sarsa" else {})
    if name == "q-planning":
        settings = {"planning_steps": 100}
    elif name == "prioritized-sweeping":
        settings |= {"learning_rate": 0.1, "planning_steps": 1}
    method = small(name) if name == "model-based" else METHODS.get(name)(**settings)
    carry = start(method, jax.random.key(0), policy=TabularSoftmax(jnp.zeros((4, 2))))
    keys = jax.random.split(jax.random.key(1), TABLES[name])
    state, _ = search(method, OBJECTIVE, *carry, keys)
    best = optimal_action_values(KNOWN, OBJECTIVE.gamma)
    greedy = np.asarray(method.solution(state).logits).argmax(1)
    lost = best.max(1) - best[np.arange(4), greedy]
    assert (lost <= 0.1 * np.ptp(best)).all()


# Methods whose row here is for a network.
NETWORKS = ("ppo", "dqn")
CARTPOLE_SETTINGS = {
    "ppo": {"n_envs": 16, "n_steps": 16, "n_epochs": 6, "batch_size": 64, "learning_rate": 3e-3},
}
CARTPOLE = {
    "cem": 12,
    "reinforce": 60,
    "ppo": 80,
    "dqn": 800,
    **dict.fromkeys(("cma-es", "sep-cma-es", "xnes", "snes"), 15),
    **dict.fromkeys(("pgpe", "openai-es", "ars"), 20),
    "random-search": 12,
    "hill-climbing": 30,
    "simulated-annealing": 40,
    "nelder-mead": 60,
    "genetic-algorithm": 12,
    "finite-differences": 30,
    "kohl-stone": 40,
}


@pytest.mark.learning
@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLING_NAMES)
def test_cartpole_gets_better(name):
    """From about 22 steps a random episode to a mean above 100 within the budget (limit 200)."""
    settings, _ = LEARNING[name]
    settings, iterations = CARTPOLE_SETTINGS.get(name, settings), CARTPOLE[name]
    method, world = METHODS.get(name)(**settings), CartPole(time_limit=200)
    objective = DiscountedReturn(0.98)
    replays = isinstance(method.experience, Replay)
    policy = SoftmaxNetwork(jax.random.key(3), 4, 2, (32,)) if name in NETWORKS else POLICY
    carry = start(method, jax.random.key(0), world, policy, objective)
    keys = jax.random.split(jax.random.key(1), iterations)
    state, returns = search(method, objective, *carry, keys)
    returns = np.asarray(returns)
    first = returns[np.isfinite(returns)][:2]  # iterations in which an episode ended
    assert np.mean(first) < 60
    # What a population tries last need not be its best, and few episodes end in an iteration.
    solution = jax.tree.map(lambda leaf: leaf[None], method.solution(state))
    held_out, _ = sample_returns(
        jax.random.key(2), world, solution, EpisodicReturn(), 64, 200, deterministic=replays
    )
    assert float(jnp.mean(held_out.returns)) > 100
