"""Any function as what is searched: `maximize`, `minimize`, and ask and tell by hand."""

from upslope.core.small_loops import FUNCTIONS, ask_for_small_loops
from upslope.optimization.ask_tell import AskTell
from upslope.optimization.evaluation import EvaluationError
from upslope.optimization.maximize import maximize, minimize
from upslope.optimization.result import Curve, Result

__all__ = ["AskTell", "Curve", "EvaluationError", "Result", "maximize", "minimize"]

# Heard if JAX has not started: importing starts nothing, the first array does.
ask_for_small_loops(FUNCTIONS)
