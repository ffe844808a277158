"""Search methods, one per file, by family. They load on first use."""

from upslope.core.lazy_names import Table
from upslope.core.registry import Registry
from upslope.search.evolution.augmented_random_search import AugmentedRandomSearch as AugmentedRandomSearch
from upslope.search.evolution.cma.cma_es import CMAES as CMAES
from upslope.search.evolution.cma.margin import IntegerLattice as IntegerLattice
from upslope.search.evolution.cma.separable import separable_cma_es as separable_cma_es
from upslope.search.evolution.cma.stopping import stopping_reasons as stopping_reasons
from upslope.search.evolution.cma.strategy_parameters import default_population_size as default_population_size
from upslope.search.evolution.cross_entropy import CrossEntropyMethod as CrossEntropyMethod
from upslope.search.evolution.genetic_algorithm import GeneticAlgorithm as GeneticAlgorithm
from upslope.search.evolution.natural_evolution import SNES as SNES
from upslope.search.evolution.natural_evolution import XNES as XNES
from upslope.search.evolution.openai_es import OpenAIES as OpenAIES
from upslope.search.evolution.pgpe import PGPE as PGPE
from upslope.search.games.alphago.alphago import AlphaGo as AlphaGo
from upslope.search.games.alphago_zero import AlphaGoZero as AlphaGoZero
from upslope.search.games.alphazero import AlphaZero as AlphaZero
from upslope.search.games.muzero.muzero import MuZero as MuZero
from upslope.search.gradient.exact_gradient_ascent import ExactGradientAscent as ExactGradientAscent
from upslope.search.gradient.exact_gradient_ascent import ExactNaturalGradient as ExactNaturalGradient
from upslope.search.gradient.finite_difference_ascent import FiniteDifferenceAscent as FiniteDifferenceAscent
from upslope.search.gradient.finite_difference_ascent import finite_differences as finite_differences
from upslope.search.gradient.gradient_ascent import GradientAscent as GradientAscent
from upslope.search.gradient.gradient_ascent import reinforce as reinforce
from upslope.search.gradient.kohl_stone import KohlStone as KohlStone
from upslope.search.gradient.ppo import PPO as PPO
from upslope.search.local.hill_climbing import HillClimbing as HillClimbing
from upslope.search.local.nelder_mead import NelderMead as NelderMead
from upslope.search.local.random_search import RandomSearch as RandomSearch
from upslope.search.local.simulated_annealing import SimulatedAnnealing as SimulatedAnnealing
from upslope.search.model_based.model_based import ModelBased as ModelBased
from upslope.search.search_method import Defaults as Defaults
from upslope.search.search_method import Part as Part
from upslope.search.search_method import ProblemSpec as ProblemSpec
from upslope.search.search_method import SearchMethod as SearchMethod
from upslope.search.spaces.discrete import Bits as Bits
from upslope.search.spaces.discrete import Choices as Choices
from upslope.search.spaces.discrete import Integers as Integers
from upslope.search.spaces.discrete import Permutation as Permutation
from upslope.search.spaces.product import Product as Product
from upslope.search.spaces.space import Mutation as Mutation
from upslope.search.spaces.space import Real as Real
from upslope.search.spaces.space import SearchSpace as SearchSpace
from upslope.search.value_based.double_q_learning import DoubleQLearning as DoubleQLearning
from upslope.search.value_based.dqn import DQN as DQN
from upslope.search.value_based.dyna_q import DynaQ as DynaQ
from upslope.search.value_based.dyna_q_plus import DynaQPlus as DynaQPlus
from upslope.search.value_based.expected_sarsa import ExpectedSarsa as ExpectedSarsa
from upslope.search.value_based.monte_carlo_control import MonteCarloControl as MonteCarloControl
from upslope.search.value_based.prioritized_sweeping import PrioritizedSweeping as PrioritizedSweeping
from upslope.search.value_based.q_learning import QLearning as QLearning
from upslope.search.value_based.q_planning import QPlanning as QPlanning
from upslope.search.value_based.sarsa import Sarsa as Sarsa

METHODS: Registry
TABLE: Table
__all__: list[str]
