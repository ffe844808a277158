"""Environments: native ones in JAX, wrappers, and adaptors to Gymnasium, gymnax, brax and pgx.

`make(name)` builds one by name. The classes load on first use."""

from upslope.core.lazy_names import Row, lazy_names, registry_of
from upslope.core.records import Step
from upslope.storage.serializable import serializable_package

TABLE = {
    "CartPole": Row("classic.cartpole", "CartPole-v1", "balance a pole on a cart, 2 actions"),
    "Pendulum": Row(
        "classic.pendulum", "Pendulum-v1", "swing up a pole with a weak motor, continuous"
    ),
    "CartPoleSwingUp": Row(
        "classic.cartpole_swing_up",
        "cartpole-swing-up",
        "swing a pole up by its cart and hold it, continuous and smooth",
    ),
    "Acrobot": Row(
        "classic.acrobot", "Acrobot-v1", "swing up a two-link arm by its elbow, 3 actions"
    ),
    "MountainCar": Row(
        "classic.mountain_car", "MountainCar-v0", "rock a weak car out of a valley, 3 actions"
    ),
    "MountainCarContinuous": Row(
        "classic.mountain_car_continuous",
        "MountainCarContinuous-v0",
        "the mountain car with a throttle and a fuel cost, continuous",
    ),
    "ShortCorridor": Row(
        "tabular.corridor", "short-corridor", "aliased cells: the best policy is random"
    ),
    "DynaMaze": Row("tabular.dyna_maze", "dyna-maze", "a 6 x 9 maze, +1 at the goal"),
    "BlockingMaze": Row(
        "tabular.dyna_maze", "blocking-maze", "a maze whose short way closes at step 1000"
    ),
    "ShortcutMaze": Row(
        "tabular.dyna_maze", "shortcut-maze", "a maze in which a short way opens at step 3000"
    ),
    "LinearQuadratic": Row(
        "linear_quadratic", "linear-quadratic", "linear dynamics, quadratic cost"
    ),
    "LinearQuadraticGaussian": Row(
        "linear_quadratic_gaussian",
        "linear-quadratic-gaussian",
        "a linear-quadratic system seen through noise",
    ),
    "seeded_garnet": Row("tabular.random_mdp", "garnet", "a random finite MDP with few successors"),
    "ConstantProbe": Row("probes", "probe-constant", "one step, reward 1: tests the value loss"),
    "ObservationProbe": Row("probes", "probe-observation", "one step, reward is what is observed"),
    "DelayedProbe": Row(
        "probes", "probe-delayed", "two steps, reward at the end: tests the discount"
    ),
    "ActionProbe": Row(
        "probes", "probe-action", "one step, reward by action: tests the policy update"
    ),
    "ObservationActionProbe": Row(
        "probes",
        "probe-observation-action",
        "one step, reward for the action that fits the observation",
    ),
    "tic_tac_toe": Row(
        "games.tic_tac_toe", "tic-tac-toe", "three in a row against a fixed opponent, masked moves"
    ),
    "connect_four": Row(
        "games.connect_four", "connect-four", "four in a row against a fixed opponent, masked moves"
    ),
    "nim": Row("games.nim", "nim", "take 1 to 3, the last one wins, against a fixed opponent"),
    "pig": Row("games.pig", "pig", "roll or hold, against a fixed opponent; a game of chance"),
    "AgainstOpponent": "games.against_opponent",
    "AlternatingGame": "games.alternating_game",
    "BraxEnvironment": "adaptors.brax",
    "Choice": "wrappers.physics_distributions",
    "ConnectFour": "games.connect_four",
    "DomainRandomization": "wrappers.domain_randomization",
    "Environment": "environment",
    "FiniteMDP": "tabular.finite_mdp",
    "FullState": "wrappers.fully_observed",
    "FullyObserved": "wrappers.fully_observed",
    "GymnasiumSpec": "adaptors.gymnasium",
    "GymnaxEnvironment": "adaptors.gymnax",
    "LogUniform": "wrappers.physics_distributions",
    "Nim": "games.nim",
    "Normal": "wrappers.physics_distributions",
    "PgxEnvironment": "adaptors.pgx",
    "PgxGame": "adaptors.pgx",
    "PgxTurnGame": "adaptors.pgx",
    "PhysicsDistribution": "wrappers.physics_distributions",
    "Pig": "games.pig",
    "Probe": "probes",
    "RandomLegal": "games.random_legal",
    "RandomizedState": "wrappers.domain_randomization",
    "Resignable": "games.resignable",
    "SparseMDP": "tabular.sparse_mdp",
    "TableActor": "games.minimax",
    "TicTacToe": "games.tic_tac_toe",
    "Uniform": "wrappers.physics_distributions",
    "Wrapper": "wrappers.wrapper",
    "garnet": "tabular.random_mdp",
    "make": "factory",
    "sparse_garnet": "tabular.sparse_mdp",
}

ENVIRONMENTS = registry_of("environment", __name__, TABLE)
serializable_package(__name__, TABLE)

__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE, "ENVIRONMENTS", "Step")
