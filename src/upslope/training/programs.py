"""What runs a configuration: its plan and its program."""

from __future__ import annotations

from upslope.engine.jax_program import JaxProgram
from upslope.engine.loop import Plan, Program
from upslope.training.build import Built
from upslope.training.config import RunConfig


def plan_of(config: RunConfig) -> Plan:
    """The plan that a configuration describes."""
    return Plan(
        config.total_timesteps,
        config.evaluations,
        config.evaluation_episodes,
        config.final_episodes,
        config.deterministic_evaluation,
    )


def make_program(config: RunConfig, built: Built) -> Program:
    """What runs the problem: compiled as a whole, or on simulators."""
    if built.problem.in_jax:
        return JaxProgram(built.problem, config.seeds, config.seed)
    from upslope.engine.host_program import HostProgram

    return HostProgram(built.problem, config.seeds, config.seed, config.workers)
