"""What runs a configuration: its schedule and its program."""

from __future__ import annotations

from upslope.core.checks import UpslopeError
from upslope.engine.jax_program import JaxProgram
from upslope.engine.loop import Program, RunSchedule
from upslope.environments.environment import Environment
from upslope.sampling import ENGINES, JaxSampler
from upslope.sampling.engines import engine_of
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
    """What runs the problem: compiled as a whole, or around an engine of the host."""
    name = engine_of(built.problem.environment, config.engine)
    engine = ENGINES.get(name)
    if engine is JaxSampler:
        if not isinstance(built.problem.environment, Environment):
            raise UpslopeError(
                f"train() got engine={name!r} with {config.environment}, a simulator: this engine "
                "compiles JAX environments (upslope list envs). Leave engine out, or choose one of "
                f"{', '.join(ENGINES.names())}."
            )
        return JaxProgram(
            built.problem, config.seeds, config.seed, total_timesteps=config.total_timesteps
        )
    from upslope.engine.host_program import HostProgram

    return HostProgram(
        built.problem,
        engine,
        config.seeds,
        config.seed,
        config.workers,
        total_timesteps=config.total_timesteps,
    )
