"""What `dynamic_programming.py` runs in a process of its own, and prints as one JSON line.

dynamic_programming_process.py METHOD SIZE REPEATS     ours and quantecon's, taking turns
dynamic_programming_process.py memory SIZE BRANCHING   one solution of a large problem
"""

import json
import sys
import time

import jax
import numpy as np

import upslope
from upslope.environments import SparseMDP

GAMMA, ACTIONS, SUCCESSORS = 0.95, 4, 10
# The guaranteed error of every value; quantecon promises half of its epsilon.
TOLERANCE = 1e-8
THEIRS = {"value-iteration": "value_iteration", "modified-policy-iteration": "mpi"}


def problem(size, branching=SUCCESSORS, dtype=np.float64):
    """Successors, probabilities and rewards U(0, 1) of a random problem."""
    rng = np.random.default_rng(0)
    successor = rng.integers(0, size, (size, ACTIONS, branching), dtype=np.int32)
    probability = rng.standard_exponential((size, ACTIONS, branching), dtype=np.float32)
    probability = probability.astype(dtype, copy=False)
    probability /= probability.sum(axis=-1, keepdims=True)
    return successor, probability, rng.uniform(size=(size, ACTIONS))


def clocked(call):
    """Seconds of a call, and what it gave."""
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result


def contest(method, size, repeats):
    """Both in turns, after one call of each; the first of ours is the compilation."""
    from quantecon.markov import DiscreteDP
    from scipy.sparse import csr_matrix

    successor, probability, reward = problem(size)
    with jax.enable_x64(True):
        mdp = SparseMDP(successor, probability, reward, np.full(size, 1.0 / size))
    pairs = size * ACTIONS
    rows = np.arange(0, pairs * SUCCESSORS + 1, SUCCESSORS)
    matrix = csr_matrix((probability.ravel(), successor.ravel(), rows), (pairs, size))
    states, actions = np.repeat(np.arange(size), ACTIONS), np.tile(np.arange(ACTIONS), size)
    peer = DiscreteDP(reward.ravel(), matrix, GAMMA, states, actions)

    def ours():
        return upslope.solve(mdp, method, GAMMA, tolerance=TOLERANCE)

    def theirs():
        return peer.solve(method=THEIRS[method], epsilon=2 * TOLERANCE, max_iter=100_000)

    first, found = clocked(ours)
    other = theirs()
    rows = [(clocked(ours)[0], clocked(theirs)[0]) for _ in range(repeats)]
    return {
        "first_call": first,
        "ours": [row[0] for row in rows],
        "theirs": [row[1] for row in rows],
        "bound": found.bound,
        "iterations": [found.iterations, int(other.num_iter)],
        "difference": float(np.abs(found.values - other.v).max()),
    }


def large(size, branching):
    """One solution by modified policy iteration, in the precision of the process."""
    successor, probability, reward = problem(size, branching, np.float32)
    mdp = SparseMDP(successor, probability, reward, np.full(size, 1.0 / size))
    del successor, probability, reward
    seconds, found = clocked(lambda: upslope.solve(mdp, "modified-policy-iteration", GAMMA))
    return {"seconds": seconds, "bound": found.bound, "converged": found.converged}


def main():
    """Measures what the command line says."""
    kind, size, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    jax.block_until_ready(jax.numpy.zeros(1))
    found = large(size, number) if kind == "memory" else contest(kind, size, number)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
