"""The seam to the environment: what is tried, and what comes back."""

from upslope.core.lazy_names import lazy_names

TABLE = {
    "Dynamics": "experience",
    "EpisodeReturns": "experience",
    "Episodes": "experience",
    "ExperienceSpec": "experience",
    "JaxSampler": "jax_sampler",
    "Steps": "experience",
}


__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE)
