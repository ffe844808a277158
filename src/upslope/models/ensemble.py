"""An ensemble of probabilistic networks."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from upslope.core.annotations import EnvironmentState, Key, Observation
from upslope.core.checks import check_choice, check_number, check_switch
from upslope.core.moments import Moments
from upslope.core.networks.activations import check_activation
from upslope.core.records import Step, Trajectories, Transitions
from upslope.core.static_function import as_module
from upslope.models.ensemble_errors import foreseen
from upslope.models.ensemble_fit import fit_ensemble
from upslope.models.ensemble_member import EnsembleMember, Scales, network_inputs
from upslope.models.ensemble_training import (
    Batch,
    Learner,
    Rates,
    bootstrap_weights,
    descend,
    fresh_learner,
)
from upslope.models.gaussian_network import GaussianNetwork, Prediction
from upslope.models.model import FitReport, Model, ModelDiagnostics, not_configured, space_text
from upslope.models.outcomes import RewardFunction, TerminationFunction
from upslope.models.scales import Scale
from upslope.models.starts import Starts
from upslope.models.vector_spaces import VectorSpaces, checked_spaces

if TYPE_CHECKING:
    from gymnasium import spaces

Propagation = Literal["ts-infinity", "ts1", "mean"]
N_STARTS = 256


class EnsembleKnowledge(NamedTuple):
    """All that an ensemble remembers."""

    learner: Learner  # networks and optimizer, leaves [E, ...]
    inputs: Moments  # of observations [D], and of actions [D + A] that are numbers
    targets: Moments  # of changes [D], and of the reward [D + 1] where it is learnt
    rewards: Moments  # of all rewards
    ends: Float[Array, ""]  # steps that terminated
    starts: Starts
    transitions: Float[Array, ""]


class EnsembleState(NamedTuple):
    """The state under `"ts-infinity"`."""

    observation: Float[Array, " D"]
    member: Int[Array, ""]  # who predicts, to the end of the episode


class EnsembleModel(Model):
    r"""Probabilistic networks that agree where there are data and differ where there are none.

    .. math:: o_{t+1} - o_t \sim N\big(\mu_b(o_t, a_t), \, \Sigma_b(o_t, a_t)\big),
              \qquad b = 1, \dots, E

    Each member has its own weights and its own bootstrap sample; all are one program of batched
    matrix products. Inputs and targets are normalised by the moments of what has been seen;
    components that are constant up to rounding are left out. The reward is predicted beside the
    change, and an end as a probability, unless functions say what they are. Predictions stay within
    the bounds of the observation space. Angles should be observed as sine and cosine.

    How uncertainty is carried through a simulation (`propagation`):

    - `"ts-infinity"`: one member throughout an episode, and the successors from its Gaussians. The
      state then holds the member beside the observation, and planners try each of their candidates
      in several members (`hypotheses`);
    - `"ts1"`: in every step another member is drawn, and the successor from its Gaussian;
    - `"mean"`: the mean of all members, without noise; ends where their mean odds are even.

    It does not know that it is wrong far from its data: look at `model_error` on fresh steps.

    Attributes:
      n_members: networks of the ensemble, E. Static.
      hidden: sizes of the hidden layers. Static.
      activation: function of the hidden layers, such as silu or tanh. Static.
      learning_rate: step size of Adam.
      weight_decay: share of the weights that is taken off per step, times the learning rate.
      beta: 0 for the likelihood; towards 1 noisy places count as much as clear ones.
      propagation: how uncertainty is carried through a simulation, see above. Static.
      noise: draw successors and ends from what is predicted; False takes the means and what is
        more likely, which makes plans cheaper. Static.
      n_batches: gradient steps per `update`. Static.
      batch_size: steps per batch. Static.
      n_epochs: passes over the data at most, in `fit`. Static.
      patience: passes without a better member before `fit` stops. Static.
      holdout: share of the rows on which `fit` looks for the end. Static.
      reward: r(o, a, o') of one's own; None learns it.
      termination: whether (o, a, o') terminates; None learns it.
      time_limit: steps; None for never. Static.
      observation_json: space of the observations, see `Model`. Static.
      action_json: space of the actions, see `Model`. Static.
      knowledge: what was learnt; None before `configure`.

    Raises:
      UpslopeError: a number out of its range, an unknown name, or, from `configure`, observations
        that are no vectors or actions that are neither numbers nor one choice.

    References:
      Chua et al. (2018), "Deep Reinforcement Learning in a Handful of Trials using Probabilistic
      Dynamics Models"; Lakshminarayanan, Pritzel and Blundell (2017) for ensembles of them.
    """

    name: ClassVar[str] = "ensemble"
    n_members: int = eqx.field(static=True, default=5)
    hidden: tuple[int, ...] = eqx.field(static=True, default=(64, 64))
    activation: str = eqx.field(static=True, default="silu")
    learning_rate: float | Float[Array, ""] = 1e-3
    weight_decay: float | Float[Array, ""] = 1e-4
    beta: float | Float[Array, ""] = 0.5
    propagation: Propagation = eqx.field(static=True, default="ts-infinity")
    noise: bool = eqx.field(static=True, default=True)
    n_batches: int = eqx.field(static=True, default=20)
    batch_size: int = eqx.field(static=True, default=256)
    n_epochs: int = eqx.field(static=True, default=100)
    patience: int = eqx.field(static=True, default=5)
    holdout: float = eqx.field(static=True, default=0.1)
    reward: RewardFunction | None = eqx.field(converter=as_module, default=None)
    termination: TerminationFunction | None = eqx.field(converter=as_module, default=None)
    time_limit: int | None = eqx.field(static=True, default=None)
    observation_json: str | None = eqx.field(static=True, default=None)
    action_json: str | None = eqx.field(static=True, default=None)
    knowledge: EnsembleKnowledge | None = None

    def __check_init__(self) -> None:
        owner = "EnsembleModel"
        for name in ("n_members", "n_batches", "batch_size", "n_epochs", "patience"):
            check_number(owner, name, getattr(self, name), at_least=1, integer=True)
        check_number(owner, "learning_rate", self.learning_rate, above=0)
        check_number(owner, "weight_decay", self.weight_decay, at_least=0)
        check_number(owner, "beta", self.beta, at_least=0, at_most=1)
        check_number(owner, "holdout", self.holdout, above=0, below=1)
        check_choice(owner, "propagation", self.propagation, Propagation.__args__)
        check_switch(owner, "noise", self.noise)
        check_activation(self.activation)

    def configure(self, observation_space: spaces.Space, action_space: spaces.Space) -> Self:
        checked_spaces("EnsembleModel", observation_space, action_space, choices=True)
        model = dataclasses.replace(
            self,
            observation_json=space_text(observation_space),
            action_json=space_text(action_space),
        )
        return model.initialize(jax.random.key(0))

    def initialize(self, key: Key) -> Self:
        known = self.spaces
        numbers = known.n_action_numbers if known.n_actions is None else 0
        n_targets = known.n_observed + (self.reward is None)
        n_inputs = known.n_observed + known.n_action_numbers

        keys = jax.random.split(key, self.n_members)
        knowledge = EnsembleKnowledge(
            learner=fresh_learner(keys, n_inputs, self.hidden, n_targets, self.activation),
            inputs=Moments.zeros((known.n_observed + numbers,)),
            targets=Moments.zeros((n_targets,)),
            rewards=Moments.zeros(()),
            ends=jnp.zeros(()),
            starts=Starts.none(jnp.zeros(known.n_observed), N_STARTS),
            transitions=jnp.zeros(()),
        )
        return dataclasses.replace(self, knowledge=knowledge)

    @property
    def spaces(self) -> VectorSpaces:
        """What its vectors are."""
        if self.observation_json is None or self.action_json is None:
            raise not_configured("EnsembleModel")
        return VectorSpaces.of(self.observation_json, self.action_json)

    @property
    def rates(self) -> Rates:
        """The numbers of its gradient steps."""
        return Rates(
            self.learning_rate, self.weight_decay, self.beta, float(self.termination is None)
        )

    @property
    def scales(self) -> Scales:
        """The units of its networks."""
        known = self._known()
        return Scales(Scale.of(known.inputs), Scale.of(known.targets))

    def fit(self, key: Key, data: Transitions) -> tuple[Self, FitReport]:
        return fit_ensemble(self, key, data)

    def update(
        self, key: Key, fresh: Trajectories, batches: Trajectories | None
    ) -> tuple[Self, ModelDiagnostics]:
        rows = Transitions.of(fresh)
        seen = self._seen(rows, fresh)
        errors = foreseen(self, rows, seen._known().targets, seen._known().rewards)
        loss = jnp.full((), jnp.nan)
        if batches is not None:
            learner, loss = seen._learnt(batches)
            known = seen._known()._replace(learner=learner)
            seen = dataclasses.replace(seen, knowledge=known)
        diagnostics = ModelDiagnostics(
            loss=loss,
            model_error=errors.model,
            reward_error=errors.reward,
            coverage=errors.coverage,
            transitions=seen._known().transitions,
        )
        return seen, diagnostics

    def member(self, index: Int[Array, ""] | int) -> EnsembleMember:
        """One member as an environment of its own."""
        networks = self._known().learner.networks
        return self._environment(jax.tree.map(lambda leaf: leaf[index], networks))

    def hypotheses(
        self, state: EnvironmentState
    ) -> tuple[EnsembleMember, Float[Array, " D"]] | None:
        """All members, stacked on a leading axis [E] of the leaves, and the observation in the
        state; None unless an episode stays with one member (`"ts-infinity"`)."""
        if self.propagation != "ts-infinity":
            return None
        one = self.member(0)

        def repeated(leaf: Array) -> Array:
            leaf = jnp.asarray(leaf)
            return jnp.broadcast_to(leaf[None], (self.n_members, *leaf.shape))

        stacked = jax.tree.map(repeated, one)
        networks = self._known().learner.networks
        return dataclasses.replace(stacked, network=networks), state.observation

    def for_planning(self) -> Self:
        known = self._known()
        learner = known.learner._replace(optimizer=())
        return dataclasses.replace(self, knowledge=known._replace(learner=learner))

    def state_of(self, observation: Observation, key: Key | None = None) -> EnvironmentState:
        """A state in which this is observed: under `"ts-infinity"` with a member that the key
        draws, the first without a key."""
        if self.propagation != "ts-infinity":
            return observation
        member = jnp.zeros((), int)
        if key is not None:
            member = jax.random.randint(key, (), 0, self.n_members)
        return EnsembleState(observation, member)

    def reset(self, key: Key) -> tuple[EnvironmentState, Float[Array, " D"]]:
        start_key, member_key = jax.random.split(key)
        observation = self._known().starts.draw(start_key)
        return self.state_of(observation, member_key), observation

    def step(
        self, key: Key, state: EnvironmentState, action: Array
    ) -> tuple[EnvironmentState, Step]:
        if self.propagation == "ts-infinity":
            observation, out = self.member(state.member).step(key, state.observation, action)
            return EnsembleState(observation, state.member), out
        if self.propagation == "ts1":
            member_key, step_key = jax.random.split(key)
            index = jax.random.randint(member_key, (), 0, self.n_members)
            return self.member(index).step(step_key, state, action)
        known = self._known()
        inputs = network_inputs(self.spaces, self.scales.inputs, state, action)
        outputs = jax.vmap(lambda network: network.outputs(inputs))(known.learner.networks)
        return self.member(0).outcome(key, jnp.mean(outputs, axis=0), state, action)

    def predictions(self, rows: Transitions) -> Prediction:
        """What all members predict of steps, leaves [E, N, ...], in normalised units."""
        spaces, scale = self.spaces, self.scales.inputs
        inputs = jax.vmap(lambda o, a: network_inputs(spaces, scale, o, a))(
            rows.observation, rows.action
        )
        networks = self._known().learner.networks
        return jax.vmap(lambda network: jax.vmap(network)(inputs))(networks)

    def targets(self, rows: Transitions) -> Float[Array, "N K"]:
        """What is to be predicted of steps: changes, and the reward where it is learnt."""
        change = rows.next_observation - rows.observation
        return change if self.reward is not None else jnp.c_[change, rows.reward]

    def numbers(self, rows: Transitions) -> Float[Array, "N J"]:
        """The inputs that are numbers: observations, and actions if they are."""
        if self.spaces.n_actions is not None:
            return rows.observation
        return jnp.c_[rows.observation, jax.vmap(self.spaces.action_vector)(rows.action)]

    def batch(self, rows: Transitions) -> Batch:
        """Steps as the networks see them, with the bootstrap weights of each member."""
        spaces, scales = self.spaces, self.scales
        inputs = jax.vmap(lambda o, a: network_inputs(spaces, scales.inputs, o, a))(
            rows.observation, rows.action
        )
        targets = self.targets(rows)
        actions = jax.vmap(spaces.action_vector)(rows.action)
        everything = jnp.c_[rows.observation, actions, rows.reward, targets]
        drawn = bootstrap_weights(everything, self.n_members)
        ended = rows.terminated.astype(targets.dtype)
        weight = drawn * rows.weight[:, None]
        return Batch(inputs, scales.targets.normalize(targets), ended, weight)

    def _seen(self, rows: Transitions, fresh: Trajectories) -> Self:
        """The model with the moments of new steps, before any gradient step."""
        known, valid = self._known(), rows.weight > 0
        ends = jnp.sum((rows.terminated & valid).astype(rows.reward.dtype))
        return dataclasses.replace(
            self,
            knowledge=known._replace(
                inputs=known.inputs.merge(Moments.of(self.numbers(rows), valid)),
                targets=known.targets.merge(Moments.of(self.targets(rows), valid)),
                rewards=known.rewards.merge(Moments.of(rows.reward, valid)),
                ends=known.ends + ends,
                starts=known.starts.seen(fresh),
                transitions=known.transitions + jnp.sum(rows.weight),
            ),
        )

    def _learnt(self, batches: Trajectories) -> tuple[Learner, Float[Array, ""]]:
        """The learner after a gradient step on each of B batches, and its mean loss."""
        n_batches = batches.valid.shape[0]
        data = self.batch(Transitions.of(batches))
        apart = jax.tree.map(lambda leaf: leaf.reshape(n_batches, -1, *leaf.shape[1:]), data)
        rates = self.rates
        learner, found = jax.lax.scan(
            lambda learner, batch: descend(learner, batch, rates), self._known().learner, apart
        )
        return learner, jnp.mean(found)

    def _environment(self, network: GaussianNetwork) -> EnsembleMember:
        known = self._known()
        assert self.observation_json is not None
        assert self.action_json is not None
        return EnsembleMember(
            network=network,
            scales=self.scales,
            can_end=known.ends > 0,
            starts=known.starts,
            reward=self.reward,
            termination=self.termination,
            samples=self.noise and self.propagation != "mean",
            observation_json=self.observation_json,
            action_json=self.action_json,
            time_limit=self.time_limit,
        )

    def _known(self) -> EnsembleKnowledge:
        if self.knowledge is None:
            raise not_configured("EnsembleModel")
        return self.knowledge
