"""What the policies of a run are worth, on held-out episodes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from upslope.core.actor import Actor
from upslope.core.checks import UpslopeError, check_number, check_path, check_settings
from upslope.core.records import Returns
from upslope.engine.finite_checks import check_returns
from upslope.engine.progress import Evaluation
from upslope.environments import make
from upslope.environments.environment import Environment
from upslope.planning import Planner
from upslope.storage.policy_artifact import LoadedPolicy
from upslope.training.build import Built, build, same_kind
from upslope.training.config import RunConfig, check_imports
from upslope.training.given_environment import again, is_of_run, named
from upslope.training.programs import make_evaluator
from upslope.training.run_folder import RunFolder
from upslope.training.saved_policy import load_policy

if TYPE_CHECKING:
    from upslope.environments.factory import EnvironmentLike
    from upslope.training.match import MatchEvaluation

# The number of an evaluation that no run makes, and how many of its episodes run at a time.
HELD_OUT, BLOCK = 2**31 - 1, 20
EVALUATE_SETTINGS = ("episodes", "environment", "deterministic", "seed", "planner", "opponent")


def evaluate(
    path: str | Path | Environment,
    *,
    episodes: int = 100,
    environment: EnvironmentLike | None = None,
    deterministic: bool | None = None,
    seed: int = 0,
    planner: str | Planner | None = None,
    opponent: str | Path | Planner | Actor | None = None,
    **settings: Any,
) -> Evaluation | MatchEvaluation:
    """Held-out episodes of the policies in a run folder, of all seeds; or of a planner.

        upslope.evaluate("runs/CartPole-v1/ppo")
        upslope.evaluate("Pendulum-v1", planner="cem", n_candidates=200)
        upslope.evaluate("tic-tac-toe", planner="mcts", opponent="random")

    Args:
      path: the run folder; with a planner, an environment or its name.
      episodes: for each seed.
      environment: another environment than the one that the run was evaluated in, with the same
        spaces: a name, an environment, its class or a function that builds it. The run's own, where
        it has to be given again, has the run's settings unless it is an object.
      deterministic: act by the mode of the policy instead of a draw; None: as the run's own
        evaluations did.
      seed: of the episodes; distinct from every stream of training.
      planner: acts in the place of trained policies, by simulating the environment
        (`upslope list planners`).
      opponent: of a game of two players: for a run's policies the name of whom they meet in the
        place of the run's own, "random", "minimax", "mcts-1000" or another run's folder; for a
        planner see `evaluate_planner`.
      **settings: of the planner, by name; `gamma`, `environment_settings` and `base` too (see
        `evaluate_planner`).

    Raises:
      StorageError: there is no policy in the folder.
      UpslopeError: the other environment's spaces do not fit the policy.
      NumericalError: a return is NaN or infinite.
    """
    if planner is not None:
        for name, value in (("environment", environment), ("deterministic", deterministic)):
            if value is not None:
                raise UpslopeError(
                    f"evaluate got {name}={value!r:.80} beside a planner: it belongs to policies "
                    "of a run. The first argument is the planner's environment."
                )
        from upslope.training.evaluate_planner import evaluate_planner

        settings = settings if opponent is None else {**settings, "opponent": opponent}
        return evaluate_planner(path, planner, episodes=episodes, seed=seed, **settings)
    check_settings("evaluate", settings, EVALUATE_SETTINGS)
    check_number("evaluate", "episodes", episodes, at_least=1, integer=True)
    if opponent is not None and not isinstance(opponent, str | Path):
        raise UpslopeError(
            f"evaluate got opponent={opponent!r:.80} beside a run: name it, as 'random', "
            "'mcts-1000' or a run's folder. Objects play in upslope.evaluate(ENV, planner=..., "
            "opponent=...)."
        )
    prepared = prepare("evaluate", path, environment, seed, opponent)
    config, loaded = prepared.config, prepared.loaded
    if deterministic is None:
        deterministic = config.deterministic_evaluation
    evaluator = make_evaluator(config, prepared.built)
    try:
        evaluator.block = min(episodes, BLOCK)
        returns = evaluator.evaluate(loaded.policy, episodes, HELD_OUT, deterministic)
    finally:
        evaluator.close()
    return evaluation_of(loaded, returns)


class Prepared(NamedTuple):
    """A run's policies and where they are evaluated.

    Attributes:
      config: of the run, with the environment of the evaluation and its seed.
      built: what it names.
      loaded: the policies of all seeds.
    """

    config: RunConfig
    built: Built
    loaded: LoadedPolicy


def prepare(
    caller: str,
    path: str | Path | Environment,
    environment: EnvironmentLike | None,
    seed: int,
    opponent: str | Path | None = None,
) -> Prepared:
    """Reads the policies of a run folder and builds the environment for their episodes.

    Args:
      caller: the function that the user called, for errors.
      path: see `evaluate`; so are the others.

    Raises:
      StorageError: there is no policy in the folder.
      UpslopeError: the environment's spaces do not fit the policy.
    """
    folder = RunFolder.open(check_path(caller, "path", path), lock=False)
    saved = folder.policy_folder()
    config = RunConfig.from_dict(folder.config())
    check_imports(config.imports, str(path))
    given = None
    if environment is not None:
        own = where_evaluated(config, None)
        if is_of_run(environment, own.environment):
            given = again(environment, own.environment_settings)
        else:
            given = make(environment)
        environment = named(environment, given, {})[0]
    config = dataclasses.replace(where_evaluated(config, environment), seed=seed)
    if opponent is not None:
        config = dataclasses.replace(config, opponent=str(opponent))
    built = build(config, given)
    loaded = load_policy(saved)
    for name in ("observation_space", "action_space"):
        have, want = getattr(built, name), getattr(loaded, name)
        if not same_kind(have, want):
            raise UpslopeError(
                f"The policy in {path} was trained with {name} {want}; "
                f"{config.environment_title} has {have}. Choose an environment with the same "
                "spaces."
            )
    return Prepared(config, built, loaded)


def evaluation_of(loaded: LoadedPolicy, returns: Returns) -> Evaluation:
    """The episodes of policies, with the steps that these were trained for.

    Raises:
      NumericalError: a return is NaN or infinite.
    """
    evaluation = Evaluation(
        np.asarray(loaded.metadata["extra"].get("steps", [0] * len(returns.returns))),
        np.asarray(returns.returns, float),
        np.asarray(returns.lengths),
    )
    check_returns(evaluation, "The policies are as they were.")
    return evaluation


def where_evaluated(config: RunConfig, environment: str | None) -> RunConfig:
    """The configuration with the environment of an evaluation for the one that was trained on.

    Args:
      config: of the run.
      environment: the user's choice; None: where the run's own evaluations were.
    """
    settings: dict[str, Any] = {}
    if environment is None:
        if config.evaluation_environment is None:
            return config
        environment = config.evaluation_environment
        settings = config.evaluation_environment_settings
    return dataclasses.replace(
        config,
        environment=environment,
        environment_settings=settings,
        engine=None,
        evaluation_environment=None,
        evaluation_environment_settings={},
    )
