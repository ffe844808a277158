"""UCT: Monte-Carlo tree search with UCB1, random or guided rollouts and a solver."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from upslope.core import tree as trees
from upslope.core.actor import Actor
from upslope.core.annotations import EnvironmentState, Key, Memory
from upslope.core.checks import check_number
from upslope.core.static_function import as_module
from upslope.core.unbatched_reductions import any_across_batch
from upslope.environments.environment import Environment
from upslope.environments.games.alternating_game import AlternatingGame
from upslope.environments.games.random_legal import nth_true
from upslope.objectives.objective import EpisodicReturn, Objective
from upslope.planning.mcts.backup import back_up, best_edge, solved_value
from upslope.planning.mcts.descent import Leaf, Way, descend, descend_by_chance
from upslope.planning.mcts.exploration import UCB1, upper_confidence
from upslope.planning.mcts.search_tree import (
    ILLEGAL,
    NO_CHILD,
    UNKNOWN,
    SearchTree,
    empty_tree,
    plant,
    same_states,
    subtree,
)
from upslope.planning.model_checks import (
    check_model,
    is_stochastic,
    n_discrete_actions,
    steps_of_playouts,
)
from upslope.planning.planner import Planner, PlannerOutput
from upslope.planning.playouts import play_out
from upslope.planning.simulation import TerminalValue

OUTCOMES_OF_CHANCE = 16


class SearchExtras(NamedTuple):
    """What a search says of the actions of its root."""

    visits: Int[Array, " A"]  # N(s, a), those of a kept tree included
    action_values: Float[Array, " A"]  # mean returns; exact where solved; NaN where not visited
    solved: Bool[Array, " A"]  # whether the value is exact
    simulations: Int[Array, ""]  # made by this plan: fewer than asked where the root was solved
    kept: Int[Array, ""]  # visits of the root that an earlier plan had made
    n_nodes: Int[Array, ""]  # of the tree


class UCT(Planner):
    r"""Monte-Carlo tree search by upper confidence bounds (UCT), for one player or two.

    Each simulation goes down the tree by the greatest

    .. math:: \bar Q(s, a) + c \, \Delta \sqrt{\ln N(s) / N(s, a)}

    (untried actions first), adds one node, plays on from there, and averages the return into every
    edge of its way: :math:`G_t = r_{t+1} + \gamma d_{t+1} G_{t+1}` with the environment's own
    discount d, -1 where the opponent is to move next. N(s) is 1 plus the visits of the actions: the
    1 is the simulation that added the node. The constant is UCB1's (`exploration`): c = sqrt(2) is
    Kocsis and Szepesvari's 2 C_p with C_p = 1 / sqrt(2), and Browne's survey's formula with the
    same C_p is c = 2. Delta is the width of the returns (`value_range`), so that c has no unit.

    **Solver.** An end makes its edge exact; a node is solved when one of its actions is exact and
    earns the most a game can give, or when all are; its exact value is the greatest of them
    (minimax). Exact edges are compared by their value alone. The search of a solved root stops. A
    win is taken before what has been visited most, the shortest first; a loss is avoided, and the
    longest taken where all lose. Only in deterministic environments.

    **Chance.** Where a step draws from its key, nodes are explicit states: an edge has a child for
    each outcome that was met, at most `n_outcomes`; a later one beyond them is replaced by one of
    those, drawn evenly.

    The memory is the tree: the part of it below the state in which the next plan begins is kept.

    Simulations use the plan's own key and leave the randomness of the episode alone. Batched by
    vmap the plans are those of single calls.

    Attributes:
      environment: in which it searches: an `AlternatingGame` for both players, or any environment
        with discrete actions.
      objective: whose discount it counts rewards with.
      n_simulations: per plan. Static.
      exploration: weight of exploration, c.
      value_range: Delta, the greatest possible return less the lowest; None: 2 in games, elsewhere
        the width of the returns in the tree.
      n_rollouts: from each new node; their mean counts. Static.
      rollout_length: the most steps of one; 0 to ask `terminal_value` at once; None for the
        environment's time limit. Static.
      rollout_policy: who plays them, for both players; None for legal actions at random.
      terminal_value: V(state, observation) where a rollout stops short of the end; None for zero.
      solve: whether solved positions are backed up; the edge to an end is exact in any case.
        Static.
      n_outcomes: K, children of an edge; None: 1 where a step does not read its key, otherwise 16.
        Static.
      keep_tree: whether the next plan begins with the part of the tree that is still true. Static.
      random_ties: whether ties are broken at random or by the lowest action. Static.

    Raises:
      UpslopeError: no simulation, numbers out of their range, actions that are not discrete, or an
        environment that cannot be simulated.

    References:
      Kocsis and Szepesvari (2006), "Bandit based Monte-Carlo Planning"; Browne et al. (2012), "A
      Survey of Monte Carlo Tree Search Methods"; Winands, Bjornsson and Saito (2008),
      "Monte-Carlo Tree Search Solver"; Couetoux et al. (2011) for outcomes.
    """

    plays_for_both: ClassVar[bool] = True
    stops_early: ClassVar[bool] = True
    example: ClassVar[str] = "CartPole-v1"
    environment: Environment
    objective: Objective = EpisodicReturn()
    n_simulations: int = eqx.field(static=True, default=1000)
    exploration: float = UCB1
    value_range: float | None = None
    n_rollouts: int = eqx.field(static=True, default=1)
    rollout_length: int | None = eqx.field(static=True, default=None)
    rollout_policy: Actor | None = None
    terminal_value: TerminalValue | None = eqx.field(converter=as_module, default=None)
    solve: bool = eqx.field(static=True, default=True)
    n_outcomes: int | None = eqx.field(static=True, default=None)
    keep_tree: bool = eqx.field(static=True, default=True)
    random_ties: bool = eqx.field(static=True, default=True)
    n_actions: int = eqx.field(init=False, static=True)
    rollout_steps: int = eqx.field(init=False, static=True)
    outcomes: int = eqx.field(init=False, static=True)

    def __post_init__(self) -> None:
        owner = type(self).__name__
        check_model(owner, self.environment)
        check_number(owner, "n_simulations", self.n_simulations, at_least=1, integer=True)
        check_number(owner, "exploration", self.exploration, at_least=0.0)
        check_number(owner, "n_rollouts", self.n_rollouts, at_least=1, integer=True)
        if self.value_range is not None:
            check_number(owner, "value_range", self.value_range, above=0.0)
        for name, least in (("rollout_length", 0), ("n_outcomes", 1)):
            if getattr(self, name) is not None:
                check_number(owner, name, getattr(self, name), at_least=least, integer=True)
        self.n_actions = n_discrete_actions(owner, self.environment)
        self.rollout_steps = steps_of_playouts(
            owner, "rollout_length", self.rollout_length, self.environment
        )
        self.outcomes = self.n_outcomes or (
            OUTCOMES_OF_CHANCE if is_stochastic(self.environment) else 1
        )

    @property
    def capacity(self) -> int:
        """M, the nodes for which a tree has room; simulations that meet a full one add none."""
        return (2 if self.keep_tree else 1) * self.n_simulations + 1

    @property
    def max_depth(self) -> int:
        """Edges of the longest way down: the environment's time limit, or as many as there are."""
        limit = self.environment.time_limit
        return self.capacity if limit is None else min(self.capacity, limit)

    @property
    def model_steps(self) -> int:
        """At most: simulations end with their episodes."""
        way = 1 if self.outcomes == 1 else self.max_depth
        return self.n_simulations * (way + self.n_rollouts * self.rollout_steps)

    @property
    def solves(self) -> bool:
        """Whether positions are solved: in deterministic environments alone."""
        return self.solve and self.outcomes == 1

    @property
    def best_return(self) -> float:
        """What no return exceeds."""
        game = self.environment
        return game.best_return if isinstance(game, AlternatingGame) else float("inf")

    def initial_memory(self) -> Memory:
        if not self.keep_tree:
            return ()
        shapes, _ = eqx.filter_eval_shape(self.environment.reset, jax.random.key(0))
        state = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        return self._empty(state)

    def plan(self, key: Key, state: EnvironmentState, memory: Memory) -> PlannerOutput:
        tree = self.start(state, memory)
        kept = jnp.sum(tree.visits[0])

        def goes_on(carry: tuple[Array, SearchTree]) -> Array:
            number, tree = carry
            return (number < self.n_simulations) & any_across_batch(~self.root_solved(tree))

        def simulate(carry: tuple[Array, SearchTree]) -> tuple[Array, SearchTree]:
            number, tree = carry
            return number + 1, self.simulate(jax.random.fold_in(key, number), tree)

        _, tree = jax.lax.while_loop(goes_on, simulate, (jnp.zeros((), int), tree))
        visits, exact = tree.visits[0], tree.exact[0]
        mean = jnp.where(visits > 0, tree.total[0] / jnp.maximum(visits, 1), jnp.nan)
        solved = ~jnp.isnan(exact) & (exact != ILLEGAL)
        values = jnp.where(solved, exact, mean)
        action = best_edge(visits, tree.total[0], exact, tree.plies[0], self.best_return)
        extras = SearchExtras(visits, values, solved, jnp.sum(visits) - kept, kept, tree.n_nodes)
        return PlannerOutput(
            action=action,
            action_weights=visits / jnp.maximum(jnp.sum(visits), 1),
            value=values[action],
            memory=tree if self.keep_tree else (),
            extras=extras,
        )

    def start(self, state: EnvironmentState, memory: Memory) -> SearchTree:
        """The tree at the beginning of a plan: what an earlier one left of this state."""
        legal = self.environment.action_mask(state)
        legal = jnp.ones(self.n_actions, bool) if legal is None else legal
        fresh = plant(self._empty(state), state, legal)
        if not self.keep_tree:
            return fresh
        known = same_states(memory.state, state, (self.capacity,))
        known = known & (jnp.arange(self.capacity) < memory.n_nodes) & (memory.discount != 0)
        visits = jnp.where(known, jnp.sum(memory.visits, axis=-1), -1)
        return trees.where(jnp.any(known), subtree(memory, jnp.argmax(visits)), fresh)

    def root_solved(self, tree: SearchTree) -> Bool[Array, ""]:
        """Whether nothing is left to be found out at the root."""
        if not self.solves:
            return jnp.zeros((), bool)
        value, _ = solved_value(tree.exact[0], tree.plies[0], self.best_return)
        return ~jnp.isnan(value)

    def simulate(self, key: Key, tree: SearchTree) -> SearchTree:
        """One simulation: selection, expansion, rollout, backup. A solved root is left alone."""
        way_key, step_key, rollout_key = jax.random.split(key, 3)
        draws = jnp.zeros(self.max_depth)
        if self.random_ties:
            draws = jax.random.uniform(way_key, (self.max_depth,))
        down = descend if self.outcomes == 1 else descend_by_chance
        way, leaf = down(
            step_key,
            self.environment,
            self.objective.discount,
            tree,
            self.choose,
            draws,
            ~self.root_solved(tree),
        )
        tree = self.expand(tree, way, leaf)
        value = self.evaluate(rollout_key, leaf)
        return back_up(
            tree,
            way,
            leaf,
            value,
            self.best_return,
            exact_ends=self.outcomes == 1,
            solves=self.solves,
        )

    def choose(self, tree: SearchTree, node: Int[Array, ""], draw: Float[Array, ""]) -> Array:
        """Selection: the action to try in a node."""
        visits, exact = tree.visits[node], tree.exact[node]
        mean = tree.total[node] / jnp.maximum(visits, 1)
        constant = self.exploration * self.width(tree)
        score = upper_confidence(mean, visits, 1 + jnp.sum(visits), constant)
        score = jnp.where(jnp.isnan(exact), score, exact)
        best = score == jnp.max(score)
        return nth_true(draw, best) if self.random_ties else jnp.argmax(best)

    def expand(self, tree: SearchTree, way: Way, leaf: Leaf) -> SearchTree:
        """Expansion: the tree with the leaf in it, where it is new and there is room."""
        new = (leaf.child == NO_CHILD) & (way.length > 0)
        index = jnp.where(new, tree.n_nodes, self.capacity)
        legal = self.environment.action_mask(leaf.state)
        exact = jnp.full(self.n_actions, UNKNOWN, tree.exact.dtype)
        if legal is not None:
            exact = jnp.where(legal, exact, ILLEGAL)
        edge = way.node, way.actions[jnp.maximum(way.length - 1, 0)]
        slot = jnp.argmax(tree.children[edge] == NO_CHILD)
        fits = new & (index < self.capacity)
        parent = jnp.where(fits, edge[0], self.capacity)
        return tree._replace(
            state=jax.tree.map(
                lambda leaf, value: leaf.at[index].set(value, mode="drop"), tree.state, leaf.state
            ),
            parent=tree.parent.at[index].set(edge[0], mode="drop"),
            reward=tree.reward.at[index].set(leaf.reward, mode="drop"),
            discount=tree.discount.at[index].set(leaf.discount, mode="drop"),
            exact=tree.exact.at[index].set(exact, mode="drop"),
            children=tree.children.at[parent, edge[1], slot].set(index, mode="drop"),
            n_nodes=tree.n_nodes + fits,
        )

    def evaluate(self, key: Key, leaf: Leaf) -> Float[Array, ""]:
        """Rollout: the value of a leaf, from the side of who is to move there."""

        def value(key: Key) -> Array:
            return play_out(
                key,
                self.environment,
                leaf.state,
                leaf.observation,
                self.rollout_policy,
                self.rollout_steps,
                self.objective.discount,
                n_actions=self.n_actions,
                terminal_value=self.terminal_value,
                ended=leaf.discount == 0,
            )

        if self.n_rollouts == 1:
            return value(key)
        return jnp.mean(jax.vmap(value)(jax.random.split(key, self.n_rollouts)))

    def width(self, tree: SearchTree) -> float | Array:
        """Delta, by which the bonus is multiplied."""
        if self.value_range is not None:
            return self.value_range
        if isinstance(self.environment, AlternatingGame):
            return 2 * self.environment.best_return
        width = tree.highest - tree.lowest
        return jnp.where(width > 0, width, 1.0)

    def _empty(self, state: EnvironmentState) -> SearchTree:
        return empty_tree(state, self.n_actions, self.capacity, self.outcomes)
