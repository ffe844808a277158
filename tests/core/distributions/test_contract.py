"""What every distribution promises, whatever it is a distribution of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.distributions import (
    Bernoulli,
    BetaInterval,
    Categorical,
    Deterministic,
    DiagonalGaussian,
    MultiCategorical,
    TanhGaussian,
)

ONE = jnp.ones(2)
EVERY = {
    "categorical": Categorical(jnp.array([0.1, 2.0])),
    "masked": Categorical(jnp.array([0.1, 2.0]), jnp.array([True, False])),
    "multi-categorical": MultiCategorical((jnp.array([0.1, 2.0]), jnp.zeros(3))),
    "bernoulli": Bernoulli(jnp.array([0.1, 2.0])),
    "gaussian": DiagonalGaussian(ONE, 0.1 * ONE),
    "tanh-gaussian": TanhGaussian(ONE, 0.1 * ONE, -ONE, 3 * ONE),
    "beta": BetaInterval(2 * ONE, 3 * ONE, -ONE, 3 * ONE),
    "deterministic": Deterministic(ONE),
}


@pytest.mark.parametrize("name", EVERY)
def test_it_is_unbatched_and_vmaps(name):
    d = EVERY[name]

    def everything(d, key):
        x = d.sample(key)
        rest = () if name == "deterministic" else (d.log_prob(x), d.kl(d))
        return x, d.mode(), d.entropy(), *rest

    key = jax.random.key(0)
    x, mode, *scalars = jax.eval_shape(everything, d, key)
    assert x.shape == mode.shape
    assert all(s.shape == () for s in scalars)
    batch = jax.tree.map(lambda leaf: jnp.stack([leaf] * 3), d)
    many = jax.eval_shape(jax.vmap(everything), batch, jax.random.split(key, 3))
    assert [m.shape for m in many] == [(3, *s.shape) for s in (x, mode, *scalars)]


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_a_sample_is_made_of_its_noise_and_moves_with_the_key(name):
    d = EVERY[name]
    sample = jax.jit(jax.vmap(d.sample))
    keys = jax.random.split(jax.random.key(0), 20)
    draws = sample(keys)
    split = jax.jit(jax.vmap(lambda key: d.from_noise(d.noise(key))))(keys)
    np.testing.assert_array_equal(draws, split)
    varies = len(np.unique(np.asarray(draws), axis=0)) > 1
    assert varies == (name not in ("deterministic", "masked"))


@pytest.mark.parametrize("name", [n for n in EVERY if n != "deterministic"])
def test_the_divergence_from_itself_is_zero_and_the_score_has_mean_zero(name):
    """E[score] = 0: each coordinate within 5 standard errors over 4000 draws."""
    d = EVERY[name]
    np.testing.assert_allclose(d.kl(d), 0.0, atol=1e-6)
    keys = jax.random.split(jax.random.key(1), 4000)

    def score(key):
        x = jax.lax.stop_gradient(d.sample(key))
        gradient = jax.grad(lambda d: d.log_prob(x), allow_int=True)(d)
        leaves = jax.tree.leaves(gradient)
        parameters = 1 if name in ("categorical", "masked", "bernoulli") else 2
        return jnp.concatenate([leaf.ravel() for leaf in leaves[:parameters]])

    scores = np.asarray(jax.jit(jax.vmap(score))(keys), float)
    error = scores.std(0) / np.sqrt(4000)
    assert (np.abs(scores.mean(0)) <= 5 * error + 1e-6).all()
