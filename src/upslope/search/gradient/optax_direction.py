"""Any optax optimizer by its name, its step size left out so that it stays a number."""

from __future__ import annotations

import functools

import optax

from upslope.core.checks import check_choice

# All of optax that needs nothing but a gradient and a step size, and steps in proportion to it.
OPTIMIZERS = (
    "sgd",
    "momentum",
    "adam",
    "adabelief",
    "adagrad",
    "adamax",
    "amsgrad",
    "lion",
    "nadam",
    "novograd",
    "radam",
    "rmsprop",
    "sign_sgd",
    "yogi",
)


def check_optimizer(owner: str, name: str) -> None:
    """Raises unless `name` is one of `OPTIMIZERS`."""
    check_choice(owner, "optimizer", name, OPTIMIZERS)


@functools.cache
def ascent_transform(name: str) -> optax.GradientTransformation:
    """Turns gradients of what is *maximised* into steps of unit step size: `theta + eta * step`.

    `"momentum"` is `optax.sgd` with momentum 0.9.
    """
    momentum = name == "momentum"
    chain = optax.sgd(1.0, momentum=0.9) if momentum else getattr(optax, name)(1.0)
    return optax.chain(chain, optax.scale(-1.0))
