"""PUCT and Gumbel searches guided by a network's priors and values, on mctx."""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable
from typing import ClassVar, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from upslope.core.annotations import EnvironmentState, Key, Memory, Observation, PyTree
from upslope.core.checks import UpslopeError, check_number
from upslope.core.static_function import as_module
from upslope.environments.environment import Environment
from upslope.objectives.objective import EpisodicReturn, Objective
from upslope.planning.mcts.root_noise import with_root_noise
from upslope.planning.model_checks import check_model, n_discrete_actions, steps_of_playouts
from upslope.planning.planner import Planner, PlannerOutput
from upslope.planning.playouts import play_out, transition_discount

# Separates the noise at the root from the search's own randomness.
NOISE_STREAM = 0xD1C4
# Logits [A] of the prior and the value, of a state and its observation.
Evaluator = Callable[[EnvironmentState, Observation], tuple[Array, Array]]


class NetworkSearchExtras(NamedTuple):
    """What a search on mctx says of the actions of its root."""

    visits: Int[Array, " A"]
    action_values: Float[Array, " A"]  # r + gamma d V of the children; NaN where not visited
    prior: Float[Array, " A"]  # the evaluator's probabilities, without noise; 0 where illegal
    prior_value: Float[Array, ""]  # the evaluator's value of the root, before any search


class NetworkSearch(Planner):
    """What searches with priors and values share. Subclasses say which search of mctx it is.

    One simulation adds one node; its value is the evaluator's, and nothing is played out. Nodes
    hold states: a step that draws from its key is drawn once per node. The evaluator sees the
    observation too; at the root it is what `environment.observe(state)` gives, in games always, and
    `()` where the environment has no such method.

    Without an evaluator priors are even and values are those of one random rollout.
    """

    plays_for_both: ClassVar[bool] = True
    example: ClassVar[str] = "CartPole-v1"
    environment: eqx.AbstractVar[Environment]
    objective: eqx.AbstractVar[Objective]
    evaluator: eqx.AbstractVar[Evaluator | None]
    n_simulations: eqx.AbstractVar[int]
    max_depth: eqx.AbstractVar[int | None]
    n_actions: int = eqx.field(init=False, static=True)

    def __post_init__(self) -> None:
        owner = type(self).__name__
        mctx_module(owner)
        check_model(owner, self.environment)
        check_number(owner, "n_simulations", self.n_simulations, at_least=1, integer=True)
        if self.max_depth is not None:
            check_number(owner, "max_depth", self.max_depth, at_least=1, integer=True)
        self.n_actions = n_discrete_actions(owner, self.environment)
        if self.evaluator is None:
            steps_of_playouts(owner, "evaluator", None, self.environment)

    @abc.abstractmethod
    def search(
        self,
        key: Key,
        root: PyTree,
        recurrent: Callable[..., tuple[PyTree, PyTree]],
        invalid: Array,
    ) -> PyTree:
        """mctx's search of a batch of one: its `PolicyOutput`.

        Args:
          key: consumed.
          root: mctx's `RootFnOutput`.
          recurrent: the model and the evaluator, as mctx asks for them.
          invalid: illegal actions [1, A].
        """

    @abc.abstractmethod
    def at_temperature(self, temperature: float | Array) -> Self:
        """The same search with so much chance in what it chooses: 0 for none, 1 for all of it."""

    @property
    def model_steps(self) -> int:
        rollout = 0 if self.evaluator is not None else self.environment.time_limit or 0
        return self.n_simulations * (1 + rollout) + rollout

    def plan(self, key: Key, state: EnvironmentState, memory: Memory) -> PlannerOutput:
        mctx = mctx_module(type(self).__name__)

        root_key, search_key = jax.random.split(key)
        logits, value = self.evaluate(root_key, state, self._observe(state), jnp.zeros((), bool))
        one = functools.partial(jax.tree.map, lambda leaf: jnp.asarray(leaf)[None])
        root = mctx.RootFnOutput(prior_logits=logits[None], value=value[None], embedding=one(state))
        found = self.search(search_key, root, self._recurrent, one(~self._legal(state)))
        tree = found.search_tree
        summary = tree.summary()
        visits = summary.visit_counts[0].astype(int)
        action = found.action[0]
        values = jnp.where(visits > 0, summary.qvalues[0], jnp.nan)
        return PlannerOutput(
            action=action,
            action_weights=found.action_weights[0],
            value=summary.value[0],
            extras=NetworkSearchExtras(visits, values, jax.nn.softmax(logits), value),
        )

    def evaluate(
        self, key: Key, state: EnvironmentState, observation: Observation, ended: Array
    ) -> tuple[Float[Array, " A"], Float[Array, ""]]:
        """Logits of the prior, the lowest number there is where an action is illegal; the value."""
        if self.evaluator is None:
            logits = jnp.zeros(self.n_actions)
            value = play_out(
                key,
                self.environment,
                state,
                observation,
                None,
                self.environment.time_limit or 0,
                self.objective.discount,
                n_actions=self.n_actions,
                ended=ended,
            )
        else:
            logits, value = self.evaluator(state, observation)
        return jnp.where(self._legal(state), logits, jnp.finfo(logits.dtype).min), value

    def _recurrent(
        self, params: PyTree, key: Key, action: Array, states: PyTree
    ) -> tuple[PyTree, PyTree]:
        """One step in the model, of a batch of one, as mctx asks for it."""
        mctx = mctx_module(type(self).__name__)

        state = jax.tree.map(lambda leaf: leaf[0], states)
        step_key, value_key = jax.random.split(key)
        state, out = self.environment.step(step_key, state, action[0])
        discount = transition_discount(self.objective.discount, out)
        logits, value = self.evaluate(value_key, state, out.observation, out.terminated)
        output = mctx.RecurrentFnOutput(
            reward=out.reward[None],
            discount=discount[None],
            prior_logits=logits[None],
            value=jnp.where(discount == 0, 0.0, value)[None],
        )
        return output, jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], state)

    def _legal(self, state: EnvironmentState) -> Array:
        mask = self.environment.action_mask(state)
        return jnp.ones(self.n_actions, bool) if mask is None else mask

    def _observe(self, state: EnvironmentState) -> Observation:
        observe = getattr(self.environment, "observe", None)
        return () if observe is None else observe(state)


