"""AlphaGo's search: a leaf is worth what a network says and what a rollout brings."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.actor import Actor
from upslope.core.annotations import EnvironmentState, Key, Observation
from upslope.core.checks import check_number
from upslope.planning.mcts.network_search import PUCT
from upslope.planning.model_checks import steps_of_playouts
from upslope.planning.playouts import play_out

# Separates the rollout of a leaf from the evaluator's own randomness.
ROLLOUT_STREAM = 0x2011


class PolicyValueRollouts(PUCT):
    r"""PUCT whose leaves mix a network's value with the outcome of a fast rollout.

    .. math:: V(s) = (1 - \lambda) \, v_\theta(s) + \lambda \, z(s)

    with z the return of one game that `rollout_policy` plays for both players from there on. With
    lambda = 0 nothing is played out and the search is `PUCT`; with lambda = 1 the network's value
    is not heard. The paper's search ("APV-MCTS") runs asynchronously, with virtual losses; this
    one takes one simulation after the other and needs none. Its bonus has no logarithm: c_base is
    so large that the weight of exploration stays c_1.

    Attributes:
      rollout_policy: who plays rollouts, for both players; None for legal actions at random.
      rollout_share: lambda.

    Raises:
      UpslopeError: what `PUCT` refuses, lambda outside [0, 1], or an environment that may never
        end a rollout.

    References:
      Silver et al. (2016), "Mastering the Game of Go with Deep Neural Networks and Tree Search",
      equation 5 and methods.
    """

    c_base: float | Array = 1e9
    rollout_policy: Actor | None = None
    rollout_share: float | Array = 0.5

    def __check_init__(self) -> None:
        owner = type(self).__name__
        check_number(owner, "rollout_share", self.rollout_share, at_least=0.0, at_most=1.0)
        steps_of_playouts(owner, "rollout_share", None, self.environment)

    @property
    def model_steps(self) -> int:
        rollout = self.environment.time_limit or 0
        return self.n_simulations * (1 + rollout) + rollout

    def evaluate(
        self, key: Key, state: EnvironmentState, observation: Observation, ended: Array
    ) -> tuple[Float[Array, " A"], Float[Array, ""]]:
        logits, value = super().evaluate(key, state, observation, ended)
        if self.evaluator is None:  # its value is the outcome of a rollout already
            return logits, value
        outcome = play_out(
            jax.random.fold_in(key, ROLLOUT_STREAM),
            self.environment,
            state,
            observation,
            self.rollout_policy,
            self.environment.time_limit or 0,
            self.objective.discount,
            n_actions=self.n_actions,
            ended=ended,
        )
        share = jnp.asarray(self.rollout_share, value.dtype)
        return logits, (1.0 - share) * value + share * outcome
