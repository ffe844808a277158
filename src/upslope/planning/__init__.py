"""Planning: what to do next, found by simulating an environment from the present state.

The model may be the true environment, a fitted or a learned one. The classes load on first use."""

from upslope.core.lazy_names import Row, lazy_names, registry_of
from upslope.storage.serializable import serializable_package

TABLE = {
    "CrossEntropyPlanner": Row(
        "shooting", "cem", "action sequences by the cross-entropy method, the elites' mean acts"
    ),
    "GumbelMCTS": Row(
        "mcts.network_search",
        "gumbel-mcts",
        "Gumbel MuZero's tree search by priors and values, on mctx",
    ),
    "ImprovedCrossEntropyPlanner": Row(
        "icem", "icem", "the cross-entropy method with coloured noise and elites that are kept"
    ),
    "MPPI": Row("shooting", "mppi", "action sequences averaged by exponentiated returns"),
    "PUCT": Row(
        "mcts.network_search", "puct", "AlphaZero's tree search by priors and values, on mctx"
    ),
    "RandomShooting": Row(
        "shooting", "random-shooting", "action sequences drawn at random, the best one acts"
    ),
    "ILQR": Row("ilqr", "ilqr", "a linear-quadratic regulator around the plan, by derivatives"),
    "Rollout": Row(
        "rollout", "rollout", "simulate a base policy after each action, one step of improvement"
    ),
    "UCT": Row(
        "mcts.uct", "mcts", "Monte-Carlo tree search by UCB1, with rollouts and solved positions"
    ),
    "LQR": Row("lqr", "lqr", "the Riccati equation of a linear system, true or fitted"),
    "CategoricalSequences": "action_sequences",
    "GamePlayer": "game_player",
    "GaussianSequences": "action_sequences",
    "ModelPlanningActor": "planning_actor",
    "ILQRExtras": "ilqr",
    "KalmanFilterActor": "kalman_filter_actor",
    "LQRExtras": "lqr",
    "NetworkSearch": "mcts.network_search",
    "NetworkSearchExtras": "mcts.network_search",
    "PlanExtras": "planning_actor",
    "Planner": "planner",
    "PlannerOutput": "planner",
    "PlanningActor": "planning_actor",
    "PolicyValueEvaluator": "mcts.policy_value_evaluator",
    "PolicyValueRollouts": "mcts.policy_value_rollouts",
    "RolloutExtras": "rollout",
    "SearchExtras": "mcts.uct",
    "ShootingPlanner": "shooting",
    "search_tree_svg": "mcts.tree_picture",
    "TwoNetworkEvaluator": "mcts.two_networks",
    "simulate": "simulation",
}

PLANNERS = registry_of("planner", __name__, TABLE)
serializable_package(__name__, TABLE)

__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE, "PLANNERS")
