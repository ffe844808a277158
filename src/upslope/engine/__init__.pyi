"""What turns ask, sample and tell into fast programs, and the one loop that runs them.

The functional core for loops of one's own is `iterate`, `iteration_key` and `stream_key`.
"""

from upslope.core.lazy_names import Table
from upslope.engine.iteration import iterate as iterate
from upslope.engine.iteration import iteration_key as iteration_key
from upslope.engine.iteration import stream_key as stream_key
from upslope.engine.problem import Problem as Problem

TABLE: Table
__all__: list[str]
