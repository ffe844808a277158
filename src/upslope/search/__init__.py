"""Search methods, one a file."""

from upslope.core.registry import Registry
from upslope.search.augmented_random_search import AugmentedRandomSearch
from upslope.search.cma_es import CMAES
from upslope.search.cma_stopping import stopping_reasons
from upslope.search.cross_entropy import CrossEntropyMethod
from upslope.search.discrete_spaces import Bits, Choices, Integers, Permutation
from upslope.search.exact_gradient_ascent import ExactGradientAscent, ExactNaturalGradient
from upslope.search.finite_difference_ascent import (
    FiniteDifferenceAscent,
    finite_differences,
)
from upslope.search.genetic_algorithm import GeneticAlgorithm
from upslope.search.gradient_ascent import GradientAscent, reinforce
from upslope.search.hill_climbing import HillClimbing
from upslope.search.kohl_stone import KohlStone
from upslope.search.natural_evolution import SNES, XNES
from upslope.search.nelder_mead import NelderMead
from upslope.search.openai_es import OpenAIES
from upslope.search.pgpe import PGPE
from upslope.search.ppo import PPO
from upslope.search.product_space import Product
from upslope.search.random_search import RandomSearch
from upslope.search.search_method import SearchMethod
from upslope.search.search_spaces import Mutation, Real, SearchSpace
from upslope.search.separable_cma_es import separable_cma_es
from upslope.search.simulated_annealing import SimulatedAnnealing
from upslope.search.strategy_parameters import default_population_size

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
    "exact-gradient",
    ExactGradientAscent,
    "Exact gradient ascent: grad J itself, in finite MDPs and linear-quadratic systems.",
)
METHODS.register(
    "natural-gradient",
    ExactNaturalGradient,
    "Exact natural gradient ascent: steepest in the policy, not its numbers. In finite MDPs.",
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
    finite_differences,
    "Finite differences: ascend a gradient measured by trying policies close by.",
)
METHODS.register(
    "kohl-stone",
    KohlStone,
    "Kohl and Stone's policy gradient: average what raising and lowering each parameter did.",
)

METHODS.register(
    "cma-es",
    CMAES,
    "CMA-ES: a Gaussian whose covariance learns the objective's shape. Up to 5000 parameters.",
)
METHODS.register(
    "sep-cma-es",
    separable_cma_es,
    "Separable CMA-ES: a variance for each parameter, for policies of any size.",
)
METHODS.register(
    "xnes",
    XNES,
    "Exponential natural evolution strategy: the natural gradient of a whole covariance.",
)
METHODS.register(
    "snes",
    SNES,
    "Separable natural evolution strategy: the natural gradient of mean and variances.",
)
METHODS.register(
    "pgpe",
    PGPE,
    "Policy gradients with parameter-based exploration: the score of a Gaussian over policies.",
)
METHODS.register(
    "openai-es",
    OpenAIES,
    "OpenAI's evolution strategy: mirrored noise, centred ranks, an optimizer; seeds travel.",
)
METHODS.register(
    "ars",
    AugmentedRandomSearch,
    "Augmented random search: steps along the best of random directions. For linear policies.",
)

__all__ = [
    "CMAES",
    "METHODS",
    "PGPE",
    "PPO",
    "SNES",
    "XNES",
    "AugmentedRandomSearch",
    "Bits",
    "Choices",
    "CrossEntropyMethod",
    "ExactGradientAscent",
    "ExactNaturalGradient",
    "FiniteDifferenceAscent",
    "GeneticAlgorithm",
    "GradientAscent",
    "HillClimbing",
    "Integers",
    "KohlStone",
    "Mutation",
    "NelderMead",
    "OpenAIES",
    "Permutation",
    "Product",
    "RandomSearch",
    "Real",
    "SearchMethod",
    "SearchSpace",
    "SimulatedAnnealing",
    "default_population_size",
    "finite_differences",
    "reinforce",
    "separable_cma_es",
    "stopping_reasons",
]
