"""Any function as what is searched: `maximize`, `minimize`, and ask and tell by hand."""

from upslope.optimization.ask_tell import AskTell
from upslope.optimization.evaluation import EvaluationError
from upslope.optimization.maximize import maximize, minimize
from upslope.optimization.result import Curve, Result

__all__ = ["AskTell", "Curve", "EvaluationError", "Result", "maximize", "minimize"]
