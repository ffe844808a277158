"""What acts in a rollout; defined on the lowest floor, because environments may hold opponents."""

from upslope.core.actor import Actor, NumpyActor, observation_moments

__all__ = ["Actor", "NumpyActor", "observation_moments"]
