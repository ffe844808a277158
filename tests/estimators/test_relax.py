"""RELAX and REBAR, unbiased by quadrature over their noise; DiCE, by enumeration."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.checks import UpslopeError
from upslope.core.distributions import Bernoulli, Categorical, DiagonalGaussian
from upslope.estimators import (
    NoControlVariate,
    OnHost,
    QuadraticSurrogate,
    Rebar,
    Relax,
    ScoreFunction,
    dice,
    dice_return,
    fit_control,
    magic_box,
    surrogate,
)
from upslope.estimators.expectation.relax import relaxed_rows
from z_test import unbiased

T, THETA = 0.499, 0.3  # the toy of both papers: the exact gradient is 1 - 2 t = 0.002
GRID = (np.arange(200_000) + 0.5) / 200_000  # midpoints: quadrature over the uniform noise


def switch(theta):
    return Bernoulli((jnp.log(theta) - jnp.log1p(-theta))[None])


def toy(b):
    return jnp.square(jnp.sum(b.astype(float)) - T)


def bump(z):
    return jnp.sin(jnp.sum(z)) + 0.3 * jax.nn.sigmoid(jnp.sum(z))


@pytest.mark.slow
@pytest.mark.parametrize(
    "control",
    [
        lambda z: 1.7 * toy(jax.nn.sigmoid(z / 0.6)),
        QuadraticSurrogate(jnp.asarray([0.4]), jnp.asarray([[-1.3]])),
        bump,
    ],
    ids=["rebar", "quadratic", "any"],
)
def test_unbiased_by_quadrature(x64, control):
    rows = jax.jit(
        lambda noise: relaxed_rows("test", noise, switch, jnp.asarray(THETA), toy, control)
    )(GRID[:, None])
    np.testing.assert_allclose(jnp.mean(rows), 1 - 2 * T, atol=2e-5)


def test_the_quadrature_catches_a_term_left_out(x64):
    """Without what puts the control variate back the mean is another."""
    theta, noise = jnp.asarray(THETA), jnp.asarray(GRID)[:, None]
    rows = jax.jit(lambda noise: relaxed_rows("test", noise, switch, theta, toy, bump))(noise)

    @jax.jit
    @jax.grad
    def part(theta):
        relaxed = lambda u: switch(theta).logits + jnp.log(u) - jnp.log1p(-u)  # noqa: E731
        return jnp.mean(jax.vmap(lambda u: bump(relaxed(u)))(noise))

    put_back = part(theta)
    assert abs(float(jnp.mean(rows) - put_back) - (1 - 2 * T)) > 0.01


def test_one_of_three(x64):
    """RELAX on a categorical variable, against the exact gradient."""
    table, logits = jnp.asarray([1.0, 5.0, -2.0]), jnp.asarray([0.3, -0.5, 1.0])
    exact = jax.grad(lambda h: jnp.sum(jax.nn.softmax(h) * table))(logits)
    surrogate = QuadraticSurrogate(jnp.asarray([0.3, 1.0, -0.4]), jnp.eye(3))
    rows = jax.jit(
        lambda key: Relax(200_000, surrogate).per_sample(
            key, Categorical, logits, lambda a: table[a]
        )
    )(jax.random.key(0))
    assert unbiased(rows, exact)
    assert not unbiased(1.05 * rows, exact)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "t"),
    [
        (Rebar, 0.3),  # at t = 0.499 f is zero half-way, and REBAR has nothing to work with
        (lambda n: Relax(n, QuadraticSurrogate.zeros(1)), THETA),
    ],
    ids=["rebar", "relax"],
)
def test_a_fitted_control_has_a_fraction_of_the_variance(make, t):
    small, theta = make(200), jnp.asarray(THETA)
    f = lambda b: jnp.square(jnp.sum(b.astype(float)) - t)  # noqa: E731
    fitted = jax.jit(lambda key: fit_control(small, key, switch, theta, f, 250, 0.1))(
        jax.random.key(0)
    )
    fitted = jax.tree.unflatten(jax.tree.structure(make(20_000)), jax.tree.leaves(fitted))
    rows, plain = (
        np.asarray(jax.jit(lambda key, e=e: e.per_sample(key, switch, theta, f))(jax.random.key(5)))
        for e in (fitted, ScoreFunction(20_000, NoControlVariate()))
    )
    assert rows.var() < 0.25 * plain.var()
    assert abs(rows.mean() - (1 - 2 * t)) < 4.5 * rows.std() / np.sqrt(len(rows))


@pytest.mark.slow
def test_relax_asks_a_black_box_for_values_alone():
    box = OnHost(lambda b: {0: 1.0, 1: 3.0}[int(b[0])])
    estimator = Relax(400, QuadraticSurrogate(jnp.asarray([2.0]), jnp.asarray([[0.1]])))
    key, theta = jax.random.key(0), jnp.asarray(THETA)
    traced = lambda b: 1.0 + 2.0 * b[0]  # noqa: E731
    want = jax.jit(lambda key: estimator.estimate(key, switch, theta, traced))(key)
    np.testing.assert_allclose(estimator.estimate(key, switch, theta, box), want, rtol=1e-5)


def test_bad_input():
    key = jax.random.key(0)
    normal = lambda m: DiagonalGaussian(m[None], m[None])  # noqa: E731
    with pytest.raises(UpslopeError, match="Relax got surrogate=None"):
        Relax(10)
    with pytest.raises(UpslopeError, match="Relax got a DiagonalGaussian"):
        Relax(10, QuadraticSurrogate.zeros(1)).estimate(key, normal, jnp.asarray(0.0), jnp.sum)
    with pytest.raises(UpslopeError, match="Rebar got a Categorical"):
        Rebar(10).estimate(key, Categorical, jnp.zeros(2), lambda a: a)
    with pytest.raises(UpslopeError, match="cannot trace"):
        Rebar(10).estimate(key, switch, jnp.asarray(0.3), OnHost(float))


@pytest.mark.slow
def test_noise_at_the_ends_of_its_interval():
    """The smallest and the largest uniform numbers, and a nearly certain switch."""
    from upslope.estimators.expectation.relaxation import inside

    ends = inside(jnp.asarray([[0.0], [1.0 - 2**-24], [0.5]]))
    control = QuadraticSurrogate(jnp.ones(1), jnp.ones((1, 1)))
    rows_at = jax.jit(
        lambda logit: relaxed_rows("test", ends, lambda h: Bernoulli(h[None]), logit, toy, control)
    )
    for logit in (-15.0, 0.0, 15.0):
        assert np.isfinite(rows_at(jnp.asarray(logit))).all()


# DiCE.


def expectation(theta, box, f):
    """E[f] over the four outcomes of two switches, whose probabilities are held constant but for
    what `box` lets through."""
    outcomes = jnp.asarray([[0, 0], [0, 1], [1, 0], [1, 1]])
    log_p = jax.vmap(Bernoulli(theta).log_prob)(outcomes)
    p = jax.lax.stop_gradient(jnp.exp(log_p))
    return jnp.sum(p * box(log_p) * jax.vmap(f)(outcomes))


def joint(b):
    return 3.0 * b[0] * b[1] - 2.0 * b[0] + 1.0


@pytest.mark.slow
def test_derivatives_of_every_order(x64):
    theta = jnp.asarray([0.4, -0.7])
    exact = lambda theta: jnp.sum(  # noqa: E731
        jnp.stack([jax.nn.sigmoid(theta[0]) * (3.0 * jax.nn.sigmoid(theta[1]) - 2.0), 1.0])
    )
    boxed = lambda theta: expectation(theta, magic_box, joint)  # noqa: E731
    third = lambda f: jax.jacfwd(jax.hessian(f))  # noqa: E731
    for order in (lambda f: f, jax.grad, jax.hessian, third):
        got, want = (jax.jit(order(f))(theta) for f in (boxed, exact))
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


def test_the_plain_surrogate_has_a_wrong_hessian(x64):
    theta = jnp.asarray([0.4, -0.7])
    outcomes = jnp.asarray([[0, 0], [0, 1], [1, 0], [1, 1]])

    def plain(theta):
        log_p = jax.vmap(Bernoulli(theta).log_prob)(outcomes)
        return surrogate(log_p, jnp.exp(log_p) * jax.vmap(joint)(outcomes))

    boxed = lambda theta: expectation(theta, magic_box, joint)  # noqa: E731
    np.testing.assert_allclose(jax.grad(plain)(theta), jax.grad(boxed)(theta), atol=1e-12)
    difference = jax.hessian(plain)(theta) - jax.hessian(boxed)(theta)
    assert float(jnp.abs(difference).max()) > 0.1


def test_samples_give_the_mean_the_score_function_and_the_baseline(x64):
    x = jax.random.normal(jax.random.key(0), (50,))
    values = jnp.square(x)
    log_p = lambda m: -0.5 * jnp.square(x - m)  # noqa: E731
    np.testing.assert_allclose(dice(log_p(0.2), values, 7.0), values.mean(), rtol=1e-12)
    got = jax.grad(lambda m: dice(log_p(m), values, 7.0))(0.2)
    np.testing.assert_allclose(got, jnp.mean((values - 7.0) * (x - 0.2)), rtol=1e-12)


@pytest.mark.slow
def test_a_return_blames_no_later_action(x64):
    """Two steps, one switch each: J = E[a_0] + gamma E[a_0 a_1], over the four action sequences."""
    actions = jnp.asarray([[0, 0, 1, 1], [0, 1, 0, 1]])  # [T, N]
    gamma = 0.9

    def boxed(theta):
        log_prob = jax.vmap(jax.vmap(lambda a: Bernoulli(theta).log_prob(a)))(actions)
        p = jax.lax.stop_gradient(jnp.exp(log_prob.sum(axis=0)))
        reward = jnp.stack([actions[0], actions[0] * actions[1]]).astype(float)
        # Each column stands for a share p of the episodes; the mean divides by their number.
        return dice_return(log_prob, 4.0 * p[None, :] * reward, gamma)

    def exact(theta):
        p = jax.nn.sigmoid(theta)
        return p + gamma * p * p

    theta = jnp.asarray(0.4)
    for order in (lambda f: f, jax.grad, jax.hessian):
        got, want = (jax.jit(order(f))(theta) for f in (boxed, exact))
        np.testing.assert_allclose(got, want, rtol=1e-12)
