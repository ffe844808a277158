"""The one-point distribution has samples and no score."""

import jax
import jax.numpy as jnp
import pytest

from upslope.core.checks import UpslopeError
from upslope.core.distributions import Deterministic


def test_it_always_gives_its_value():
    d = Deterministic(jnp.array([1.0, 2.0]))
    assert (d.sample(jax.random.key(0)) == d.value).all()
    assert (d.mode() == d.value).all()
    assert d.entropy() == -jnp.inf
    assert Deterministic(jnp.array(3)).entropy() == 0.0


def test_a_score_is_refused_with_a_remedy():
    d = Deterministic(jnp.array(0))
    with pytest.raises(UpslopeError, match="gradient-free"):
        d.log_prob(jnp.array(0))
    with pytest.raises(UpslopeError, match="stochastic"):
        d.kl(d)
