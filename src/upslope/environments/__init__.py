"""Worlds: native ones in JAX, and adaptors to Gymnasium, gymnax and brax.

`make(name)` builds one by name. The classes load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from upslope.core.lazy_names import lazy_names
from upslope.environments.environment import Environment, Step
from upslope.environments.make import make
from upslope.environments.names import ENVIRONMENTS

if TYPE_CHECKING:
    from upslope.environments.acrobot import Acrobot
    from upslope.environments.brax_adaptor import BraxEnvironment
    from upslope.environments.cartpole import CartPole
    from upslope.environments.corridor import ShortCorridor
    from upslope.environments.dyna_maze import BlockingMaze, DynaMaze, ShortcutMaze
    from upslope.environments.finite_mdp import FiniteMDP
    from upslope.environments.gymnasium_world import GymnasiumWorld
    from upslope.environments.gymnax_adaptor import GymnaxEnvironment
    from upslope.environments.linear_quadratic import LinearQuadratic
    from upslope.environments.mountain_car import MountainCar
    from upslope.environments.mountain_car_continuous import MountainCarContinuous
    from upslope.environments.pendulum import Pendulum
    from upslope.environments.probes import (
        ActionProbe,
        ConstantProbe,
        DelayedProbe,
        ObservationActionProbe,
        ObservationProbe,
        Probe,
    )
    from upslope.environments.random_mdp import garnet
    from upslope.environments.sparse_mdp import SparseMDP, sparse_garnet

_HOMES = {
    "Acrobot": "acrobot",
    "ActionProbe": "probes",
    "BlockingMaze": "dyna_maze",
    "BraxEnvironment": "brax_adaptor",
    "CartPole": "cartpole",
    "ConstantProbe": "probes",
    "DelayedProbe": "probes",
    "DynaMaze": "dyna_maze",
    "FiniteMDP": "finite_mdp",
    "GymnasiumWorld": "gymnasium_world",
    "GymnaxEnvironment": "gymnax_adaptor",
    "LinearQuadratic": "linear_quadratic",
    "MountainCar": "mountain_car",
    "MountainCarContinuous": "mountain_car_continuous",
    "ObservationActionProbe": "probes",
    "ObservationProbe": "probes",
    "Pendulum": "pendulum",
    "Probe": "probes",
    "ShortCorridor": "corridor",
    "ShortcutMaze": "dyna_maze",
    "SparseMDP": "sparse_mdp",
    "garnet": "random_mdp",
    "sparse_garnet": "sparse_mdp",
}

__all__ = ["ENVIRONMENTS", "Environment", "Step", "make", *_HOMES]


__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
