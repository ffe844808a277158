"""The seam to the environment: what is tried, and what comes back."""

from upslope.core.lazy_names import lazy_names
from upslope.core.records import Act, EpisodeStatistics, Replayed, Returns, Step, Trajectories

TABLE = {
    "Dynamics": "experience",
    "EpisodeReturns": "experience",
    "Episodes": "experience",
    "ExperienceSpec": "experience",
    "JaxSampler": "jax_sampler",
    "Replay": "experience",
    "Sampler": "sampler",
    "Steps": "experience",
}
RECORDS = (Act, EpisodeStatistics, Replayed, Returns, Step, Trajectories)

__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE, *(cls.__name__ for cls in RECORDS))
