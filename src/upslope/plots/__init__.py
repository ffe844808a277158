"""Pictures of policies, estimators and searches, drawn with matplotlib."""

from upslope.plots.estimator_bars import estimator_bars
from upslope.plots.gradient_fields import policy_simplex, value_surface
from upslope.plots.learning_curves import learning_curves
from upslope.plots.score_function import animate_score_function, score_function
from upslope.plots.state_map import state_map

__all__ = [
    "animate_score_function",
    "estimator_bars",
    "learning_curves",
    "policy_simplex",
    "score_function",
    "state_map",
    "value_surface",
]
