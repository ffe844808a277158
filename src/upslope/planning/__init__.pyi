"""Planning: what to do next, found by simulating an environment from the present state.

The model may be the true environment, a fitted or a learned one. The classes load on first use."""

from upslope.core.lazy_names import Table
from upslope.core.registry import Registry
from upslope.planning.action_sequences import CategoricalSequences as CategoricalSequences
from upslope.planning.action_sequences import GaussianSequences as GaussianSequences
from upslope.planning.game_player import GamePlayer as GamePlayer
from upslope.planning.icem import ImprovedCrossEntropyPlanner as ImprovedCrossEntropyPlanner
from upslope.planning.ilqr import ILQR as ILQR
from upslope.planning.ilqr import ILQRExtras as ILQRExtras
from upslope.planning.kalman_filter_actor import KalmanFilterActor as KalmanFilterActor
from upslope.planning.lqr import LQR as LQR
from upslope.planning.lqr import LQRExtras as LQRExtras
from upslope.planning.mcts.network_search import GumbelMCTS as GumbelMCTS
from upslope.planning.mcts.network_search import NetworkSearch as NetworkSearch
from upslope.planning.mcts.network_search import NetworkSearchExtras as NetworkSearchExtras
from upslope.planning.mcts.network_search import PUCT as PUCT
from upslope.planning.mcts.policy_value_evaluator import PolicyValueEvaluator as PolicyValueEvaluator
from upslope.planning.mcts.policy_value_rollouts import PolicyValueRollouts as PolicyValueRollouts
from upslope.planning.mcts.tree_picture import search_tree_svg as search_tree_svg
from upslope.planning.mcts.two_networks import TwoNetworkEvaluator as TwoNetworkEvaluator
from upslope.planning.mcts.uct import SearchExtras as SearchExtras
from upslope.planning.mcts.uct import UCT as UCT
from upslope.planning.planner import Planner as Planner
from upslope.planning.planner import PlannerOutput as PlannerOutput
from upslope.planning.planning_actor import ModelPlanningActor as ModelPlanningActor
from upslope.planning.planning_actor import PlanExtras as PlanExtras
from upslope.planning.planning_actor import PlanningActor as PlanningActor
from upslope.planning.rollout import Rollout as Rollout
from upslope.planning.rollout import RolloutExtras as RolloutExtras
from upslope.planning.shooting import CrossEntropyPlanner as CrossEntropyPlanner
from upslope.planning.shooting import MPPI as MPPI
from upslope.planning.shooting import RandomShooting as RandomShooting
from upslope.planning.shooting import ShootingPlanner as ShootingPlanner
from upslope.planning.simulation import simulate as simulate

PLANNERS: Registry
TABLE: Table
__all__: list[str]