class PUCT(NetworkSearch):
    r"""Monte-Carlo tree search by PUCT, as in AlphaZero and MuZero (`mctx.muzero_policy`).

    .. math:: Q(s, a) + P(s, a) \frac{\sqrt{N(s)}}{1 + N(s, a)}
              \Big( c_1 + \ln \frac{N(s) + c_2 + 1}{c_2} \Big)

    with Q scaled to [0, 1] by the values of the parent and its children. The action is drawn from
    the visits, sharpened by `temperature`; 0 takes the most visited.

    Attributes:
      environment: in which it searches.
      objective: whose discount it counts rewards with.
      evaluator: logits of the prior P and the value, of (state, observation); None for even priors
        and a random rollout.
      n_simulations: per plan. Static.
      max_depth: depth of the tree at most; None for no limit. Static.
      c_init: weight of exploration, c_1.
      c_base: visits from which exploration counts for more, c_2.
      dirichlet_fraction: share of noise in the root's prior, over the legal actions; 0 for play.
      dirichlet_alpha: concentration of the noise; smaller is more uneven.
      temperature: temperature of the choice among visits; 0 takes the most visited.

    Raises:
      UpslopeError: no simulation, numbers out of their range, actions that are not discrete, or
        mctx is not installed.

    References:
      Silver et al. (2018), "A General Reinforcement Learning Algorithm that Masters Chess, Shogi
      and Go"; Schrittwieser et al. (2020), MuZero, equation 2; Rosin (2011).
    """

    environment: Environment
    objective: Objective = EpisodicReturn()
    evaluator: Evaluator | None = eqx.field(converter=as_module, default=None)
    n_simulations: int = eqx.field(static=True, default=64)
    max_depth: int | None = eqx.field(static=True, default=None)
    c_init: float | Array = 1.25
    c_base: float | Array = 19652.0
    dirichlet_fraction: float | Array = 0.0
    dirichlet_alpha: float | Array = 0.3
    temperature: float | Array = 0.0

    def __check_init__(self) -> None:
        check_number("PUCT", "c_init", self.c_init, at_least=0.0)
        check_number("PUCT", "c_base", self.c_base, above=0.0)
        check_number(
            "PUCT", "dirichlet_fraction", self.dirichlet_fraction, at_least=0.0, at_most=1.0
        )
        check_number("PUCT", "dirichlet_alpha", self.dirichlet_alpha, above=0.0)
        check_number("PUCT", "temperature", self.temperature, at_least=0.0)

    def at_temperature(self, temperature: float | Array) -> PUCT:
        """The same search, whose choice among the visits has this temperature."""
        return eqx.tree_at(lambda search: search.temperature, self, temperature)

    def search(
        self,
        key: Key,
        root: PyTree,
        recurrent: Callable[..., tuple[PyTree, PyTree]],
        invalid: Array,
    ) -> PyTree:
        mctx = mctx_module(type(self).__name__)

        noise_key = jax.random.fold_in(key, NOISE_STREAM)
        logits = with_root_noise(
            noise_key,
            root.prior_logits[0],
            ~invalid[0],
            self.dirichlet_fraction,
            self.dirichlet_alpha,
        )
        root = root.replace(prior_logits=logits[None])
        return mctx.muzero_policy(
            params=(),
            rng_key=key,
            root=root,
            recurrent_fn=recurrent,
            num_simulations=self.n_simulations,
            invalid_actions=invalid,
            max_depth=self.max_depth,
            dirichlet_fraction=0.0,
            pb_c_init=self.c_init,
            pb_c_base=self.c_base,
            temperature=self.temperature,
        )


