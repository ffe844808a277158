"""Search methods, one a file."""

from upslope.core.registry import Registry
from upslope.search.cross_entropy import CrossEntropyMethod
from upslope.search.gradient_ascent import GradientAscent, reinforce
from upslope.search.ppo import PPO
from upslope.search.search_method import SearchMethod

METHODS = Registry("method")
METHODS.register(
    "cem",
    CrossEntropyMethod,
    "Cross-entropy method: draw policies from a Gaussian, refit it to the best. Gradient-free.",
)
METHODS.register(
    "reinforce",
    reinforce,
    "REINFORCE: ascend the score-function gradient of whole episodes, with a baseline.",
)
METHODS.register(
    "ppo", PPO, "Proximal policy optimisation: clipped surrogate, GAE, minibatch epochs."
)

__all__ = [
    "METHODS",
    "PPO",
    "CrossEntropyMethod",
    "GradientAscent",
    "SearchMethod",
    "reinforce",
]
