"""MuZero."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from gymnasium import spaces
from jax import Array

from upslope.core.annotations import Key, Observation
from upslope.core.checks import UpslopeError, check_choice, check_number
from upslope.core.moments import Moments
from upslope.core.records import Replayed, Trajectories
from upslope.core.tree import ravel_parameters
from upslope.environments.games.alternating_game import AlternatingGame
from upslope.environments.games.symmetries import Symmetries
from upslope.models.latent_model import LatentModel, LatentPrediction
from upslope.objectives.objective import Objective
from upslope.planning.mcts.network_search import PUCT, GumbelMCTS, NetworkSearch
from upslope.planning.planning_actor import ModelPlanningActor, PlanExtras
from upslope.policies.policy import Policy
from upslope.sampling.experience import Replay, Steps
from upslope.search.games.muzero.loss import Unrolled, UnrollLoss, unroll, unroll_loss
from upslope.search.games.muzero.mirrored import mirrored_windows
from upslope.search.games.muzero.targets import (
    UnrolledTargets,
    last_observation,
    unrolled_targets,
    window_length,
)
from upslope.search.gradient.ascent import Schedule, check_schedule, clip_by_norm, scheduled
from upslope.search.gradient.optimizer import ascend, start_ascent
from upslope.search.search_method import Defaults, ProblemSpec, SearchMethod

# What the temperature is multiplied with, and from which share of the budget on.
COOLING = ((0.0, 1.0), (0.5, 0.5), (0.75, 0.25))


class MuZeroState(NamedTuple):
    """What the next iteration needs."""

    model: LatentModel
    objective: Objective  # whose discount the searches count with
    optimizer: optax.OptState
    iterations: Array  # scalar int: done
    errors: Array  # [B, M] |nu - z| of the last batches' roots; what their priorities follow


class MuZeroDiagnostics(NamedTuple):
    """What its users look at: means over the batches; NaN while nothing is learnt."""

    loss: Array
    policy_loss: Array  # cross-entropy of the root and, on average, of a step of the unrolled model
    value_loss: Array  # likewise
    reward_loss: Array  # of a step of the unrolled model
    td_error: Array  # mean |nu - z| at the roots
    value: Array  # mean z at the roots
    policy_entropy: Array  # of the network's prior at the roots
    search_differs: (
        Array  # share of roots at which the search prefers another action than the prior
    )
    gradient_norm: Array  # before clipping
    model_steps: Array  # steps simulated in the model, by acting and by reanalysing
    learning_rate: Array


class UpdateMeans(NamedTuple):
    """What happened in an update."""

    losses: UnrollLoss
    td_error: Array
    value: Array
    policy_entropy: Array
    search_differs: Array
    gradient_norm: Array


class Moves(eqx.Module):
    """What of a problem a model has to be made for.

    Attributes:
      n_actions: A. Static.
      turn: what a value is multiplied with after a step: -1 where the opponent moves next. Static.
      symmetries: of the board, where windows are learnt in one of them; None for none. Static.
    """

    n_actions: int = eqx.field(static=True)
    turn: float = eqx.field(static=True)
    symmetries: Symmetries | None = eqx.field(static=True, default=None)


class MuZero(SearchMethod[MuZeroState, Replayed]):
    r"""Tree search in a model that is learnt to predict what the search needs, and nothing else.

    .. math:: s^0 = h(o_t), \quad (r^k, s^k) = g(s^{k-1}, a_{t+k-1}), \quad (p^k, v^k) = f(s^k), \\
              L = \sum_{k=0}^K \ell^p(\pi_{t+k}, p^k) + c_v \, \ell^v(z_{t+k}, v^k)
              + \ell^r(u_{t+k}, r^k) + c \|\theta\|^2

    It acts by searching in its own model from what it observes. What the searches found (their
    improved policy pi and root value nu) is kept with the steps, and the model is unrolled along
    the actions that were taken to predict it: pi, the n-step return z bootstrapped from nu, and the
    reward u. Values and rewards are categorical over a transformed support. No guarantee.

    The policy of the run says the architecture of h; what acts is the search. Chance in the
    environment's steps has no place in the model: it is told by its mean at best.

    Attributes:
      n_envs: streams sampled side by side. Static.
      learning_rate: step size of Adam.
      learning_rate_schedule: `"linear"` falls to zero at `total_timesteps`. Static.
      buffer_size: rows kept, per seed: a step takes one, the end of an episode another. Static.
      learning_starts: steps before the first update.
      batch_size: windows per update. Static.
      train_freq: steps of each stream per iteration. Static.
      gradient_steps: updates per iteration. Static.
      unroll_steps: steps that the model is unrolled, K. Static.
      n_step: steps of reward in a value target. Static.
      hidden_size: D, numbers of a hidden state. Static.
      model_hidden: layers of g and f. Static.
      support_size: S: values up to h^-1(S) are told, 10: 117, 20: 422, 30: 904. Static.
      search: `"gumbel"`, which improves even with few simulations, or the paper's `"puct"`. Static.
      n_simulations: per search. Static.
      max_considered: actions that Gumbel's search compares at the root at most. Static.
      gumbel_scale: scale of the Gumbel noise while it collects; 0 to exploit only.
      value_scale: weight of the search's values beside the prior's logits: c_scale.
      rescale_values: whether the values of the actions of a node are scaled to [0, 1] first, so
        that returns may have any size; differences that are errors of the model are then enlarged,
        too, where all actions are worth the same. Static.
      dirichlet_fraction: share of noise in PUCT's prior at the root while it collects.
      dirichlet_alpha: concentration of that noise.
      temperature: chance in PUCT's choice among visits while it collects; halved after half of the
        budget and again after three quarters.
      vf_coef: weight of the value's loss, c_v.
      l2: weight of the penalty on the parameters, c.
      max_grad_norm: bound on the norm of the gradient.
      prioritized: draw windows in proportion to |nu - z|. Static.
      priority_exponent: alpha, how far priorities follow the errors; 0 draws evenly. Static.
      importance_exponent: beta, how far importance weights undo the priorities; 1 wholly. Static.
      reanalyze_ratio: share of the windows whose policies and values are searched anew with the
        present model, instead of those found when the steps were taken. Static.
      symmetries: whether windows of a game are learnt in a symmetry of the board that is drawn for
        each. Static.
      bootstrap: the values that targets are bootstrapped with: those of the present `"network"`,
        which are as good as it is by now, or, as in the paper, those that the `"search"` found when
        the steps were taken (or reanalysed). The errors that priorities follow are of that kind,
        too. Static.
      total_timesteps: the budget, for what falls with it.
      adam_eps: what Adam adds to the root of the second moment. Static.

    Raises:
      UpslopeError: from `configure`: actions that are not choices from one list, fewer simulations
        than actions to compare, a policy with memory or without a network, an average reward, a
        game with chance, or symmetries where there are none.

    References:
      Schrittwieser et al. (2020), "Mastering Atari, Go, Chess and Shogi by Planning with a Learned
      Model"; Danihelka et al. (2022) for `gumbel`; Schrittwieser et al. (2021) for reanalysing.
    """

    name: ClassVar[str] = "muzero"
    defaults: ClassVar[Defaults] = Defaults(policy="softmax", objective="discounted")
    plays_both_sides: ClassVar[bool] = True
    n_envs: int = eqx.field(static=True, default=8)
    learning_rate: float | Array = 1e-3
    buffer_size: int = eqx.field(static=True, default=50_000)
    learning_starts: int | Array = 1000
    batch_size: int = eqx.field(static=True, default=128)
    train_freq: int = eqx.field(static=True, default=4)
    gradient_steps: int = eqx.field(static=True, default=4)
    unroll_steps: int = eqx.field(static=True, default=5)
    n_step: int = eqx.field(static=True, default=10)
    hidden_size: int = eqx.field(static=True, default=64)
    model_hidden: tuple[int, ...] = eqx.field(static=True, default=(64,))
    support_size: int = eqx.field(static=True, default=20)
    search: Literal["gumbel", "puct"] = eqx.field(static=True, default="gumbel")
    n_simulations: int = eqx.field(static=True, default=16)
    max_considered: int = eqx.field(static=True, default=16)
    gumbel_scale: float | Array = 1.0
    value_scale: float | Array = 0.1
    rescale_values: bool = eqx.field(static=True, default=True)
    dirichlet_fraction: float | Array = 0.25
    dirichlet_alpha: float | Array = 0.3
    temperature: float | Array = 1.0
    vf_coef: float | Array = 0.25
    l2: float | Array = 1e-4
    max_grad_norm: float | Array = 5.0
    prioritized: bool = eqx.field(static=True, default=True)
    priority_exponent: float = eqx.field(static=True, default=1.0)
    importance_exponent: float = eqx.field(static=True, default=1.0)
    reanalyze_ratio: float = eqx.field(static=True, default=0.0)
    symmetries: bool = eqx.field(static=True, default=False)
    bootstrap: Literal["network", "search"] = eqx.field(static=True, default="network")
    total_timesteps: float | Array = 100_000.0
    adam_eps: float = eqx.field(static=True, default=1e-8)
    learning_rate_schedule: Schedule = eqx.field(static=True, default="constant")
    moves: Moves | None = eqx.field(init=False)

    def __post_init__(self) -> None:
        self.moves = None

    def __check_init__(self) -> None:
        check = lambda name, **limits: check_number("MuZero", name, getattr(self, name), **limits)  # noqa: E731
        sizes = ("n_envs", "buffer_size", "batch_size", "train_freq", "gradient_steps")
        sizes += ("unroll_steps", "n_step", "hidden_size", "support_size")
        for name in (*sizes, "n_simulations", "max_considered"):
            check(name, at_least=1, integer=True)
        if not isinstance(self.model_hidden, tuple | list):
            raise UpslopeError(
                f"MuZero got model_hidden={self.model_hidden!r:.80}: must be sizes of layers, such "
                "as (64,) (--model-hidden 64)."
            )
        for size in self.model_hidden:
            check_number("MuZero", "model_hidden", size, at_least=1, integer=True)
        for name in ("learning_rate", "max_grad_norm", "total_timesteps", "adam_eps"):
            check(name, above=0)
        for name in ("learning_starts", "gumbel_scale", "temperature", "vf_coef", "l2"):
            check(name, at_least=0)
        for name in ("dirichlet_fraction", "reanalyze_ratio"):
            check(name, at_least=0, at_most=1)
        for name in ("priority_exponent", "importance_exponent"):
            check(name, at_least=0)
        for name in ("dirichlet_alpha", "value_scale"):
            check(name, above=0)
        check_choice("MuZero", "search", self.search, ("gumbel", "puct"))
        check_choice("MuZero", "bootstrap", self.bootstrap, ("search", "network"))
        check_schedule(self, "learning_rate_schedule")
        length = window_length(self.unroll_steps, self.n_step)
        if self.buffer_size < self.n_envs * length:
            raise UpslopeError(
                f"MuZero got buffer_size={self.buffer_size} for n_envs={self.n_envs} streams and "
                f"windows of {length} steps (unroll_steps + n_step + 1): not one would fit. Use at "
                f"least {self.n_envs * length}."
            )

    @property
    def experience(self) -> Replay:
        return Replay(
            fresh=Steps(self.n_envs, self.train_freq),
            capacity=self.buffer_size,
            n_batches=self.gradient_steps,
            batch_size=self.batch_size,
            sequence_length=window_length(self.unroll_steps, self.n_step),
            prioritized=self.prioritized,
            priority_exponent=self.priority_exponent,
            importance_exponent=self.importance_exponent,
        )

    @property
    def follows_score(self) -> bool:
        """It takes the policy's architecture, never its score."""
        return False

    def configure(self, spec: ProblemSpec) -> MuZero:
        space = spec.action_space
        if not isinstance(space, spaces.Discrete):
            raise UpslopeError(
                f"MuZero needs actions that are choices from one list, Discrete(n), and got "
                f"{space}: use ppo, model-based, or a gradient-free method such as cma-es."
            )
        considered = min(self.max_considered, int(space.n))
        if self.search == "gumbel" and self.n_simulations < considered:
            raise UpslopeError(
                f"MuZero got n_simulations={self.n_simulations} and compares {considered} actions "
                f"at the root: it needs a simulation for each. Use n_simulations={considered} or "
                f"more, or max_considered={self.n_simulations}."
            )
        if spec.objective.differential:
            raise UpslopeError(
                f"MuZero got {type(spec.objective).__name__}, which counts values against an "
                "average: use objective='discounted' or 'episodic'."
            )
        if getattr(spec.policy, "has_memory", False):
            raise UpslopeError(
                "MuZero got a policy with memory: its model begins at what is observed now. Use a "
                "policy without, such as 'softmax' or 'convolutional'."
            )
        turn, symmetries = 1.0, None
        if isinstance(spec.environment, AlternatingGame):
            _refuse_chance(spec.environment)
            turn, symmetries = -1.0, spec.environment.symmetries
        if self.symmetries and symmetries is None:
            raise UpslopeError(
                f"MuZero got symmetries=True and {type(spec.environment).__name__}, which has "
                "none: leave it out, or give the game the property `symmetries`."
            )
        moves = Moves(int(space.n), turn, symmetries if self.symmetries else None)
        method = eqx.tree_at(lambda it: it.moves, self, moves, is_leaf=lambda node: node is None)
        jax.eval_shape(method.fresh_model, jax.random.key(0), spec.policy)
        return method

    def fresh_model(self, key: Key, policy: Policy) -> LatentModel:
        """The model before it has learnt anything. The key is consumed."""
        if self.moves is None:
            raise UpslopeError("MuZero must be configured for a problem before it searches.")
        return LatentModel.fresh(
            key,
            policy,
            self.moves.n_actions,
            hidden_size=self.hidden_size,
            hidden=self.model_hidden,
            support_size=self.support_size,
            turn=self.moves.turn,
        )

    def planner(
        self, model: LatentModel, objective: Objective, temperature: float | Array | None = None
    ) -> NetworkSearch:
        """What searches in a model.

        Args:
          model: in which, and by whose predictions.
          objective: whose discount it counts rewards with.
          temperature: of exploration; None to play as well as it can.
        """
        explores = temperature is not None
        if self.search == "gumbel":
            return GumbelMCTS(
                model,
                objective,
                LatentPrediction(),
                n_simulations=self.n_simulations,
                max_considered=self.max_considered,
                gumbel_scale=self.gumbel_scale if explores else 0.0,
                value_scale=self.value_scale,
                rescale_values=self.rescale_values,
            )
        return PUCT(
            model,
            objective,
            LatentPrediction(),
            n_simulations=self.n_simulations,
            dirichlet_fraction=self.dirichlet_fraction if explores else 0.0,
            dirichlet_alpha=self.dirichlet_alpha,
            temperature=temperature if temperature is not None else 0.0,
        )

    def init(self, key: Key, policy: Policy, objective: Objective) -> MuZeroState:
        model = jax.tree.map(jnp.asarray, self.fresh_model(key, policy))
        theta, _ = ravel_parameters(model)
        return MuZeroState(
            model=model,
            objective=jax.tree.map(jnp.asarray, objective),
            optimizer=start_ascent("adam", theta, self.adam_eps),
            iterations=jnp.zeros((), int),
            errors=jnp.ones((self.gradient_steps, self.batch_size)),
        )

    def scheduled_by_budget(self) -> tuple[str, ...]:
        cools = ("temperature",) if self.search == "puct" else ()
        return (*super().scheduled_by_budget(), *cools)

    def _steps(self, iterations: Array) -> Array:
        return iterations.astype(float) * (self.n_envs * self.train_freq)

    def _temperature(self, iterations: Array) -> Array:
        """Of the choice among visits, by how much of the budget is gone."""
        gone = self._steps(iterations) / self.total_timesteps
        factor = jnp.ones(())
        for share, of in COOLING:
            factor = jnp.where(gone >= share, of, factor)
        return self.temperature * factor

    def ask(self, key: Key, state: MuZeroState) -> ModelPlanningActor:
        temperature = self._temperature(state.iterations)
        return ModelPlanningActor(self.planner(state.model, state.objective, temperature))

    def solution(self, state: MuZeroState) -> ModelPlanningActor:
        return ModelPlanningActor(self.planner(state.model, state.objective))

    def tell(
        self,
        key: Key,
        state: MuZeroState,
        candidates: ModelPlanningActor,
        experience: Replayed,
        objective: Objective,
    ) -> tuple[MuZeroState, MuZeroDiagnostics]:
        iterations = state.iterations + 1
        model = state.model
        if model.moments is not None:
            fresh = experience.fresh
            seen = model.moments.merge(Moments.of(fresh.observation, fresh.valid))
            model = eqx.tree_at(lambda it: it.moments, model, seen)
        learning_rate = scheduled(
            self.learning_rate,
            self.learning_rate_schedule,
            self._steps(state.iterations),
            self.total_timesteps,
        )
        # A run that goes on without its buffer waits until that has as much as at the beginning.
        enough = jnp.minimum(self.learning_starts, self.buffer_size)
        learns = (self._steps(iterations) >= self.learning_starts) & (experience.filled >= enough)
        learns = learns & jnp.any(experience.weights > 0)

        def learn() -> Any:
            return self._improve(key, model, state.optimizer, experience, objective, learning_rate)

        def wait() -> Any:
            shapes = jax.eval_shape(learn)
            unknown = jax.tree.map(
                lambda leaf: jnp.full(leaf.shape, jnp.nan, leaf.dtype), shapes[3]
            )
            return model, state.optimizer, jnp.ones_like(state.errors), unknown

        model, optimizer, errors, means = jax.lax.cond(learns, learn, wait)
        acting = self.n_envs * self.train_freq
        again = self.gradient_steps * self._n_reanalyzed * experience.batches.reward.shape[1]
        simulated = self.n_simulations * (acting + jnp.where(learns, again, 0))
        new = state._replace(model=model, optimizer=optimizer, iterations=iterations, errors=errors)
        diagnostics = MuZeroDiagnostics(
            loss=means.losses.loss,
            policy_loss=means.losses.policy_loss,
            value_loss=means.losses.value_loss,
            reward_loss=means.losses.reward_loss,
            td_error=means.td_error,
            value=means.value,
            policy_entropy=means.policy_entropy,
            search_differs=means.search_differs,
            gradient_norm=means.gradient_norm,
            model_steps=simulated.astype(float),
            learning_rate=learning_rate,
        )
        return new, diagnostics

    @property
    def _n_reanalyzed(self) -> int:
        """Windows of a batch that are searched anew."""
        return round(self.reanalyze_ratio * self.batch_size)

    def _improve(
        self,
        key: Key,
        model: LatentModel,
        optimizer: optax.OptState,
        drawn: Replayed,
        objective: Objective,
        learning_rate: Array,
    ) -> tuple[LatentModel, optax.OptState, Array, UpdateMeans]:
        """One update per batch: model, optimizer, errors [B, M], means of what happened."""
        theta, unravel = ravel_parameters(model)

        def loss(
            theta: Array, targets: UnrolledTargets, windows: Trajectories, weights: Array
        ) -> tuple[Array, tuple[Unrolled, UnrollLoss]]:
            model = unravel(theta)
            root = jax.tree.map(lambda leaf: leaf[0], windows.observation)
            predicted = unroll(model, root, windows.action[: self.unroll_steps])
            terms = unroll_loss(model, predicted, targets, weights, self.vf_coef)
            decay = self.l2 * jnp.sum(jnp.square(theta))
            return terms.loss + decay, (predicted, terms)

        def update(
            carry: tuple[Array, optax.OptState], batch: tuple[Array, Trajectories, Array]
        ) -> tuple[tuple[Array, optax.OptState], tuple[Array, UpdateMeans]]:
            theta, optimizer = carry
            key, windows, weights = batch
            if self.moves is not None and self.moves.symmetries is not None:
                key, turn_key = jax.random.split(key)
                windows = mirrored_windows(turn_key, self.moves.symmetries, windows)
            found, targets = self.targets(key, unravel(theta), windows, objective)
            slope, (predicted, terms) = jax.grad(loss, has_aux=True)(
                theta, targets, windows, weights
            )
            clipped, norm = clip_by_norm(-slope, self.max_grad_norm)
            theta, optimizer = ascend(
                "adam", optimizer, theta, clipped, learning_rate, self.adam_eps
            )
            if self.bootstrap == "network":  # what searches found then is of another network
                found = model.support.mean(predicted.value[0])
            error = jnp.abs(found - targets.value[0])
            prior, wanted = jax.nn.softmax(predicted.policy[0]), targets.policy[0]
            entropy = -jnp.sum(prior * jnp.log(jnp.maximum(prior, 1e-30)), axis=-1)
            means = UpdateMeans(
                losses=terms,
                td_error=jnp.mean(error),
                value=jnp.mean(targets.value[0]),
                policy_entropy=jnp.mean(entropy),
                search_differs=jnp.mean(jnp.argmax(prior, -1) != jnp.argmax(wanted, -1)),
                gradient_norm=norm,
            )
            return (theta, optimizer), (error, means)

        keys = jax.random.split(key, self.gradient_steps)
        batches = (keys, drawn.batches, drawn.weights)
        (theta, optimizer), (errors, means) = jax.lax.scan(update, (theta, optimizer), batches)
        return unravel(theta), optimizer, errors, jax.tree.map(jnp.mean, means)

    def targets(
        self, key: Key, model: LatentModel, windows: Trajectories, objective: Objective
    ) -> tuple[Array, UnrolledTargets]:
        """The root values nu [M] of the windows' first steps, and the targets.

        Args:
          key: consumed.
          model: whose value is bootstrapped at truncations, and who reanalyses.
          windows: [L, M, ...], with what the searches found as extras.
          objective: J.
        """
        noted = windows.extras
        assert isinstance(noted, PlanExtras)
        values, policies = noted.value, jnp.asarray(noted.action_weights)
        if n := self._n_reanalyzed:
            planner = self.planner(model, objective)

            def again(key: Key, observation: Observation) -> tuple[Array, Array]:
                plan = planner.plan(key, model.state_of(observation), ())
                return plan.value, jnp.asarray(plan.action_weights)

            of = jax.tree.map(lambda leaf: leaf[:, :n], windows.observation)
            keys = jax.random.split(key, (values.shape[0], n))
            fresh, improved = jax.vmap(jax.vmap(again))(keys, of)
            values = values.at[:, :n].set(fresh)
            policies = policies.at[:, :n].set(improved)
        if not objective.bootstrap_on_truncation:
            windows = windows._replace(terminated=windows.terminated | windows.truncated)
        value = jax.vmap(lambda seen: model.observe(model.state_of(seen)).value)
        bootstraps = values
        if self.bootstrap == "network":
            ahead = jax.tree.map(lambda leaf: leaf[self.n_step :], windows.observation)
            bootstraps = values.at[self.n_step :].set(jax.vmap(value)(ahead))
        targets = unrolled_targets(
            windows,
            bootstraps,
            policies,
            value(last_observation(windows)),
            objective.discount,
            self.n_step,
            self.unroll_steps,
        )
        return values[0], jax.lax.stop_gradient(targets)

    def priorities(self, state: MuZeroState) -> Array | None:
        return state.errors + 1e-6 if self.prioritized else None

    def advice(self, diagnostics: dict[str, float]) -> str | None:
        if not math.isnan(diagnostics["loss"]):
            return None
        length = window_length(self.unroll_steps, self.n_step)
        return (
            f"muzero never learned: the first update needs learning_starts={self.learning_starts} "
            f"steps and a window of {length} of them (unroll_steps + n_step + 1) in one stream. "
            "Lower them, or raise total_timesteps."
        )


def _refuse_chance(game: AlternatingGame) -> None:
    """Raises UpslopeError for a game that a model without chance cannot be of."""
    from upslope.planning.model_checks import is_stochastic

    if game.turns_may_go_on or is_stochastic(game):
        raise UpslopeError(
            f"MuZero got {type(game).__name__}, a game with chance: its model says one outcome of "
            "each move. Use the planner 'mcts', which plays such games from their rules."
        )
