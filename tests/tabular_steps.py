"""Steps of a finite world told to a tabular method by hand, and searches in small worlds."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from upslope.core.records import Trajectories
from upslope.engine.executables import compiled
from upslope.environments import FiniteMDP
from upslope.objectives import DiscountedReturn
from upslope.policies import TabularSoftmax
from upslope.sampling import JaxSampler
from upslope.search.iteration import iterate

GAMMA = 0.9
OBJECTIVE = DiscountedReturn(GAMMA)


def one_step(s, a, r, s2, *, terminated=False, truncated=False, discount=None):
    """Trajectories [1, 1]."""
    cell = lambda value, dtype: jnp.asarray([[value]], dtype)  # noqa: E731
    return Trajectories(
        observation=cell(s, int),
        action=cell(a, int),
        reward=cell(r, float),
        next_observation=cell(s2, int),
        terminated=cell(terminated, bool),
        truncated=cell(truncated, bool),
        valid=cell(True, bool),
        discount=None if discount is None else cell(discount, float),
    )


def state_at(method, table, objective=OBJECTIVE):
    """The state of a search that begins at a table."""
    policy = TabularSoftmax(jnp.asarray(table, float))
    return method.init(jax.random.key(0), policy, objective)


def tell(method, state, experience, key=0, objective=OBJECTIVE):
    """The state after some experience, and its diagnostics."""
    key = jax.random.key(key)
    return method.tell(key, state, method.ask(key, state), experience, objective)


def told(method, table, steps, objective=OBJECTIVE):
    """The table after steps, one at a time."""
    state = state_at(method, table, objective)
    told_one = jax.jit(functools.partial(tell, method, objective=objective))
    for number, step in enumerate(steps):
        state, _ = told_one(state, step, number)
    return np.asarray(method.solution(state).logits)


def chain(n=3, reward=2.0, time_limit=100):
    """States 0..n-1 and a terminal n: action 1 goes right, 0 stays; the last step right earns."""
    moves, rewards = np.zeros((n + 1, 2, n + 1)), np.zeros((n + 1, 2))
    for state in range(n):
        moves[state, 0, state] = moves[state, 1, state + 1] = 1.0
    moves[n, :, n] = 1.0
    rewards[n - 1, 1] = reward
    return FiniteMDP(moves, rewards, np.eye(n + 1)[0], time_limit=time_limit)


def optimal_action_values(mdp, gamma=GAMMA, epsilon=0.0, sweeps=2000):
    """Q of the best policy [S, A]; with epsilon, of the best epsilon-greedy one."""
    moves, rewards = np.asarray(mdp.transition, float), np.asarray(mdp.reward, float)
    values = np.zeros(rewards.shape)
    for _ in range(sweeps):
        state = (1 - epsilon) * values.max(1) + epsilon * values.mean(1)
        values = rewards + gamma * moves @ state
    return values


@functools.cache
def searched(method, n_steps, policy_shape, world, gamma):
    """A compiled search: a key to the last state, and of each step its episode's end."""
    environment, objective = world(), DiscountedReturn(gamma)

    def run(method, key):
        start_key, sampler_key, search_key = jax.random.split(key, 3)
        policy = TabularSoftmax(jnp.zeros(policy_shape))
        state = method.init(start_key, policy, objective)
        actor = method.ask(start_key, state)
        sampler = JaxSampler.create(sampler_key, environment, method.experience, objective, actor)

        def body(carry, number):
            key = jax.random.fold_in(search_key, number)
            state, sampler, diagnostics = iterate(key, method, objective, *carry)
            statistics = sampler.statistics
            row = (statistics.episodes, statistics.lengths, diagnostics)
            return (state, sampler), row

        (state, _), rows = jax.lax.scan(body, (state, sampler), jnp.arange(n_steps))
        return state, rows

    return compiled(jax.jit(run).lower(method, jax.random.key(0)))


def search(method, n_steps, policy_shape, world, seed=0, gamma=GAMMA):
    """A search by single steps from a zero table: the state after it, and rows of each step."""
    program = searched(method, n_steps, policy_shape, world, gamma)
    return program(method, jax.random.key(seed))


def episode_lengths(rows):
    """Of the episodes that ended, in their order."""
    episodes, lengths, _ = rows
    return np.asarray(lengths)[np.asarray(episodes) > 0].astype(int)
