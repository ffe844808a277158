"""Ascent on the exact gradient of J, where the environment itself is known."""

from __future__ import annotations

from typing import ClassVar, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array

from upslope import exact
from upslope.core.checks import UpslopeError, check_number
from upslope.core.tree import ravel_parameters
from upslope.environments.environment import Environment
from upslope.environments.linear_quadratic import LinearQuadratic
from upslope.exact.linear_quadratic import resolve_horizon
from upslope.exact.objective_value import resolve
from upslope.objectives.objective import EpisodicReturn, Objective
from upslope.policies.policy import Policy
from upslope.sampling.experience import Dynamics
from upslope.search.gradient.ascent import clip_by_norm
from upslope.search.gradient.optimizer import Optimizer, ascend, check_optimizer, start_ascent
from upslope.search.search_method import Defaults, ProblemSpec, SearchMethod

Shaped = TypeVar("Shaped")


class ExactGradientState(NamedTuple):
    """What the next iteration needs."""

    policy: Policy
    optimizer: optax.OptState


class ExactGradientDiagnostics(NamedTuple):
    """What its users look at. Of the policy before the step."""

    objective: Array  # J, exactly
    gradient_norm: Array  # of grad J, before clipping
    step_norm: Array  # how far theta moved


class ExactGradientAscent(SearchMethod[ExactGradientState, Environment]):
    r"""Follows the gradient of J itself: no episode is sampled, nothing is estimated.

    .. math:: \theta \leftarrow \theta + \eta \, \nabla J(\theta)

    What an estimator's ascent would be without its noise: the curve to compare it with. Converges
    to a stationary point for small eta; for tabular softmax policies on MDPs whose start reaches
    every state that point is the optimum, at a rate of O(1/k).

    An iteration queries the model once and counts as one step of the budget, though the environment
    takes none.

    Attributes:
      learning_rate: eta, the step size.
      optimizer: what turns the gradient into a direction. Static.
      max_grad_norm: bound on the norm of the gradient; None for none.
      adam_eps: what Adam adds to the root of the second moment. Static.

    Raises:
      UpslopeError: from `configure`: the environment is no finite MDP, or its J is undefined.

    References:
      Agarwal et al. (2021), section 5; Mei et al. (2020), theorem 4.
    """

    name: ClassVar[str] = "exact-gradient"
    defaults: ClassVar[Defaults] = Defaults(total_timesteps=1000, example="short-corridor")
    learning_rate: float | Array = 0.1
    optimizer: Optimizer = eqx.field(static=True, default="sgd")
    max_grad_norm: float | Array | None = None
    adam_eps: float = eqx.field(static=True, default=1e-5)

    def __check_init__(self) -> None:
        name = type(self).__name__
        check_number(name, "learning_rate", self.learning_rate, above=0)
        check_optimizer(name, self.optimizer, self.adam_eps)
        if self.max_grad_norm is not None:
            check_number(name, "max_grad_norm", self.max_grad_norm, above=0)

    @property
    def experience(self) -> Dynamics:
        return Dynamics()

    def configure(self, spec: ProblemSpec) -> ExactGradientAscent:
        environment, objective = spec.environment, spec.objective
        if isinstance(environment, LinearQuadratic):
            exact.linear_controller(drawn(spec.policy, 1.0), environment)  # if it is linear at all
            horizon = horizon_of(environment, objective)
            resolve_horizon(drawn(spec.policy, 1e-3), environment, objective, horizon)
            return self
        if environment is None or not (
            hasattr(environment, "finite_mdp") or hasattr(environment, "transition")
        ):
            name = "a simulator" if environment is None else environment.name
            raise UpslopeError(
                f"{self.name} needs an environment whose dynamics are known, a finite MDP such as "
                f"short-corridor, dyna-maze or garnet; {name} can only be sampled: use reinforce "
                "or ppo."
            )
        mdp = exact.as_finite_mdp(environment)
        jax.eval_shape(lambda policy: exact.policy_table(policy, environment), spec.policy)
        uniform = jnp.full((mdp.n_states, mdp.n_actions), 1.0 / mdp.n_actions)
        resolve(uniform, environment, objective, horizon_of(environment, objective))
        return self

    def init(self, key: Array, policy: Policy, objective: Objective) -> ExactGradientState:
        theta, _ = ravel_parameters(policy)
        return ExactGradientState(policy, start_ascent(self.optimizer, theta, self.adam_eps))

    def ask(self, key: Array, state: ExactGradientState) -> Policy:
        return state.policy

    def tell(
        self,
        key: Array,
        state: ExactGradientState,
        candidates: Policy,
        experience: Environment,
        objective: Objective,
    ) -> tuple[ExactGradientState, ExactGradientDiagnostics]:
        horizon = horizon_of(experience, objective)
        value, slope = exact.value_and_gradient(state.policy, experience, objective, horizon)
        slope, _ = ravel_parameters(slope)
        direction, _ = clip_by_norm(
            self._direction(state.policy, experience, objective, horizon, slope),
            self.max_grad_norm,
        )
        theta, unravel = ravel_parameters(state.policy)
        moved, optimizer = ascend(
            self.optimizer,
            state.optimizer,
            theta,
            direction,
            self.learning_rate,
            self.adam_eps,
        )
        diagnostics = ExactGradientDiagnostics(
            value, jnp.linalg.norm(slope), jnp.linalg.norm(moved - theta)
        )
        return ExactGradientState(unravel(moved), optimizer), diagnostics

    def solution(self, state: ExactGradientState) -> Policy:
        return state.policy

    def _direction(
        self,
        policy: Policy,
        environment: Environment,
        objective: Objective,
        horizon: int | None,
        slope: Array,
    ) -> Array:
        """The vector [D] to follow, given grad J [D]."""
        return slope


