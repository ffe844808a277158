"""What turns ask, sample and tell into fast programs, and the one loop that runs them.

The functional core for loops of one's own is `iterate`, `iteration_key` and `stream_key`.
"""

from upslope.core.lazy_names import lazy_names

TABLE = {
    "Problem": "problem",
    "iterate": "iteration",
    "iteration_key": "iteration",
    "stream_key": "iteration",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE)
