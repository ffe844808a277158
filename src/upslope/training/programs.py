"""What runs a configuration: its schedule and its program."""

from __future__ import annotations

from upslope.core.checks import UpslopeError
from upslope.engine.devices import DeviceLayout
from upslope.engine.evaluator import EVALUATION_LIMIT, Evaluator
from upslope.engine.jax_evaluator import JaxEvaluator
from upslope.engine.jax_program import JaxProgram
from upslope.engine.loop import Program, RunSchedule
from upslope.environments.adaptors.gymnasium import GymnasiumSpec
from upslope.environments.environment import Environment
from upslope.sampling import ENGINES, JaxSampler
from upslope.sampling.engines import engine_of
from upslope.sampling.jax_sampler import episode_limit
from upslope.training.build import Built
from upslope.training.config import AUTO, RunConfig, seconds_of


def schedule_of(config: RunConfig, built: Built) -> RunSchedule:
    """The schedule that a configuration describes, `evaluation_share` decided."""
    share = config.evaluation_share
    return RunSchedule(
        total_timesteps=config.total_timesteps,
        evaluations=config.evaluations,
        evaluation_episodes=config.evaluation_episodes,
        final_episodes=config.final_episodes,
        deterministic_evaluation=config.deterministic_evaluation,
        evaluation_share=None if share is None else float(share),
        evaluation_limit=evaluation_limit(config, built),
        checkpoint_every=seconds_of(config.checkpoint_every),
    )


def evaluation_limit(config: RunConfig, built: Built) -> int:
    """Steps after which a held-out episode ends at the latest.

    It is the environment's own limit, or the objective's horizon; without either, that of the
    configuration.
    """
    limit = episode_limit(built.evaluation_environment, built.problem.objective)
    if limit is not None:
        return limit
    limit = config.evaluation_limit
    return EVALUATION_LIMIT if limit is None or limit == AUTO else int(limit)


def make_program(
    config: RunConfig,
    built: Built,
    layout: DeviceLayout | None = None,
    first_budget: int | None = None,
) -> Program:
    """What runs the problem: compiled as a whole, or around an engine of the host.

    Args:
      config: of the run.
      built: what it names.
      layout: on devices; None: that of a run that begins in this process.
      first_budget: the `total_timesteps` that the run began with: how many iterations a row of its
        log sums up stays; None: that of `config`.

    Raises:
      UpslopeError: an engine that cannot serve the environment.
    """
    problem, evaluator = built.problem, make_evaluator(config, built)
    engine = ENGINES.get(engine_of(problem.environment, config.engine))
    if engine is JaxSampler:
        environment = compilable(config.environment, problem.environment)
        return JaxProgram(
            problem._replace(environment=environment),
            config.seeds,
            config.seed,
            total_timesteps=first_budget or config.total_timesteps,
            evaluator=evaluator,
            layout=layout,
            save_replay=config.save_replay,
        )
    from upslope.engine.host_program import HostProgram

    return HostProgram(
        problem,
        engine,
        config.seeds,
        config.seed,
        config.workers,
        total_timesteps=first_budget or config.total_timesteps,
        evaluator=evaluator,
        layout=layout,
        save_replay=config.save_replay,
    )


def make_evaluator(config: RunConfig, built: Built) -> Evaluator:
    """What plays the held-out episodes of a run.

    The engine that the user has chosen (`engine=`) is for the environment that is trained on; an
    evaluation environment of its own is sampled by the engine that it names.

    Raises:
      UpslopeError: an engine that cannot serve the environment.
    """
    environment, limit = built.evaluation_environment, evaluation_limit(config, built)
    engine = ENGINES.get(evaluation_engine(config, built))
    if engine is JaxSampler:
        name = config.evaluation_environment or config.environment
        return JaxEvaluator(compilable(name, environment), limit, config.seed)
    from upslope.engine.host_evaluator import HostEvaluator

    return HostEvaluator(engine, environment, limit, config.seeds, config.seed, config.workers)


def evaluation_engine(config: RunConfig, built: Built) -> str:
    """The name of the engine that plays the held-out episodes.

    Raises:
      UpslopeError: the environment names none.
    """
    chosen = config.engine if config.evaluation_environment is None else None
    return engine_of(built.evaluation_environment, chosen)


def compilable(name: str, environment: Environment | GymnasiumSpec) -> Environment:
    """The environment, which can be part of a compiled program.

    Raises:
      UpslopeError: it cannot; says what can.
    """
    if isinstance(environment, Environment):
        return environment
    raise UpslopeError(
        f"train() got engine='jax' with {name}, a simulator: this engine compiles JAX environments "
        f"(upslope list envs). Leave engine out, or choose one of {', '.join(ENGINES.names())}."
    )
