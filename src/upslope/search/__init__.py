"""Search methods, one a file."""

from upslope.core.registry import Registry
from upslope.search.cross_entropy import CrossEntropyMethod
from upslope.search.discrete_spaces import Bits, Choices, Integers, Permutation
from upslope.search.finite_difference_ascent import (
    FiniteDifferenceAscent,
    finite_difference_ascent,
)
from upslope.search.genetic_algorithm import GeneticAlgorithm
from upslope.search.gradient_ascent import GradientAscent, reinforce
from upslope.search.hill_climbing import HillClimbing
from upslope.search.kohl_stone import KohlStone
from upslope.search.nelder_mead import NelderMead
from upslope.search.ppo import PPO
from upslope.search.product_space import Product
from upslope.search.random_search import RandomSearch
from upslope.search.search_method import SearchMethod
from upslope.search.search_spaces import Mutation, Real, SearchSpace
from upslope.search.simulated_annealing import SimulatedAnnealing

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
METHODS.register(
    "random-search", RandomSearch, "Random search: independent draws, the best is kept. A baseline."
)
METHODS.register(
    "hill-climbing",
    HillClimbing,
    "Hill climbing: random steps, kept if not worse, of a length that adapts.",
)
METHODS.register(
    "simulated-annealing",
    SimulatedAnnealing,
    "Simulated annealing: random steps, downhill ones too while it is hot.",
)
METHODS.register(
    "nelder-mead",
    NelderMead,
    "Nelder-Mead: a simplex that reflects, expands, contracts and shrinks. For exact returns.",
)
METHODS.register(
    "genetic-algorithm",
    GeneticAlgorithm,
    "Genetic algorithm: breed the next population from the best of the last.",
)
METHODS.register(
    "finite-differences",
    finite_difference_ascent,
    "Finite differences: ascend a gradient measured by trying policies close by.",
)
METHODS.register(
    "kohl-stone",
    KohlStone,
    "Kohl and Stone's policy gradient: average what raising and lowering each parameter did.",
)

__all__ = [
    "METHODS",
    "PPO",
    "Bits",
    "Choices",
    "CrossEntropyMethod",
    "FiniteDifferenceAscent",
    "GeneticAlgorithm",
    "GradientAscent",
    "HillClimbing",
    "Integers",
    "KohlStone",
    "Mutation",
    "NelderMead",
    "Permutation",
    "Product",
    "RandomSearch",
    "Real",
    "SearchMethod",
    "SearchSpace",
    "SimulatedAnnealing",
    "finite_difference_ascent",
    "reinforce",
]
