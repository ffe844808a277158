"""Distributions over sequences of actions, which planners refit to the good ones."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import UpslopeError
from upslope.environments.environment import Environment


class GaussianSequences(NamedTuple):
    """Independent Gaussians, clipped into the bounds of the actions."""

    mean: Array  # [H, ...]
    std: Array  # [H, ...]
    initial: Array  # [...] the mean of a step of which nothing is known
    initial_std: Array  # [...]
    low: Array  # [...]
    high: Array  # [...]

    @property
    def best_guess(self) -> Array:
        """The sequence [H, ...] to act by."""
        return self.mean

    def draw(self, key: Array, n: int) -> Array:
        """N sequences [N, H, ...], the mean among them. The key is consumed."""
        noise = jax.random.normal(key, (n - 1, *self.mean.shape))
        drawn = self.mean[None] + self.std[None] * noise
        return self.clip(jnp.concatenate([self.mean[None], drawn]))

    def draw_evenly(self, key: Array, n: int) -> Array:
        """N sequences [N, H, ...], uniform within the bounds where there are any."""
        unit = jax.random.uniform(key, (n, *self.mean.shape))
        wide = jnp.broadcast_to(self.low, self.mean.shape)[None]
        high = jnp.broadcast_to(self.high, self.mean.shape)[None]
        bounded = jnp.isfinite(wide) & jnp.isfinite(high)
        normal = self.draw(key, n)
        return jnp.where(bounded, wide + unit * jnp.where(bounded, high - wide, 0.0), normal)

    def fit(self, sequences: Array, weights: Array, keep: Array) -> GaussianSequences:
        """The weighted mean and standard deviation of sequences, mixed with the present ones.

        Args:
          sequences: [N, H, ...].
          weights: [N], summing to one.
          keep: share of the present mean and deviation that stays, from 0 to 1.
        """
        mean = jnp.tensordot(weights, sequences, 1)
        variance = jnp.tensordot(weights, jnp.square(sequences - mean[None]), 1)
        return self._replace(
            mean=keep * self.mean + (1 - keep) * mean,
            std=keep * self.std + (1 - keep) * jnp.sqrt(variance),
        )

    def with_initial_spread(self) -> GaussianSequences:
        """The same mean with the deviations of the beginning."""
        return self._replace(std=jnp.broadcast_to(self.initial_std, self.std.shape))

    def shifted(self) -> GaussianSequences:
        """The next step's warm start: one step on, as wide as at the beginning."""
        mean = jnp.concatenate([self.mean[1:], self.initial[None]])
        return self._replace(mean=mean).with_initial_spread()

    def action_weights(self) -> Array | tuple[()]:
        """Nothing: actions are numbers."""
        return ()

    def with_first_among(self, mask: Array) -> GaussianSequences:
        """The same: a mask is of choices, and these are numbers."""
        return self

    def clip(self, sequences: Array) -> Array:
        """Sequences [N, H, ...] within the bounds."""
        low, high = (
            jnp.broadcast_to(limit, sequences.shape[1:])[None] for limit in (self.low, self.high)
        )
        return jnp.clip(sequences, low, high)


