"""What `exact.py` runs in a process of its own: `exact_process.py dense|sparse REPEATS SIZE`.

Prints one JSON line: seconds of every repetition, the contestants taking turns.
"""

import json
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

from upslope import exact
from upslope.environments import garnet, sparse_garnet
from upslope.objectives import DiscountedReturn
from upslope.policies import TabularSoftmax

GAMMA = 0.95
PRODUCTS = 400


def clocked(call):
    """Seconds until everything that a call gives is there, and what it gave."""
    start = time.perf_counter()
    result = jax.block_until_ready(call())
    return time.perf_counter() - start, result


def contest(ours, theirs, repeats):
    """Both in turns, after one unclocked call of each; the first of ours is the compilation."""
    compiling, result = clocked(ours)
    theirs()
    rows = [(clocked(ours)[0], clocked(theirs)[0]) for _ in range(repeats)]
    return {
        "first_call": compiling,
        "ours": [row[0] for row in rows],
        "theirs": [row[1] for row in rows],
        "value": float(result[0]),
    }


def dense(repeats, size):
    """J and grad J of a tabular softmax on Garnet(size, 10, 5); one solve of that size in numpy."""
    world = garnet(jax.random.key(0), size, 10, 5)
    policy = TabularSoftmax(jax.random.normal(jax.random.key(1), (size, 10)))
    objective = DiscountedReturn(GAMMA)
    chain = exact.induced_chain(exact.policy_table(policy, world), world)
    matrix = np.eye(size) - GAMMA * np.asarray(chain.transition)
    reward = np.asarray(chain.reward)
    found = contest(
        lambda: exact.value_and_gradient(policy, world, objective),
        lambda: np.linalg.solve(matrix, reward),
        repeats,
    )
    check = float(np.asarray(world.initial) @ np.linalg.solve(matrix, reward))
    return found | {"error": abs(found["value"] - check)}


def sparse(repeats, size):
    """J and grad J on a sparse Garnet(size, 10, 5); 400 products of SciPy's CSR matrix of P^pi."""
    import scipy.sparse

    world = sparse_garnet(jax.random.key(0), size, 10, 5)
    policy = TabularSoftmax(jax.random.normal(jax.random.key(1), (size, 10)))
    table = np.asarray(exact.policy_table(policy, world))
    weight = (table[:, :, None] * np.asarray(world.probability)).reshape(-1)
    rows = np.repeat(np.arange(size), 50)
    columns = np.asarray(world.successor).reshape(-1)
    matrix = scipy.sparse.csr_matrix((weight, (rows, columns)), shape=(size, size))
    reward = np.sum(table * np.asarray(world.reward), axis=1)

    def products():
        values = reward
        for _ in range(PRODUCTS):
            values = reward + GAMMA * (matrix @ values)
        return values

    objective = DiscountedReturn(GAMMA)
    found = contest(lambda: exact.value_and_gradient(policy, world, objective), products, repeats)
    bound = float(exact.sparse_values(policy, world, GAMMA).error)
    check = float(jnp.mean(jnp.asarray(products())))  # the start is uniform
    return found | {"certified": bound, "error": abs(found["value"] - check)}


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    kind, repeats, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    print(json.dumps({"dense": dense, "sparse": sparse}[kind](repeats, size)))
