"""The optimizers: one table, by optax's names, without their step size."""

from __future__ import annotations

import functools
from typing import Any, Literal

import optax
from jax import Array
from jax.flatten_util import ravel_pytree

from upslope.core.annotations import PyTree
from upslope.core.checks import check_choice, check_number

# All of optax that needs nothing but a gradient and a step size, and steps in proportion to it.
Optimizer = Literal[
    "adam",
    "sgd",
    "rmsprop",
    "momentum",
    "adabelief",
    "adagrad",
    "adamax",
    "amsgrad",
    "lion",
    "nadam",
    "novograd",
    "radam",
    "sign_sgd",
    "yogi",
]
OPTIMIZERS = Optimizer.__args__  # pyright: ignore[reportAttributeAccessIssue]


def check_optimizer(owner: str, name: str, adam_eps: float = 1e-8) -> None:
    """Raises unless `name` is one of `OPTIMIZERS` and `adam_eps` is above zero."""
    check_choice(owner, "optimizer", name, OPTIMIZERS)
    check_number(owner, "adam_eps", adam_eps, above=0)


@functools.cache
def ascent_transform(name: str, adam_eps: float = 1e-8) -> optax.GradientTransformation:
    """Turns gradients of what is *maximised* into steps of unit step size: `theta + eta * step`.

    `"momentum"` is `optax.sgd` with momentum 0.9.

    Args:
      name: one of `OPTIMIZERS`.
      adam_eps: what Adam adds to the root of the second moment.
    """
    if name == "adam":
        return optax.scale_by_adam(eps=adam_eps)
    if name == "rmsprop":
        return optax.scale_by_rms()
    if name == "sgd":
        return optax.identity()
    momentum = name == "momentum"
    chain = optax.sgd(1.0, momentum=0.9) if momentum else getattr(optax, name)(1.0)
    return optax.chain(chain, optax.scale(-1.0))


def start_ascent(optimizer: str, parameters: PyTree, adam_eps: float = 1e-8) -> optax.OptState:
    """The optimizer's first state. It holds vectors [D], not trees: a step over one long vector
    is a handful of operations, where a step over a tree is a handful for each leaf."""
    return ascent_transform(optimizer, adam_eps).init(ravel_pytree(parameters)[0])


def ascend(
    optimizer: str,
    state: optax.OptState,
    theta: Array,
    gradient: Array,
    learning_rate: float | Array,
    adam_eps: float = 1e-8,
) -> tuple[Array, optax.OptState]:
    """theta + learning_rate * direction(gradient), and the optimizer's next state.

    Args:
      optimizer: its name.
      state: of the optimizer.
      theta: [D].
      gradient: [D].
      learning_rate: the step size.
      adam_eps: what Adam adds to the root of the second moment.
    """
    update: Any = ascent_transform(optimizer, adam_eps).update
    step, state = update(gradient, state)
    return theta + learning_rate * step, state
