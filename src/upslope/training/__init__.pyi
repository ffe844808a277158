"""From a name to a trained policy with evidence: configurations, run folders, agents.

The main job is in the module `upslope.training.train`; `upslope.train` is its function.
"""

from upslope.core.lazy_names import Table
from upslope.training.agent import Agent as Agent
from upslope.training.config import RunConfig as RunConfig
from upslope.training.config import resolve as resolve
from upslope.training.film import Film as Film
from upslope.training.run import Run as Run
from upslope.training.run_folder import RunFolder as RunFolder
from upslope.training.watcher import EvaluationRecord as EvaluationRecord

TABLE: Table
__all__: list[str]
