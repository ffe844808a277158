"""RELAX and REBAR: the score function with a differentiable control variate, put back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike

from upslope.core.annotations import Key, PyTree
from upslope.core.checks import UpslopeError, check_number
from upslope.core.distributions import Bernoulli
from upslope.estimators.bias import BiasStatement
from upslope.estimators.expectation.density import DistributionLike, scores
from upslope.estimators.expectation.expectation_gradient import ExpectationGradient
from upslope.estimators.expectation.function_values import function_values, traceable
from upslope.estimators.expectation.relaxation import (
    coupled,
    relaxable,
    relaxation_noise,
    relaxed,
    relaxed_given,
    rounded,
)

T = TypeVar("T")
Estimator = TypeVar("Estimator", bound=ExpectationGradient)


class QuadraticSurrogate(eqx.Module):
    r"""A control variate for `Relax` that is small and learned.

    .. math:: c(z) = w^\top s + s^\top A s, \qquad s = \sigma(z)

    Attributes:
      linear: w [K].
      quadratic: A [K, K].
    """

    linear: Array
    quadratic: Array

    @staticmethod
    def zeros(num_variables: int) -> QuadraticSurrogate:
        """c = 0: `Relax` is then the plain score function, until it is fitted."""
        return QuadraticSurrogate(
            jnp.zeros(num_variables), jnp.zeros((num_variables, num_variables))
        )

    def __call__(self, z: Array) -> Array:
        s = jax.nn.sigmoid(z.reshape(-1))
        return jnp.sum(self.linear * s) + jnp.sum(s * (self.quadratic @ s))


class Relax(ExpectationGradient):
    r"""Score-function estimate for discrete x with a differentiable control variate c.

    .. math:: \hat g = \frac1N \sum_i \big(f(b_i) - c(\tilde z_i)\big) \nabla \log p(b_i)
                       + \nabla c(z_i) - \nabla c(\tilde z_i)

    z is the continuous variable whose rounding is b, and z-tilde has its distribution given b.
    Unbiased whatever c is; `fit_control` learns c. f is asked for values at discrete points alone,
    so it may be any function.

    Attributes:
      n_samples: N. Static.
      surrogate: c, a module `z [K] -> number`. Its leaves are learned by `fit_control`.

    References:
      Grathwohl et al. (2018), equation 8.
    """

    surrogate: Callable[[Array], Array] | None = None

    def __check_init__(self) -> None:
        if not callable(self.surrogate):
            raise UpslopeError(
                f"Relax got surrogate={self.surrogate!r}: give a module that maps z [K] to a "
                "number, such as QuadraticSurrogate.zeros(K)."
            )

    @property
    def declaration(self) -> BiasStatement:
        return BiasStatement(
            "grad E[f]",
            True,
            "the control variate is put back with its own gradient",
            "Grathwohl et al. (2018), equation 8",
        )

    def per_sample(
        self,
        key: Key,
        distribution_of: Callable[[T], DistributionLike],
        parameters: T,
        f: Callable[[PyTree], ArrayLike],
    ) -> T:
        assert self.surrogate is not None  # see `__check_init__`
        noise = drawn_noise("Relax", key, distribution_of(parameters), self.n_samples)
        return relaxed_rows("Relax", noise, distribution_of, parameters, f, self.surrogate)


class Rebar(ExpectationGradient):
    r"""RELAX whose control variate is f itself, at a relaxed point.

    .. math:: c(z) = \eta f(\sigma(z / \lambda))

    For Bernoulli variables and an f that is differentiable on [0, 1]^K. Unbiased whatever eta and
    lambda are; `fit_control` tunes both.

    Attributes:
      n_samples: N. Static.
      coefficient: eta.
      log_temperature: log lambda.

    References:
      Tucker et al. (2017), equation 5.
    """

    coefficient: float | Array = 1.0
    log_temperature: float | Array = -0.7

    def __check_init__(self) -> None:
        for name in ("coefficient", "log_temperature"):
            check_number("Rebar", name, getattr(self, name))

    @property
    def declaration(self) -> BiasStatement:
        return BiasStatement(
            "grad E[f]",
            True,
            "the control variate is put back with its own gradient",
            "Tucker et al. (2017), equation 5",
        )

    def per_sample(
        self,
        key: Key,
        distribution_of: Callable[[T], DistributionLike],
        parameters: T,
        f: Callable[[PyTree], ArrayLike],
    ) -> T:
        distribution = distribution_of(parameters)
        if not isinstance(distribution, Bernoulli):
            raise UpslopeError(
                f"Rebar got a {type(distribution).__name__}: it needs an f that means something "
                "between the values of Bernoulli variables. Use Relax or ScoreFunction."
            )
        relaxed_point = jax.eval_shape(lambda: distribution.logits[None])
        if not traceable(f, relaxed_point):
            raise UpslopeError(
                "Rebar differentiates f at relaxed points, and JAX cannot trace this one: use "
                "Relax, which asks for its values at discrete points alone."
            )

        def control(z: Array) -> Array:
            value = f(jax.nn.sigmoid(z * jnp.exp(-self.log_temperature)))
            return self.coefficient * jnp.asarray(value)

        noise = drawn_noise("Rebar", key, distribution, self.n_samples)
        return relaxed_rows("Rebar", noise, distribution_of, parameters, f, control)


def drawn_noise(owner: str, key: Key, distribution: DistributionLike, count: int) -> Array:
    """The noise of `count` draws, [N, *K]; the key is consumed."""
    known = relaxable(owner, distribution)
    keys = jax.random.split(key, count)
    return jax.vmap(lambda key: relaxation_noise(key, known))(keys)


def relaxed_rows(
    owner: str,
    noise: Array,
    distribution_of: Callable[[T], DistributionLike],
    parameters: T,
    f: Callable[[PyTree], ArrayLike],
    control: Callable[[Array], Array],
) -> T:
    """The summands of RELAX with control variate c at given noise [N, *K], leaves [N, ...].

    Differentiable in c.
    """
    distribution = relaxable(owner, distribution_of(parameters))
    samples = jax.vmap(lambda u: rounded(distribution, relaxed(distribution, u)))(noise)
    values = function_values(owner, f, samples)
    score = scores(owner, distribution_of, parameters, samples)

    def row(u: Array, b: Array, value: Array, score: T) -> T:
        v = coupled(distribution, u, b)

        def difference(parameters: T) -> tuple[Array, Array]:
            distribution = relaxable(owner, distribution_of(parameters))
            given = control(relaxed_given(distribution, v, b))
            return control(relaxed(distribution, u)) - given, given

        put_back, taken_off = jax.grad(difference, has_aux=True)(parameters)
        return jax.tree.map(lambda s, g: (value - taken_off) * s + g, score, put_back)

    return jax.vmap(row)(noise, samples, values, score)


def fit_control(
    estimator: Estimator,
    key: Array,
    distribution_of: Callable[[T], DistributionLike],
    parameters: T,
    f: Callable[[PyTree], ArrayLike],
    n_steps: int = 100,
    learning_rate: float = 0.05,
) -> Estimator:
    r"""The same estimator with the leaves of its control variate tuned for least variance.

    .. math:: \min_\phi E \lVert \hat g_\phi \rVert^2

    which is the variance up to a constant, because the mean does not depend on phi. Draw anew
    afterwards: an estimate from samples that chose the control variate is no longer unbiased.

    Args:
      estimator: `Relax` or `Rebar`.
      key: consumed.
      distribution_of: as for `ExpectationGradient.per_sample`, and the next two as well.
      parameters: of the distribution.
      f: whose mean's gradient is estimated.
      n_steps: Adam steps, each on fresh samples.
      learning_rate: of Adam.

    References:
      Grathwohl et al. (2018), section 3.2; Tucker et al. (2017), section 3.2.
    """
    import optax

    check_number("fit_control", "n_steps", n_steps, at_least=1, integer=True)
    numbers, rest = eqx.partition(
        jax.tree.map(lambda leaf: jnp.asarray(leaf, float), estimator), eqx.is_array
    )
    adam = optax.adam(learning_rate)

    def spread(numbers: PyTree, key: Array) -> Array:
        rows = eqx.combine(numbers, rest).per_sample(key, distribution_of, parameters, f)
        return jnp.mean(jax.vmap(lambda row: jnp.sum(jnp.square(ravel_pytree(row)[0])))(rows))

    def step(carry: tuple[Any, Any], key: Array) -> tuple[tuple[Any, Any], None]:
        numbers, state = carry
        updates, state = adam.update(jax.grad(spread)(numbers, key), state)
        return (optax.apply_updates(numbers, updates), state), None

    keys = jax.random.split(key, n_steps)
    (numbers, _), _ = jax.lax.scan(step, (numbers, adam.init(numbers)), keys)
    return eqx.combine(numbers, rest)
