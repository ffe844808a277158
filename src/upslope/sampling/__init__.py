"""The seam to the world: what is tried, and what comes back."""

from upslope.sampling.collections import Collection, Dynamics, EpisodeReturns, Episodes, Steps
from upslope.sampling.jax_sampler import JaxSampler
from upslope.sampling.records import EpisodeStatistics, Returns, Trajectories

__all__ = [
    "Collection",
    "Dynamics",
    "EpisodeReturns",
    "EpisodeStatistics",
    "Episodes",
    "JaxSampler",
    "Returns",
    "Steps",
    "Trajectories",
]
