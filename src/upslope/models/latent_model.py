"""MuZero's model: three networks whose hidden states an environment need not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from upslope.core.annotations import EnvironmentState, Key, Observation
from upslope.core.moments import Moments
from upslope.core.networks import MLP
from upslope.core.records import Step
from upslope.environments.environment import Environment
from upslope.models.value_support import ValueSupport
from upslope.policies.bodies.body import Body
from upslope.policies.encoding import action_mask
from upslope.policies.policy import Policy

if TYPE_CHECKING:
    from gymnasium import spaces


class LatentState(NamedTuple):
    """Where a search stands in a latent model."""

    hidden: Float[Array, " D"]  # in [0, 1]
    legal: Bool[Array, " A"] | None  # at the root what the observation's mask says; then all


class Prediction(NamedTuple):
    """What is thought of a hidden state: the observation of a latent model."""

    logits: Float[Array, " A"]  # of the policy
    value: Float[Array, ""]


class LatentModel(Environment):
    r"""An environment of hidden states, learnt only to predict what a search needs.

    .. math:: s^0 = h(o), \qquad (r^k, s^k) = g(s^{k-1}, a^k), \qquad (p^k, v^k) = f(s^k)

    A hidden state stands for no state of the environment and is not trained to: it must predict the
    policy, the value and the reward, however it does that. Hidden states are scaled to [0, 1].
    Steps have no chance, nothing terminates (after an end the model learns to give neither reward
    nor value), and only the root knows which actions are legal.

    As an environment it observes f of its state (`Prediction`), which is what a search asks an
    evaluator for: see `LatentPrediction`.

    Attributes:
      representation: h, of a policy's architecture, o to [D].
      dynamics: (s, a) to the next hidden state [D] before scaling.
      reward: (s, a) to logits [2 S + 1] of the reward.
      policy: s to logits [A].
      value: s to logits [2 S + 1] of the value.
      support: of rewards and values.
      moments: of observations, by which h standardises them; None where it does not.
      n_actions: A. Static.
      turn: what a value is multiplied with after a step: -1 where the opponent moves next. Static.

    References:
      Schrittwieser et al. (2020), "Mastering Atari, Go, Chess and Shogi by Planning with a Learned
      Model", section 3 and appendix G.
    """

    representation: Body
    dynamics: MLP
    reward: MLP
    policy: MLP
    value: MLP
    support: ValueSupport
    moments: Moments | None
    n_actions: int = eqx.field(static=True)
    turn: float = eqx.field(static=True, default=1.0)
    time_limit: int | None = eqx.field(static=True, default=None)

    @classmethod
    def fresh(
        cls,
        key: Key,
        architecture: Policy,
        n_actions: int,
        *,
        hidden_size: int = 64,
        hidden: tuple[int, ...] = (64,),
        support_size: int = 20,
        turn: float = 1.0,
    ) -> LatentModel:
        """A model that predicts an even policy, no reward and no value. The key is consumed.

        Args:
          architecture: whose network h is like.
          n_actions: A.
          hidden_size: D.
          hidden: layers of the other networks.
          support_size: S.
          turn: see the class.
        """
        keys = jax.random.split(key, 3)
        support = ValueSupport(support_size)

        def network(key: Array, in_size: int, out_size: int, gain: float) -> MLP:
            return MLP(key, in_size, hidden, out_size, "relu", gain)

        pair, heads = hidden_size + n_actions, jax.random.split(keys[2], 3)
        return cls(
            representation=architecture.network_like(keys[0], hidden_size),
            dynamics=network(keys[1], pair, hidden_size, 1.0),
            reward=network(heads[0], pair, support.n_atoms, 0.0),
            policy=network(heads[1], hidden_size, n_actions, 0.0),
            value=network(heads[2], hidden_size, support.n_atoms, 0.0),
            support=support,
            moments=architecture.observation_moments,
            n_actions=n_actions,
            turn=turn,
        )

    def represent(self, observation: Observation) -> Float[Array, " D"]:
        """h(o)."""
        if self.moments is not None:
            observation = self.moments.normalize(observation)
        return unit_interval(self.representation(observation)[0])

    def transition(
        self, hidden: Float[Array, " D"], action: Int[Array, ""]
    ) -> tuple[Float[Array, " D"], Float[Array, " n_atoms"]]:
        """g(s, a): the next hidden state, and the logits of the reward."""
        chosen = (jnp.arange(self.n_actions) == action).astype(hidden.dtype)
        pair = jnp.concatenate([hidden, chosen])
        return unit_interval(hidden + self.dynamics(pair)), self.reward(pair)

    def predict(
        self, hidden: Float[Array, " D"]
    ) -> tuple[Float[Array, " A"], Float[Array, " n_atoms"]]:
        """f(s): the logits of the policy and of the value."""
        return self.policy(hidden), self.value(hidden)

    def state_of(self, observation: Observation) -> LatentState:
        """The root of a search: h(o), and which actions the observation's mask allows."""
        return LatentState(self.represent(observation), action_mask(observation))

    def observe(self, state: LatentState) -> Prediction:
        """f of a state, the value as a number."""
        logits, value = self.predict(state.hidden)
        return Prediction(logits, self.support.mean(value))

    def step(
        self, key: Key, state: LatentState, action: Int[Array, ""]
    ) -> tuple[LatentState, Step]:
        hidden, reward = self.transition(state.hidden, action)
        legal = None if state.legal is None else jnp.ones_like(state.legal)
        after = LatentState(hidden, legal)
        discount = None if self.turn == 1.0 else jnp.full((), self.turn)
        never = jnp.zeros((), bool)
        return after, Step(self.observe(after), self.support.mean(reward), never, discount)

    def reset(self, key: Key) -> tuple[LatentState, Prediction]:
        """A hidden state at random, of no meaning: episodes begin with `state_of`."""
        size = self.policy.layers[0].weight.shape[0]
        state = LatentState(unit_interval(jax.random.normal(key, (size,))), None)
        return state, self.observe(state)

    def action_mask(self, state: LatentState) -> Bool[Array, " A"] | None:
        return state.legal

    @property
    def observation_space(self) -> spaces.Dict:
        import numpy as np
        from gymnasium import spaces

        everything = lambda shape: spaces.Box(-np.inf, np.inf, shape, np.float32)  # noqa: E731
        return spaces.Dict({"logits": everything((self.n_actions,)), "value": everything(())})

    @property
    def action_space(self) -> spaces.Discrete:
        from gymnasium import spaces

        return spaces.Discrete(self.n_actions)


class LatentPrediction(eqx.Module):
    """The evaluator of a search in a latent model: what the model observes is what it is asked."""

    def __call__(
        self, state: EnvironmentState, observation: Prediction
    ) -> tuple[Float[Array, " A"], Float[Array, ""]]:
        """Logits of the prior and the value."""
        return observation.logits, observation.value


def unit_interval(x: Float[Array, " D"]) -> Float[Array, " D"]:
    """The numbers scaled linearly so that the least is 0 and the greatest 1.

    Numbers that are all the same become zeros.
    """
    lowest, highest = jnp.min(x), jnp.max(x)
    width = highest - lowest
    return (x - lowest) / jnp.where(width > 1e-5, width, 1.0)
