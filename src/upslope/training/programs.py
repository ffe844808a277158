"""What runs a configuration: its schedule and its program."""

from __future__ import annotations

from upslope.engine.jax_program import JaxProgram
from upslope.engine.loop import Program, RunSchedule
from upslope.training.build import Built
from upslope.training.config import RunConfig, seconds_of


def schedule_of(config: RunConfig) -> RunSchedule:
    """The schedule that a configuration describes."""
    return RunSchedule(
        total_timesteps=config.total_timesteps,
        evaluations=config.evaluations,
        evaluation_episodes=config.evaluation_episodes,
        final_episodes=config.final_episodes,
        deterministic_evaluation=config.deterministic_evaluation,
        checkpoint_every=seconds_of(config.checkpoint_every),
    )


def make_program(config: RunConfig, built: Built) -> Program:
    """What runs the problem: compiled as a whole, or on simulators."""
    if built.problem.in_jax:
        return JaxProgram(
            built.problem, config.seeds, config.seed, total_timesteps=config.total_timesteps
        )
    from upslope.engine.host_program import HostProgram

    return HostProgram(
        built.problem,
        config.seeds,
        config.seed,
        config.workers,
        total_timesteps=config.total_timesteps,
    )
