"""What planners ask of the environment in which they simulate."""

from __future__ import annotations

import jax
import jax.extend.core as jex
import jax.numpy as jnp

from upslope.core.checks import UpslopeError
from upslope.environments.environment import Environment
from upslope.planning.action_sequences import action_kind


def check_model(owner: str, environment: object) -> Environment:
    """The environment, if a program can simulate it.

    Raises:
      UpslopeError: it is none: a simulator, whose state is hidden, or a name.
    """
    if not isinstance(environment, Environment):
        raise UpslopeError(
            f"{owner} got environment={environment!r:.80}: it must be an upslope Environment, in "
            "which a program can simulate. A simulator hides its state: fit a model of it, or "
            "train a policy."
        )
    return environment


def n_discrete_actions(owner: str, environment: Environment) -> int:
    """How many actions there are to choose from.

    Raises:
      UpslopeError: the actions are numbers, or masked in observations alone.
    """
    kind = action_kind(owner, environment)
    if kind.n_actions is None:
        raise UpslopeError(
            f"{owner} got {type(environment).__name__} with the actions "
            f"{environment.action_space}: it chooses among Discrete actions. For numbers there "
            "are 'cem', 'icem' and 'mppi'."
        )
    return kind.n_actions


def steps_of_playouts(owner: str, name: str, given: int | None, environment: Environment) -> int:
    """How long simulated episodes last at most: the setting, or the environment's time limit.

    Raises:
      UpslopeError: neither says.
    """
    limit = environment.time_limit if given is None else given
    if limit is None:
        raise UpslopeError(
            f"{owner} got {name}=None and {type(environment).__name__} with time_limit=None: an "
            f"episode that is simulated might never end. Give it a number: {name}=100."
        )
    return limit


def is_stochastic(environment: Environment) -> bool:
    """Whether a step reads its key, judged by the program of `step`: unsure counts as yes."""
    state, _ = jax.eval_shape(environment.reset, jax.random.key(0))
    action = jnp.zeros((), int)

    def step(key: jax.Array, state: object) -> object:
        return environment.step(key, state, action)

    traced = jax.make_jaxpr(step)(jax.random.key(0), state).jaxpr
    return traced.invars[0] in needed(traced, list(traced.outvars))


def needed(program: jex.Jaxpr, outputs: list) -> set:
    """The variables that a program reads for some of its outputs."""
    wanted = {variable for variable in outputs if not isinstance(variable, jex.Literal)}
    for equation in reversed(program.eqns):
        outputs = [n for n, v in enumerate(equation.outvars) if v in wanted]
        if not outputs:
            continue
        inner = equation.params.get("jaxpr")
        inner = getattr(inner, "jaxpr", inner)
        read = range(len(equation.invars))
        if equation.primitive.name in ("jit", "pjit") and inner is not None:
            used = needed(inner, [inner.outvars[n] for n in outputs])
            read = [n for n, variable in enumerate(inner.invars) if variable in used]
        wanted |= {v for n in read if not isinstance(v := equation.invars[n], jex.Literal)}
    return wanted
