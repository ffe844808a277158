"""Search methods, one a file. They load on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upslope.core.lazy_names import lazy_names
from upslope.core.registry import Registry
from upslope.search.search_method import SearchMethod

if TYPE_CHECKING:
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
    from upslope.search.search_spaces import Mutation, Real, SearchSpace
    from upslope.search.separable_cma_es import separable_cma_es
    from upslope.search.simulated_annealing import SimulatedAnnealing
    from upslope.search.strategy_parameters import default_population_size

METHODS = Registry("method")
for _name, _target, _summary in (
    (
        "cem",
        "cross_entropy:CrossEntropyMethod",
        "Cross-entropy method: draw policies from a Gaussian, refit it to the best. Gradient-free.",
    ),
    (
        "reinforce",
        "gradient_ascent:reinforce",
        "REINFORCE: ascend the score-function gradient of whole episodes, with a baseline.",
    ),
    (
        "ppo",
        "ppo:PPO",
        "Proximal policy optimisation: clipped surrogate, GAE, minibatch epochs.",
    ),
    (
        "exact-gradient",
        "exact_gradient_ascent:ExactGradientAscent",
        "Exact gradient ascent: grad J itself, in finite MDPs and linear-quadratic systems.",
    ),
    (
        "natural-gradient",
        "exact_gradient_ascent:ExactNaturalGradient",
        "Exact natural gradient ascent: steepest in the policy, not its numbers. In finite MDPs.",
    ),
    (
        "random-search",
        "random_search:RandomSearch",
        "Random search: independent draws, the best is kept. A baseline.",
    ),
    (
        "hill-climbing",
        "hill_climbing:HillClimbing",
        "Hill climbing: random steps, kept if not worse, of a length that adapts.",
    ),
    (
        "simulated-annealing",
        "simulated_annealing:SimulatedAnnealing",
        "Simulated annealing: random steps, downhill ones too while it is hot.",
    ),
    (
        "nelder-mead",
        "nelder_mead:NelderMead",
        "Nelder-Mead: a simplex that reflects, expands, contracts and shrinks. For exact returns.",
    ),
    (
        "genetic-algorithm",
        "genetic_algorithm:GeneticAlgorithm",
        "Genetic algorithm: breed the next population from the best of the last.",
    ),
    (
        "finite-differences",
        "finite_difference_ascent:finite_differences",
        "Finite differences: ascend a gradient measured by trying policies close by.",
    ),
    (
        "kohl-stone",
        "kohl_stone:KohlStone",
        "Kohl and Stone's policy gradient: average what raising and lowering each parameter did.",
    ),
    (
        "cma-es",
        "cma_es:CMAES",
        "CMA-ES: a Gaussian whose covariance learns the objective's shape. Up to 5000 parameters.",
    ),
    (
        "sep-cma-es",
        "separable_cma_es:separable_cma_es",
        "Separable CMA-ES: a variance for each parameter, for policies of any size.",
    ),
    (
        "xnes",
        "natural_evolution:XNES",
        "Exponential natural evolution strategy: the natural gradient of a whole covariance.",
    ),
    (
        "snes",
        "natural_evolution:SNES",
        "Separable natural evolution strategy: the natural gradient of mean and variances.",
    ),
    (
        "pgpe",
        "pgpe:PGPE",
        "Policy gradients with parameter-based exploration: the score of a Gaussian over policies.",
    ),
    (
        "openai-es",
        "openai_es:OpenAIES",
        "OpenAI's evolution strategy: mirrored noise, centred ranks, an optimizer; seeds travel.",
    ),
    (
        "ars",
        "augmented_random_search:AugmentedRandomSearch",
        "Augmented random search: steps along the best of random directions. For linear policies.",
    ),
):
    METHODS.register(_name, f"upslope.search.{_target}", _summary)

_HOMES = {
    "AugmentedRandomSearch": "augmented_random_search",
    "Bits": "discrete_spaces",
    "CMAES": "cma_es",
    "Choices": "discrete_spaces",
    "CrossEntropyMethod": "cross_entropy",
    "ExactGradientAscent": "exact_gradient_ascent",
    "ExactNaturalGradient": "exact_gradient_ascent",
    "FiniteDifferenceAscent": "finite_difference_ascent",
    "GeneticAlgorithm": "genetic_algorithm",
    "GradientAscent": "gradient_ascent",
    "HillClimbing": "hill_climbing",
    "Integers": "discrete_spaces",
    "KohlStone": "kohl_stone",
    "Mutation": "search_spaces",
    "NelderMead": "nelder_mead",
    "OpenAIES": "openai_es",
    "PGPE": "pgpe",
    "PPO": "ppo",
    "Permutation": "discrete_spaces",
    "Product": "product_space",
    "RandomSearch": "random_search",
    "Real": "search_spaces",
    "SNES": "natural_evolution",
    "SearchSpace": "search_spaces",
    "SimulatedAnnealing": "simulated_annealing",
    "XNES": "natural_evolution",
    "default_population_size": "strategy_parameters",
    "finite_differences": "finite_difference_ascent",
    "reinforce": "gradient_ascent",
    "separable_cma_es": "separable_cma_es",
    "stopping_reasons": "cma_stopping",
}

__all__ = ["METHODS", "SearchMethod", *_HOMES]


__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
