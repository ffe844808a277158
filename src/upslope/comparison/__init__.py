"""Runs against each other: aggregates over seeds and tasks, with stratified bootstrap intervals."""

from upslope.core.lazy_names import lazy_names

TABLE = {
    "Comparison": "comparison",
    "Contender": "comparison",
    "Group": "comparison",
    "Interval": "stratified_bootstrap",
    "Ratings": "elo",
    "Tournament": "tournament",
    "compare": "compared_runs",
    "elo_ratings": "elo",
    "interquartile_mean": "aggregates",
    "interval": "stratified_bootstrap",
    "mean": "aggregates",
    "median": "aggregates",
    "median_of_runs": "aggregates",
    "optimality_gap": "aggregates",
    "performance_profile": "aggregates",
    "probability_of_improvement": "aggregates",
    "tournament": "tournament",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE)