class CategoricalSequences(NamedTuple):
    """Independent choices among K actions."""

    probabilities: Array  # [H, K]

    @property
    def best_guess(self) -> Array:
        """The most probable action of each step, [H]."""
        return jnp.argmax(self.probabilities, axis=-1)

    def draw(self, key: Array, n: int) -> Array:
        """N sequences [N, H], the most probable one among them. The key is consumed."""
        logits = jnp.log(self.probabilities)
        drawn = jax.random.categorical(key, logits, shape=(n - 1, logits.shape[0]))
        return jnp.concatenate([self.best_guess[None], drawn])

    def draw_evenly(self, key: Array, n: int) -> Array:
        """N sequences [N, H], every action that is possible with the same probability."""
        even = jnp.where(self.probabilities > 0, 0.0, -jnp.inf)
        return jax.random.categorical(key, even, shape=(n, even.shape[0]))

    def fit(self, sequences: Array, weights: Array, keep: Array) -> CategoricalSequences:
        """The weighted frequencies of sequences [N, H], mixed with the present probabilities."""
        chosen = jax.nn.one_hot(sequences, self.probabilities.shape[-1])
        found = jnp.tensordot(weights, chosen, 1)
        return CategoricalSequences(keep * self.probabilities + (1 - keep) * found)

    def with_initial_spread(self) -> CategoricalSequences:
        """Half of every probability is given back to all actions evenly."""
        n_actions = self.probabilities.shape[-1]
        return CategoricalSequences(0.5 * self.probabilities + 0.5 / n_actions)

    def shifted(self) -> CategoricalSequences:
        """The next step's warm start: one step on, half of it even again."""
        n_actions = self.probabilities.shape[-1]
        even = jnp.full((1, n_actions), 1.0 / n_actions)
        moved = CategoricalSequences(jnp.concatenate([self.probabilities[1:], even]))
        return moved.with_initial_spread()

    def action_weights(self) -> Array:
        """The probabilities [K] of the first action."""
        return self.probabilities[0]

    def with_first_among(self, mask: Array) -> CategoricalSequences:
        """The first action is one of those in a mask [K], which is not empty.

        Their probabilities keep their proportions; where all of them are zero they become even.
        """
        allowed = jnp.where(mask, self.probabilities[0], 0.0)
        total = jnp.sum(allowed)
        known = total > 0
        first = jnp.where(known, allowed, mask) / jnp.where(known, total, jnp.sum(mask))
        return CategoricalSequences(self.probabilities.at[0].set(first))


Sequences = GaussianSequences | CategoricalSequences


class ActionKind(NamedTuple):
    """What the actions of an environment are. Static: it is read before anything is compiled."""

    shape: tuple[int, ...]  # of numbers
    n_actions: int | None  # K of a choice; None for numbers


def action_kind(owner: str, environment: Environment) -> ActionKind:
    """The kind of an environment's actions.

    Args:
      owner: whose error it is.
      environment: with numbers that are known: spaces cannot be read in a compiled program.

    Raises:
      UpslopeError: actions that are neither numbers nor one choice, or observations with an
        `action_mask` of which the environment does not say what it is in a state.
    """
    from gymnasium import spaces

    space = environment.action_space
    if isinstance(space, spaces.Discrete):
        observed = environment.observation_space
        if isinstance(observed, spaces.Dict) and "action_mask" in observed.spaces:
            state, _ = eqx.filter_eval_shape(environment.reset, jax.random.key(0))
            if eqx.filter_eval_shape(environment.action_mask, state) is None:
                raise UpslopeError(
                    f"{owner} got {type(environment).__name__}, which shows an action_mask in its "
                    "observations but not to planners, who see states: give it a method "
                    "action_mask(state)."
                )
        return ActionKind((), int(space.n))
    if isinstance(space, spaces.Box):
        return ActionKind(tuple(int(n) for n in space.shape), None)
    raise UpslopeError(
        f"{owner} got an environment with the actions {space}: it plans with Box and Discrete "
        "actions."
    )


def initial_sequences(
    kind: ActionKind, environment: Environment, horizon: int, std: float | Array
) -> Sequences:
    """What is known of the best actions before anything is simulated.

    Args:
      kind: of the actions.
      environment: whose bounds they have.
      horizon: H.
      std: of numbers, in halves of the range between the bounds (in their own unit without
        bounds).
    """
    kind = ActionKind(*kind)  # a saved planner comes back with a plain tuple
    if kind.n_actions is not None:
        return CategoricalSequences(jnp.full((horizon, kind.n_actions), 1.0 / kind.n_actions))
    bounds = environment.action_bounds()
    low, high = (-jnp.inf, jnp.inf) if bounds is None else bounds
    low, high = (jnp.broadcast_to(jnp.asarray(x, float), kind.shape) for x in (low, high))
    bounded = jnp.isfinite(low) & jnp.isfinite(high)
    middle = jnp.where(bounded, (low + high) / 2, jnp.clip(jnp.zeros(kind.shape), low, high))
    half = jnp.where(bounded, (high - low) / 2, 1.0)
    shape = (horizon, *kind.shape)
    return GaussianSequences(
        mean=jnp.broadcast_to(middle, shape),
        std=jnp.broadcast_to(std * half, shape),
        initial=middle,
        initial_std=std * half,
        low=low,
        high=high,
    )