class ExactNaturalGradient(ExactGradientAscent):
    r"""Follows the exact natural gradient: steepest in how much the policy changes, not theta.

    .. math:: \theta \leftarrow \theta + \eta \, F(\theta)^{+} \nabla J(\theta), \qquad
              F(\theta) = \sum_s w(s) \sum_a \pi(a|s) \nabla \log \pi(a|s)
              \nabla \log \pi(a|s)^\top

    F is the Fisher matrix of a decision under the states that the policy visits. Invariant to how
    the policy is parametrised. For tabular softmax policies under a discount it is policy
    iteration made soft: J grows with every step, whatever eta, and the gap to the optimum is at
    most 2 / ((1 - gamma)^2 k) after k of them at eta >= (1 - gamma)^2 log(A). The vanilla
    gradient's plateaus are gone.

    An iteration counts as one step of the budget. It forms the scores of all state-action pairs,
    [S A, D], and their singular values: for policies of up to some thousand parameters.

    Attributes:
      learning_rate: eta, the step size.
      optimizer: what turns the gradient into a direction. Static.
      max_grad_norm: bound on the norm of the natural gradient; None for none.
      adam_eps: what Adam adds to the root of the second moment. Static.
      damping: lambda, added to the diagonal of F; 0 for the pseudo-inverse.

    Raises:
      UpslopeError: from `configure`: the environment is no finite MDP, or its J is undefined.

    References:
      Kakade (2002), section 2; Agarwal et al. (2021), theorem 16.
    """

    name: ClassVar[str] = "natural-gradient"
    defaults: ClassVar[Defaults] = Defaults(total_timesteps=100, example="short-corridor")
    damping: float = eqx.field(static=True, default=0.0)

    def __check_init__(self) -> None:
        check_number(type(self).__name__, "damping", self.damping, at_least=0.0)

    def configure(self, spec: ProblemSpec) -> ExactGradientAscent:
        if isinstance(spec.environment, LinearQuadratic):
            raise UpslopeError(
                "natural-gradient is exact on finite MDPs only so far; linear-quadratic has "
                "continuous states: use exact-gradient."
            )
        return super().configure(spec)

    def _direction(
        self,
        policy: Policy,
        environment: Environment,
        objective: Objective,
        horizon: int | None,
        slope: Array,
    ) -> Array:
        direction = exact.natural_gradient(policy, environment, objective, self.damping, horizon)
        return ravel_parameters(direction)[0]


def drawn(shapes: Shaped, scale: float) -> Shaped:
    """A policy of these shapes with random numbers of that size, to ask what it can be."""
    leaves, structure = jax.tree.flatten(shapes)
    keys = jax.random.split(jax.random.key(0), len(leaves))
    numbers = [
        scale * jax.random.normal(key, leaf.shape, leaf.dtype)
        for key, leaf in zip(keys, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, numbers)


def horizon_of(environment: Environment, objective: Objective) -> int | None:
    """After how many steps an undiscounted episode is over; None for objectives without an end."""
    if not isinstance(objective, EpisodicReturn):
        return None
    limits = [environment.time_limit, objective.horizon]
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None
