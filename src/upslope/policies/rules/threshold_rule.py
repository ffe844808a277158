"""Threshold rules: one number, compared."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Key, Memory, Observation
from upslope.core.distributions import Deterministic
from upslope.policies.bodies.body import check_categories
from upslope.policies.encoding import Categories, action_mask, encode
from upslope.policies.heads.continuous import shaped
from upslope.policies.heads.head import refuse_mask
from upslope.policies.rules.non_differentiable import NonDifferentiablePolicy
from upslope.policies.twin.actor import TwinActor
from upslope.policies.twin.bodies import TwinThresholdRule
from upslope.policies.twin.encoding import TwinEncoding
from upslope.policies.twin.heads import TwinAsIs


class ThresholdRule(NonDifferentiablePolicy):
    r"""Bang-bang control: everything or nothing, by the sign of a linear score.

    .. math:: a = \sum_{k=1}^{n-1} 1[w^\top x > b_k] \quad \text{(n choices)}, \qquad
              a_d = high_d \text{ if } w_d^\top x > b_d \text{ else } low_d \quad \text{(numbers)}

    Choices in an order, such as left, nothing, right, lie between sorted thresholds. The scale of
    w and b together means nothing.

    Attributes:
      weight: w [I], or [D, I] for D numbers.
      threshold: b [n - 1], used sorted; or [D].
      shape: of the action; empty for choices. Static.
      low: [D] flat; empty for choices. Static.
      high: [D] flat; empty for choices. Static.
      categories: sizes of the one-hot blocks of a discrete observation; empty for numbers. Static.

    References:
      Pontryagin et al. (1962), where bang-bang control is optimal.
    """

    weight: Float[Array, "*D I"]
    threshold: Float[Array, " K"]
    shape: tuple[int, ...] = eqx.field(static=True)
    low: tuple[float, ...] = eqx.field(static=True)
    high: tuple[float, ...] = eqx.field(static=True)
    categories: Categories = eqx.field(static=True)

    def __init__(
        self,
        key: Key,
        in_size: int,
        choices: int = 0,
        shape: tuple[int, ...] = (),
        low: tuple[float, ...] = (),
        high: tuple[float, ...] = (),
        categories: Categories = (),
    ):
        check_categories("ThresholdRule", in_size, categories)
        rows = () if choices else (len(low),)
        self.weight = jax.random.normal(key, (*rows, in_size)) / in_size**0.5
        spread = 0.1 * (jnp.arange(choices - 1) - (choices - 2) / 2)
        self.threshold = spread if choices else jnp.zeros(len(low))
        self.shape, self.low, self.high = tuple(shape), tuple(low), tuple(high)
        self.categories = tuple(categories)

    def __call__(self, observation: Observation, memory: Memory = None) -> Deterministic:
        refuse_mask("A threshold rule", action_mask(observation))
        x = encode(observation, self.categories)
        if not self.low:
            score = jnp.sum(self.weight * x)
            return Deterministic(jnp.sum(score > jnp.sort(self.threshold)))
        up = jnp.matvec(self.weight, x) > self.threshold
        low, high = shaped(self.low, self.shape), shaped(self.high, self.shape)
        return Deterministic(jnp.where(up.reshape(self.shape), high, low))

    def numpy(self) -> TwinActor:
        threshold = np.asarray(self.threshold)
        body = TwinThresholdRule(
            encoding=TwinEncoding(self.categories),
            weight=np.asarray(self.weight),
            threshold=threshold if self.low else np.sort(threshold),
            shape=self.shape,
            low=self.low,
            high=self.high,
        )
        return TwinActor(body, TwinAsIs())
