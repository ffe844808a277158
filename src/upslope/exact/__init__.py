"""The truth: J, V, Q, occupancies and gradients without sampling: finite MDPs, linear systems."""

from upslope.core.lazy_names import lazy_names

TABLE = {
    "Chain": "chain",
    "DifferentialValues": "values",
    "LinearGaussianController": "linear_loop",
    "OptimalControl": "riccati",
    "SparseValues": "sparse",
    "Values": "values",
    "as_finite_mdp": "tables",
    "biased_gradient": "biased",
    "compatible_weights": "natural",
    "differential_values": "values",
    "discounted_occupancy": "occupancy",
    "discounted_values": "values",
    "episodic_occupancy": "occupancy",
    "episodic_values": "values",
    "expected_visits": "occupancy",
    "fisher_matrix": "natural",
    "gain_gradient": "linear_quadratic",
    "gradient": "gradients",
    "induced_chain": "chain",
    "linear_controller": "linear_loop",
    "log_policy_table": "tables",
    "natural_gradient": "natural",
    "observations": "tables",
    "optimal_control": "riccati",
    "performance_difference": "lemmas",
    "policy_gradient_theorem": "gradients",
    "policy_table": "tables",
    "recurrent_classes": "chain",
    "simulation_bound": "lemmas",
    "simulation_error_bound": "lemmas",
    "simulation_gap": "lemmas",
    "sparse_values": "sparse",
    "stationary_distribution": "occupancy",
    "undiscounted_values": "values",
    "undiscounted_weights_gradient": "biased",
    "value": "objective_value",
    "value_and_gradient": "gradients",
}


__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE)
