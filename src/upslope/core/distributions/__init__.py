"""Distributions over actions: one (unbatched) event each, `jax.vmap` them."""

from upslope.core.distributions.bernoulli import Bernoulli
from upslope.core.distributions.beta import BetaInterval
from upslope.core.distributions.categorical import Categorical
from upslope.core.distributions.delta import Deterministic
from upslope.core.distributions.distribution import Distribution
from upslope.core.distributions.gaussian import DiagonalGaussian
from upslope.core.distributions.multi_categorical import MultiCategorical
from upslope.core.distributions.squashed_gaussian import TanhGaussian

__all__ = [
    "Bernoulli",
    "BetaInterval",
    "Categorical",
    "Deterministic",
    "DiagonalGaussian",
    "Distribution",
    "MultiCategorical",
    "TanhGaussian",
]
