"""The table of environments: short names to worlds."""

from __future__ import annotations

from upslope.core.registry import Registry

ENVIRONMENTS = Registry("environment")

for _name, _target, _summary in (
    ("CartPole-v1", "cartpole:CartPole", "balance a pole on a cart, 2 actions"),
    ("Pendulum-v1", "pendulum:Pendulum", "swing up a pole with a weak motor, continuous"),
    ("Acrobot-v1", "acrobot:Acrobot", "swing up a two-link arm by its elbow, 3 actions"),
    ("MountainCar-v0", "mountain_car:MountainCar", "rock a weak car out of a valley, 3 actions"),
    (
        "MountainCarContinuous-v0",
        "mountain_car_continuous:MountainCarContinuous",
        "the mountain car with a throttle and a fuel cost, continuous",
    ),
    ("short-corridor", "corridor:ShortCorridor", "aliased cells: the best policy is random"),
    ("dyna-maze", "dyna_maze:DynaMaze", "a 6 x 9 maze, +1 at the goal"),
    ("blocking-maze", "dyna_maze:BlockingMaze", "a maze whose short way closes at step 1000"),
    ("shortcut-maze", "dyna_maze:ShortcutMaze", "a maze in which a short way opens at step 3000"),
    ("linear-quadratic", "linear_quadratic:LinearQuadratic", "linear dynamics, quadratic cost"),
    ("garnet", "random_mdp:seeded_garnet", "a random finite MDP with few successors"),
    ("probe-constant", "probes:ConstantProbe", "one step, reward 1: tests the value loss"),
    ("probe-observation", "probes:ObservationProbe", "one step, reward is what is observed"),
    ("probe-delayed", "probes:DelayedProbe", "two steps, reward at the end: tests the discount"),
    ("probe-action", "probes:ActionProbe", "one step, reward by action: tests the policy update"),
    (
        "probe-observation-action",
        "probes:ObservationActionProbe",
        "one step, reward for the action that fits the observation",
    ),
):
    ENVIRONMENTS.register(_name, f"upslope.environments.{_target}", _summary)
