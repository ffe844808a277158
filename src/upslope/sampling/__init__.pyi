"""The seam to the environment: what is tried, and what comes back.

`ENGINES` are the samplers by name; `ENGINES.register(name, make)` adds one (`HostEngine`)."""

from upslope.core.lazy_names import Table
from upslope.core.records import Act as Act
from upslope.core.records import EpisodeStatistics as EpisodeStatistics
from upslope.core.records import Replayed as Replayed
from upslope.core.records import Returns as Returns
from upslope.core.records import Step as Step
from upslope.core.records import Trajectories as Trajectories
from upslope.core.registry import Registry
from upslope.sampling.experience import Dynamics as Dynamics
from upslope.sampling.experience import EpisodeReturns as EpisodeReturns
from upslope.sampling.experience import Episodes as Episodes
from upslope.sampling.experience import ExperienceSpec as ExperienceSpec
from upslope.sampling.experience import Replay as Replay
from upslope.sampling.experience import Steps as Steps
from upslope.sampling.jax_sampler import JaxSampler as JaxSampler
from upslope.sampling.sampler import HostEngine as HostEngine
from upslope.sampling.sampler import HostSampler as HostSampler
from upslope.sampling.sampler import Sampler as Sampler
from upslope.sampling.simulators.gymnasium_sampler import GymnasiumSampler as GymnasiumSampler

ENGINES: Registry
TABLE: Table
__all__: list[str]
