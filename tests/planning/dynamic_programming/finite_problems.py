"""Finite problems whose answers others have published, and a plain NumPy solver."""

import numpy as np


def random_arrays(seed: int, n_states: int = 12, n_actions: int = 3, branching: int = 3):
    """P [S, A, S] and R [S, A] of a Garnet, in double precision."""
    rng = np.random.default_rng(seed)
    transition = np.zeros((n_states, n_actions, n_states))
    for state, action in np.ndindex(n_states, n_actions):
        successors = rng.choice(n_states, branching, replace=False)
        transition[state, action, successors] = rng.dirichlet(np.ones(branching))
    return transition, rng.normal(size=(n_states, n_actions))


def optimal_values(transition, reward, gamma):
    """v* by Howard's policy iteration with linear solves, in double precision."""
    policy = np.zeros(len(reward), int)
    while True:
        values = policy_values(transition, reward, policy, gamma)
        action_values = reward + gamma * transition @ values
        gain = action_values.max(axis=1) - action_values[np.arange(len(reward)), policy]
        switch = gain > 1e-11 * max(np.abs(values).max(), 1.0)
        if not switch.any():
            return values
        policy = np.where(switch, action_values.argmax(axis=1), policy)


def policy_values(transition, reward, policy, gamma):
    """v of a deterministic policy by one linear solve."""
    states = np.arange(len(reward))
    system = np.eye(len(reward)) - gamma * transition[states, policy]
    return np.linalg.solve(system, reward[states, policy])


def forest():
    """pymdptoolbox's example, P [A, S, S] and R [S, A]: wait or cut, fires with p = 0.1."""
    transition = np.zeros((2, 3, 3))
    transition[0] = [[0.1, 0.9, 0.0], [0.1, 0.0, 0.9], [0.1, 0.0, 0.9]]
    transition[1, :, 0] = 1.0
    return transition, np.array([[0.0, 0.0], [0.0, 1.0], [4.0, 2.0]])


def small():
    """pymdptoolbox's other example, P [A, S, S] and R [S, A] with two states and two actions."""
    transition = np.array([[[0.5, 0.5], [0.8, 0.2]], [[0.0, 1.0], [0.1, 0.9]]])
    return transition, np.array([[5.0, 10.0], [-1.0, 2.0]])


def two_state():
    """Puterman's two-state example: in the second state both actions are the same."""
    transition = np.array([[[0.5, 0.5], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
    return transition, np.array([[5.0, 10.0], [-1.0, -1.0]])


def book_grid():
    """The 5 x 5 grid with the special cells A and B, P [25, 4, 25] and R [25, 4]."""
    transition, reward = np.zeros((25, 4, 25)), np.zeros((25, 4))
    for cell in range(25):
        for action, (down, right) in enumerate(((-1, 0), (1, 0), (0, -1), (0, 1))):
            row, column = cell // 5 + down, cell % 5 + right
            inside = 0 <= row < 5 and 0 <= column < 5
            successor, earned = (row * 5 + column, 0.0) if inside else (cell, -1.0)
            if cell == 1:
                successor, earned = 21, 10.0
            elif cell == 3:
                successor, earned = 13, 5.0
            transition[cell, action, successor], reward[cell, action] = 1.0, earned
    return transition, reward


def gambler(heads: float = 0.4):
    """The gambler's problem, P [101, 50, 101] and R [101, 50]: action k stakes k + 1 at most."""
    transition, reward = np.zeros((101, 50, 101)), np.zeros((101, 50))
    for capital in range(101):
        for action in range(50):
            if capital in (0, 100):
                transition[capital, action, capital] = 1.0
                continue
            stake = min(action + 1, capital, 100 - capital)
            transition[capital, action, capital + stake] += heads
            transition[capital, action, capital - stake] += 1.0 - heads
            reward[capital, action] = heads * (capital + stake == 100)
    return transition, reward
