"""Search methods, one per file, by family. They load on first use."""

from upslope.core.lazy_names import Row, lazy_names, registry_of

TABLE = {
    "CrossEntropyMethod": Row(
        "evolution.cross_entropy",
        "cem",
        "Cross-entropy method: draw policies from a Gaussian, refit it to the best. Gradient-free.",
    ),
    "reinforce": Row(
        "gradient.gradient_ascent",
        "reinforce",
        "REINFORCE: ascend the score-function gradient of whole episodes, with a baseline.",
    ),
    "PPO": Row(
        "gradient.ppo",
        "ppo",
        "Proximal policy optimisation: clipped surrogate, GAE, minibatch epochs.",
    ),
    "DQN": Row(
        "value_based.dqn",
        "dqn",
        "Deep Q-learning: a replay buffer, a target network, epsilon-greedy. Discrete actions.",
    ),
    "AlphaGo": Row(
        "games.alphago.alphago",
        "alphago",
        "AlphaGo: imitate a search, improve against earlier selves, learn values, search by both.",
    ),
    "AlphaGoZero": Row(
        "games.alphago_zero",
        "alphago-zero",
        "AlphaGo Zero: self-play by the best network so far; gating, symmetries, resignation.",
    ),
    "AlphaZero": Row(
        "games.alphazero",
        "alphazero",
        "AlphaZero: a network plays itself by tree search and learns from its games. Two players.",
    ),
    "MuZero": Row(
        "games.muzero.muzero",
        "muzero",
        "MuZero: tree search in a model that is learnt to predict what the search needs.",
    ),
    "ModelBased": Row(
        "model_based.model_based",
        "model-based",
        "Model-based search: collect, fit a model, plan in it, and again. Few steps are enough.",
    ),
    "QLearning": Row(
        "value_based.q_learning",
        "q-learning",
        "Q-learning in a table: off-policy, one step at a time. Numbered states and actions.",
    ),
    "Sarsa": Row(
        "value_based.sarsa",
        "sarsa",
        "SARSA in a table: on-policy, one step (or n) at a time. Numbered states and actions.",
    ),
    "ExpectedSarsa": Row(
        "value_based.expected_sarsa",
        "expected-sarsa",
        "Expected SARSA in a table: the mean over the next actions in the place of one.",
    ),
    "DoubleQLearning": Row(
        "value_based.double_q_learning",
        "double-q",
        "Double Q-learning: two tables, one chooses and the other values. For noisy rewards.",
    ),
    "MonteCarloControl": Row(
        "value_based.monte_carlo_control",
        "monte-carlo-control",
        "Monte Carlo control in a table: means of returns of whole episodes, no bootstrap.",
    ),
    "QPlanning": Row(
        "value_based.q_planning",
        "q-planning",
        "Q-planning: Q-learning on steps drawn from a known or fitted finite MDP.",
    ),
    "DynaQ": Row(
        "value_based.dyna_q",
        "dyna-q",
        "Dyna-Q: Q-learning from real steps and from those that a learned model simulates.",
    ),
    "DynaQPlus": Row(
        "value_based.dyna_q_plus",
        "dyna-q-plus",
        "Dyna-Q+: Dyna-Q with a bonus in planning for what was not tried for long.",
    ),
    "PrioritizedSweeping": Row(
        "value_based.prioritized_sweeping",
        "prioritized-sweeping",
        "Prioritised sweeping: planning in a learned model, the largest changes first.",
    ),
    "ExactGradientAscent": Row(
        "gradient.exact_gradient_ascent",
        "exact-gradient",
        "Exact gradient ascent: grad J itself, in finite MDPs and linear-quadratic systems.",
    ),
    "ExactNaturalGradient": Row(
        "gradient.exact_gradient_ascent",
        "natural-gradient",
        "Exact natural gradient ascent: steepest in the policy, not its numbers. In finite MDPs.",
    ),
    "RandomSearch": Row(
        "local.random_search",
        "random-search",
        "Random search: independent draws, the best is kept. A baseline.",
    ),
    "HillClimbing": Row(
        "local.hill_climbing",
        "hill-climbing",
        "Hill climbing: random steps, kept if not worse, of a length that adapts.",
    ),
    "SimulatedAnnealing": Row(
        "local.simulated_annealing",
        "simulated-annealing",
        "Simulated annealing: random steps, downhill ones too while it is hot.",
    ),
    "NelderMead": Row(
        "local.nelder_mead",
        "nelder-mead",
        "Nelder-Mead: a simplex that reflects, expands, contracts and shrinks. For exact returns.",
    ),
    "GeneticAlgorithm": Row(
        "evolution.genetic_algorithm",
        "genetic-algorithm",
        "Genetic algorithm: breed the next population from the best of the last.",
    ),
    "finite_differences": Row(
        "gradient.finite_difference_ascent",
        "finite-differences",
        "Finite differences: ascend a gradient measured by trying policies close by.",
    ),
    "KohlStone": Row(
        "gradient.kohl_stone",
        "kohl-stone",
        "Kohl and Stone's policy gradient: average what raising and lowering each parameter did.",
    ),
    "CMAES": Row(
        "evolution.cma.cma_es",
        "cma-es",
        "CMA-ES: a Gaussian whose covariance learns the objective's shape. Up to 5000 parameters.",
    ),
    "separable_cma_es": Row(
        "evolution.cma.separable",
        "sep-cma-es",
        "Separable CMA-ES: a variance for each parameter, for policies of any size.",
    ),
    "XNES": Row(
        "evolution.natural_evolution",
        "xnes",
        "Exponential natural evolution strategy: the natural gradient of a whole covariance.",
    ),
    "SNES": Row(
        "evolution.natural_evolution",
        "snes",
        "Separable natural evolution strategy: the natural gradient of mean and variances.",
    ),
    "PGPE": Row(
        "evolution.pgpe",
        "pgpe",
        "Policy gradients with parameter-based exploration: the score of a Gaussian over policies.",
    ),
    "OpenAIES": Row(
        "evolution.openai_es",
        "openai-es",
        "OpenAI's evolution strategy: mirrored noise, centred ranks, an optimizer; seeds travel.",
    ),
    "AugmentedRandomSearch": Row(
        "evolution.augmented_random_search",
        "ars",
        "Augmented random search: steps along the best of random directions. For linear policies.",
    ),
    "Bits": "spaces.discrete",
    "Choices": "spaces.discrete",
    "Defaults": "search_method",
    "FiniteDifferenceAscent": "gradient.finite_difference_ascent",
    "GradientAscent": "gradient.gradient_ascent",
    "Integers": "spaces.discrete",
    "Mutation": "spaces.space",
    "Part": "search_method",
    "Permutation": "spaces.discrete",
    "ProblemSpec": "search_method",
    "Product": "spaces.product",
    "Real": "spaces.space",
    "SearchMethod": "search_method",
    "SearchSpace": "spaces.space",
    "default_population_size": "evolution.cma.strategy_parameters",
    "stopping_reasons": "evolution.cma.stopping",
    "IntegerLattice": "evolution.cma.margin",
}

# What people look for and is not there yet, with what is nearest to it.
EXPECTED = {
    "a2c": "ppo",
    "a3c": "ppo",
    "acer": "ppo",
    "c51": "dqn",
    "ddpg": "ppo",
    "qr-dqn": "dqn",
    "rainbow": "dqn",
    "sac": "ppo",
    "td3": "ppo",
    "trpo": "natural-gradient",
}
METHODS = registry_of("method", __name__, TABLE, EXPECTED)

__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE, "METHODS")
