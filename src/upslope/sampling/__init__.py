"""The seam to the environment: what is tried, and what comes back.

`ENGINES` are the samplers by name; `ENGINES.register(name, make)` adds one (`HostEngine`)."""

from upslope.core.lazy_names import Row, lazy_names, registry_of
from upslope.core.records import Act, EpisodeStatistics, Replayed, Returns, Step, Trajectories

TABLE = {
    "Dynamics": "experience",
    "EpisodeReturns": "experience",
    "Episodes": "experience",
    "ExperienceSpec": "experience",
    "GymnasiumSampler": Row(
        "simulators.gymnasium_sampler",
        "gymnasium",
        "Gymnasium simulators, in this process and in worker processes on this machine.",
    ),
    "HostEngine": "sampler",
    "HostSampler": "sampler",
    "JaxSampler": Row(
        "jax_sampler", "jax", "JAX environments, inside the compiled program of the search."
    ),
    "Replay": "experience",
    "Sampler": "sampler",
    "Steps": "experience",
}
ENGINES = registry_of("engine", __name__, TABLE)
RECORDS = (Act, EpisodeStatistics, Replayed, Returns, Step, Trajectories)

__getattr__, __dir__, __all__ = lazy_names(
    __name__, TABLE, "ENGINES", *(cls.__name__ for cls in RECORDS)
)
