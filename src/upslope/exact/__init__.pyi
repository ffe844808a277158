"""The truth: J, V, Q and gradients without sampling: finite MDPs, linear systems, games."""

from upslope.core.lazy_names import Table
from upslope.exact.biased import biased_gradient as biased_gradient
from upslope.exact.biased import undiscounted_weights_gradient as undiscounted_weights_gradient
from upslope.exact.chain import Chain as Chain
from upslope.exact.chain import induced_chain as induced_chain
from upslope.exact.chain import recurrent_classes as recurrent_classes
from upslope.exact.games.alpha_beta import AlphaBeta as AlphaBeta
from upslope.exact.games.connect_four_solver import Board as Board
from upslope.exact.games.connect_four_solver import ConnectFourSolver as ConnectFourSolver
from upslope.exact.games.exploitability import Exploitability as Exploitability
from upslope.exact.games.exploitability import exploitability as exploitability
from upslope.exact.games.solved_positions import SolvedPositions as SolvedPositions
from upslope.exact.games.solved_positions import error_rate as error_rate
from upslope.exact.games.solved_positions import solved_positions as solved_positions
from upslope.exact.games.unbeaten import Unbeaten as Unbeaten
from upslope.exact.games.unbeaten import never_loses as never_loses
from upslope.exact.gradients import gradient as gradient
from upslope.exact.gradients import policy_gradient_theorem as policy_gradient_theorem
from upslope.exact.gradients import value_and_gradient as value_and_gradient
from upslope.exact.kalman_filter import GaussianBelief as GaussianBelief
from upslope.exact.kalman_filter import KalmanFilter as KalmanFilter
from upslope.exact.kalman_filter import kalman_filter_of as kalman_filter_of
from upslope.exact.lemmas import performance_difference as performance_difference
from upslope.exact.lemmas import simulation_bound as simulation_bound
from upslope.exact.lemmas import simulation_error_bound as simulation_error_bound
from upslope.exact.lemmas import simulation_gap as simulation_gap
from upslope.exact.linear_loop import LinearGaussianController as LinearGaussianController
from upslope.exact.linear_loop import linear_controller as linear_controller
from upslope.exact.linear_quadratic import gain_gradient as gain_gradient
from upslope.exact.linear_quadratic_solution import LinearQuadraticSolution as LinearQuadraticSolution
from upslope.exact.linear_quadratic_solution import solve_linear_quadratic as solve_linear_quadratic
from upslope.exact.lqg import LQGSolution as LQGSolution
from upslope.exact.lqg import linear_quadratic_gaussian_control as linear_quadratic_gaussian_control
from upslope.exact.natural import compatible_weights as compatible_weights
from upslope.exact.natural import fisher_matrix as fisher_matrix
from upslope.exact.natural import natural_gradient as natural_gradient
from upslope.exact.objective_value import value as value
from upslope.exact.occupancy import discounted_occupancy as discounted_occupancy
from upslope.exact.occupancy import episodic_occupancy as episodic_occupancy
from upslope.exact.occupancy import expected_visits as expected_visits
from upslope.exact.occupancy import stationary_distribution as stationary_distribution
from upslope.exact.quadratic_problem import LinearQuadraticProblem as LinearQuadraticProblem
from upslope.exact.quadratic_problem import linear_quadratic_problem as linear_quadratic_problem
from upslope.exact.quadratic_problem import tracking_problem as tracking_problem
from upslope.exact.regulator import QuadraticCost as QuadraticCost
from upslope.exact.regulator import Regulator as Regulator
from upslope.exact.regulator import linear_quadratic_regulator as linear_quadratic_regulator
from upslope.exact.riccati import OptimalControl as OptimalControl
from upslope.exact.riccati import optimal_control as optimal_control
from upslope.exact.riccati_equation import discrete_riccati as discrete_riccati
from upslope.exact.sparse import SparseValues as SparseValues
from upslope.exact.sparse import sparse_values as sparse_values
from upslope.exact.tables import as_finite_mdp as as_finite_mdp
from upslope.exact.tables import log_policy_table as log_policy_table
from upslope.exact.tables import observations as observations
from upslope.exact.tables import policy_table as policy_table
from upslope.exact.values import DifferentialValues as DifferentialValues
from upslope.exact.values import Values as Values
from upslope.exact.values import differential_values as differential_values
from upslope.exact.values import discounted_values as discounted_values
from upslope.exact.values import episodic_values as episodic_values
from upslope.exact.values import undiscounted_values as undiscounted_values

TABLE: Table
__all__: list[str]
