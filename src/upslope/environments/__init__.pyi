"""Environments: native ones in JAX, wrappers, and adaptors to Gymnasium, gymnax, brax and pgx.

`make(name)` builds one by name. The classes load on first use."""

from upslope.core.lazy_names import Table
from upslope.core.records import Step as Step
from upslope.core.registry import Registry
from upslope.environments.adaptors.brax import BraxEnvironment as BraxEnvironment
from upslope.environments.adaptors.gymnasium import GymnasiumSpec as GymnasiumSpec
from upslope.environments.adaptors.gymnax import GymnaxEnvironment as GymnaxEnvironment
from upslope.environments.adaptors.pgx import PgxEnvironment as PgxEnvironment
from upslope.environments.adaptors.pgx import PgxGame as PgxGame
from upslope.environments.adaptors.pgx import PgxTurnGame as PgxTurnGame
from upslope.environments.classic.acrobot import Acrobot as Acrobot
from upslope.environments.classic.cartpole import CartPole as CartPole
from upslope.environments.classic.cartpole_swing_up import CartPoleSwingUp as CartPoleSwingUp
from upslope.environments.classic.mountain_car import MountainCar as MountainCar
from upslope.environments.classic.mountain_car_continuous import MountainCarContinuous as MountainCarContinuous
from upslope.environments.classic.pendulum import Pendulum as Pendulum
from upslope.environments.environment import Environment as Environment
from upslope.environments.factory import make as make
from upslope.environments.games.against_opponent import AgainstOpponent as AgainstOpponent
from upslope.environments.games.alternating_game import AlternatingGame as AlternatingGame
from upslope.environments.games.connect_four import ConnectFour as ConnectFour
from upslope.environments.games.connect_four import connect_four as connect_four
from upslope.environments.games.minimax import TableActor as TableActor
from upslope.environments.games.nim import Nim as Nim
from upslope.environments.games.nim import nim as nim
from upslope.environments.games.pig import Pig as Pig
from upslope.environments.games.pig import pig as pig
from upslope.environments.games.random_legal import RandomLegal as RandomLegal
from upslope.environments.games.resignable import Resignable as Resignable
from upslope.environments.games.tic_tac_toe import TicTacToe as TicTacToe
from upslope.environments.games.tic_tac_toe import tic_tac_toe as tic_tac_toe
from upslope.environments.linear_quadratic import LinearQuadratic as LinearQuadratic
from upslope.environments.linear_quadratic_gaussian import LinearQuadraticGaussian as LinearQuadraticGaussian
from upslope.environments.probes import ActionProbe as ActionProbe
from upslope.environments.probes import ConstantProbe as ConstantProbe
from upslope.environments.probes import DelayedProbe as DelayedProbe
from upslope.environments.probes import ObservationActionProbe as ObservationActionProbe
from upslope.environments.probes import ObservationProbe as ObservationProbe
from upslope.environments.probes import Probe as Probe
from upslope.environments.tabular.corridor import ShortCorridor as ShortCorridor
from upslope.environments.tabular.dyna_maze import BlockingMaze as BlockingMaze
from upslope.environments.tabular.dyna_maze import DynaMaze as DynaMaze
from upslope.environments.tabular.dyna_maze import ShortcutMaze as ShortcutMaze
from upslope.environments.tabular.finite_mdp import FiniteMDP as FiniteMDP
from upslope.environments.tabular.random_mdp import garnet as garnet
from upslope.environments.tabular.random_mdp import seeded_garnet as seeded_garnet
from upslope.environments.tabular.sparse_mdp import SparseMDP as SparseMDP
from upslope.environments.tabular.sparse_mdp import sparse_garnet as sparse_garnet
from upslope.environments.wrappers.domain_randomization import DomainRandomization as DomainRandomization
from upslope.environments.wrappers.domain_randomization import RandomizedState as RandomizedState
from upslope.environments.wrappers.fully_observed import FullState as FullState
from upslope.environments.wrappers.fully_observed import FullyObserved as FullyObserved
from upslope.environments.wrappers.physics_distributions import Choice as Choice
from upslope.environments.wrappers.physics_distributions import LogUniform as LogUniform
from upslope.environments.wrappers.physics_distributions import Normal as Normal
from upslope.environments.wrappers.physics_distributions import PhysicsDistribution as PhysicsDistribution
from upslope.environments.wrappers.physics_distributions import Uniform as Uniform
from upslope.environments.wrappers.wrapper import Wrapper as Wrapper

ENVIRONMENTS: Registry
TABLE: Table
__all__: list[str]
