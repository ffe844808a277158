"""Pictures of policies, estimators and searches, drawn with matplotlib."""

from upslope.core.lazy_names import Table
from upslope.plots.arrows import animate_score_function as animate_score_function
from upslope.plots.arrows import score_function as score_function
from upslope.plots.bars import estimator_bars as estimator_bars
from upslope.plots.comparison import comparison_figure as comparison_figure
from upslope.plots.curves import learning_curves as learning_curves
from upslope.plots.curves_of_runs import run_curves as run_curves
from upslope.plots.gradient_fields import policy_simplex as policy_simplex
from upslope.plots.gradient_fields import value_surface as value_surface
from upslope.plots.maps import solution_map as solution_map
from upslope.plots.maps import state_map as state_map

TABLE: Table
__all__: list[str]
