"""How good a gradient estimate is: measured while training, and checked against the truth."""

from upslope.core.lazy_names import lazy_names

TABLE = {
    "GradientReport": "gradient_report",
    "POPULATION_ESTIMATORS": "check_estimators",
    "Row": "gradient_report",
    "Verdict": "verdicts",
    "estimator_names": "check_estimators",
    "gradcheck": "gradient_check",
}


__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE)