class GumbelMCTS(NetworkSearch):
    r"""Gumbel MuZero's search: an improved policy even from few simulations.

    At the root the actions with the greatest g(a) + logits(a), g Gumbel noise, are compared by
    sequential halving; below it the visits follow the improved policy

    .. math:: \pi' = \mathrm{softmax}(\text{logits} + \sigma(\bar Q)), \qquad
              \sigma(q) = (c_{visit} + \max_b N(b)) \, c_{scale} \, q

    with Q completed by the value where an action was not visited. With exact values the action is
    in expectation no worse than one drawn from the prior. `action_weights` is pi' at the root.

    Attributes:
      environment: in which it searches.
      objective: whose discount it counts rewards with.
      evaluator: logits of the prior and the value, of (state, observation); None for even priors
        and a random rollout.
      n_simulations: per plan. Static.
      max_depth: depth of the tree at most; None for no limit. Static.
      max_considered: how many actions are compared at the root. Static.
      gumbel_scale: scale of the noise g: 1 to draw, 0 for play without chance.
      value_scale: c_scale.
      c_visit: visits that count before there are any.
      rescale_values: whether Q is scaled to [0, 1] by the tree's own values. Static.

    Raises:
      UpslopeError: no simulation, numbers out of their range, actions that are not discrete, or
        mctx is not installed.

    References:
      Danihelka et al. (2022), "Policy Improvement by Planning with Gumbel", equations 8 and 10.
    """

    environment: Environment
    objective: Objective = EpisodicReturn()
    evaluator: Evaluator | None = eqx.field(converter=as_module, default=None)
    n_simulations: int = eqx.field(static=True, default=32)
    max_depth: int | None = eqx.field(static=True, default=None)
    max_considered: int = eqx.field(static=True, default=16)
    gumbel_scale: float | Array = 0.0
    value_scale: float | Array = 0.1
    c_visit: float | Array = 50.0
    rescale_values: bool = eqx.field(static=True, default=True)

    def __check_init__(self) -> None:
        check_number("GumbelMCTS", "max_considered", self.max_considered, at_least=1, integer=True)
        check_number("GumbelMCTS", "gumbel_scale", self.gumbel_scale, at_least=0.0)
        check_number("GumbelMCTS", "value_scale", self.value_scale, above=0.0)
        check_number("GumbelMCTS", "c_visit", self.c_visit, at_least=0.0)

    def at_temperature(self, temperature: float | Array) -> GumbelMCTS:
        """The same search, its noise scaled: the best h + tau g is a draw from softmax(h / tau)."""
        return eqx.tree_at(lambda search: search.gumbel_scale, self, temperature)

    def search(
        self,
        key: Key,
        root: PyTree,
        recurrent: Callable[..., tuple[PyTree, PyTree]],
        invalid: Array,
    ) -> PyTree:
        mctx = mctx_module(type(self).__name__)

        transform = functools.partial(
            mctx.qtransform_completed_by_mix_value,
            value_scale=self.value_scale,
            maxvisit_init=self.c_visit,
            rescale_values=self.rescale_values,
        )
        return mctx.gumbel_muzero_policy(
            params=(),
            rng_key=key,
            root=root,
            recurrent_fn=recurrent,
            num_simulations=self.n_simulations,
            invalid_actions=invalid,
            max_depth=self.max_depth,
            qtransform=transform,
            max_num_considered_actions=self.max_considered,
            gumbel_scale=self.gumbel_scale,
        )


def mctx_module(owner: str) -> PyTree:
    """The module mctx. Its classes are made at run time: no checker knows what they take.

    Raises:
      UpslopeError: it is not installed.
    """
    try:
        import mctx
    except ImportError as missing:
        raise UpslopeError(
            f"{owner} searches with mctx, which is not installed: pip install 'upslope[planning]'. "
            "The planner 'mcts' needs nothing."
        ) from missing
    return mctx
