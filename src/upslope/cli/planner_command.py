"""`upslope evaluate ENV --planner NAME`: act by planning, without training."""

from __future__ import annotations

from upslope.cli.argv import Argv
from upslope.core.checks import UpslopeError
from upslope.core.shell_command import shell_command


def evaluate_planner(argv: Argv, name: str) -> int:
    """`upslope evaluate ENV --planner NAME [--opponent WHO] [--episodes N] [planner's settings]`.

    Args:
      argv: the command line after the command, without the planner's flag.
      name: the planner's.
    """
    from upslope.cli.flags import Group, parse
    from upslope.cli.setting import Setting, settings_from
    from upslope.environments import ENVIRONMENTS
    from upslope.planning import PLANNERS
    from upslope.training.evaluate_planner import NOT_SETTINGS

    target = PLANNERS.get(name)
    environment = argv.take_name()
    of_environment = []
    if environment is not None and environment in ENVIRONMENTS:
        of_environment = settings_from(ENVIRONMENTS.get(environment))
    base = []
    if name == "rollout":
        base = [
            Setting(
                "base",
                str | None,
                None,
                "The base policy: a run's folder, or random (what none means) or a planner's name.",
            )
        ]
    parsed = parse(
        "upslope evaluate",
        f"Evaluate the planner {name!r}: it simulates the environment and needs no training.",
        [
            Group(
                "evaluation",
                [
                    Setting("episodes", int, 100, "Episodes, all at once."),
                    Setting("seed", int, 0, "Seed of the episodes."),
                    Setting(
                        "gamma",
                        float | None,
                        None,
                        "The discount that the planner counts with; none or 1 for none.",
                    ),
                    Setting(
                        "opponent",
                        str | None,
                        None,
                        "Play a game of two players, on both sides, against random, minimax, a "
                        "planner (mcts, mcts-1000) or a run's folder.",
                    ),
                    *base,
                ],
            ),
            Group(f"planner {name}", settings_from(target, hide=NOT_SETTINGS)),
            Group("environment", of_environment, "env"),
        ],
        argv,
        "ENV --planner NAME",
        shell_command("evaluate", environment or "ENV", "--planner", name, "--help"),
    )
    if environment is None:
        raise UpslopeError(
            "upslope evaluate --planner needs an environment: upslope evaluate ENV --planner NAME"
        )
    from upslope.cli.summary import print_evaluation, print_match
    from upslope.training.evaluate_planner import evaluate_planner as evaluate
    from upslope.training.match import MatchEvaluation

    settings = {**parsed["evaluation"], **parsed[f"planner {name}"]}
    evaluation = evaluate(
        environment, name, environment_settings=parsed.get("environment", {}), **settings
    )
    title = f"{name} planning in {environment}"
    if isinstance(evaluation, MatchEvaluation):
        print_match(evaluation, f"{name} against {settings['opponent']} in {environment}")
    else:
        print_evaluation(evaluation, title)
    print(
        f"steps    {int(evaluation.lengths.sum()):,} played, {evaluation.model_steps:,} simulated"
        f"{' at most' if target.stops_early else ''}"
    )
    return 0
