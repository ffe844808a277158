"""From a name to a trained policy with evidence: configurations, run folders, agents.

The main job is in the module `upslope.training.train`; `upslope.train` is its function.
"""

from upslope.core.lazy_names import lazy_names

TABLE = {
    "Agent": "agent",
    "EvaluationRecord": "watcher",
    "Film": "film",
    "Run": "run",
    "RunConfig": "config",
    "RunFolder": "run_folder",
    "resolve": "config",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE)
