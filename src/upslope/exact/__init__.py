"""The truth: J, V, Q, occupancies and gradients without sampling: finite MDPs, linear systems."""

from upslope.exact.biased import biased_gradient, undiscounted_weights_gradient
from upslope.exact.chain import Chain, induced_chain, recurrent_classes
from upslope.exact.gradient import gradient, policy_gradient_theorem, value_and_gradient
from upslope.exact.lemmas import performance_difference, simulation_bound, simulation_gap
from upslope.exact.linear_loop import LinearLaw, linear_law
from upslope.exact.linear_quadratic import law_credit
from upslope.exact.natural import compatible_weights, fisher_matrix, natural_gradient
from upslope.exact.objective_value import value
from upslope.exact.occupancy import (
    discounted_occupancy,
    episodic_occupancy,
    expected_visits,
    stationary_distribution,
)
from upslope.exact.policy_table import (
    as_finite_mdp,
    log_policy_table,
    observations,
    policy_table,
)
from upslope.exact.riccati import OptimalControl, optimal_control
from upslope.exact.sparse import SparseValues, sparse_values
from upslope.exact.values import (
    DifferentialValues,
    Values,
    differential_values,
    discounted_values,
    episodic_values,
    undiscounted_values,
)

__all__ = [
    "Chain",
    "DifferentialValues",
    "LinearLaw",
    "OptimalControl",
    "SparseValues",
    "Values",
    "as_finite_mdp",
    "biased_gradient",
    "compatible_weights",
    "differential_values",
    "discounted_occupancy",
    "discounted_values",
    "episodic_occupancy",
    "episodic_values",
    "expected_visits",
    "fisher_matrix",
    "gradient",
    "induced_chain",
    "law_credit",
    "linear_law",
    "log_policy_table",
    "natural_gradient",
    "observations",
    "optimal_control",
    "performance_difference",
    "policy_gradient_theorem",
    "policy_table",
    "recurrent_classes",
    "simulation_bound",
    "simulation_gap",
    "sparse_values",
    "stationary_distribution",
    "undiscounted_values",
    "undiscounted_weights_gradient",
    "value",
    "value_and_gradient",
]
