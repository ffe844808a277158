"""Pictures of policies, estimators and searches, drawn with matplotlib."""

from upslope.core.lazy_names import lazy_names

TABLE = {
    "animate_score_function": "arrows",
    "comparison_figure": "comparison",
    "estimator_bars": "bars",
    "learning_curves": "curves",
    "policy_simplex": "gradient_fields",
    "run_curves": "curves_of_runs",
    "score_function": "arrows",
    "solution_map": "maps",
    "state_map": "maps",
    "value_surface": "gradient_fields",
}


__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE)
