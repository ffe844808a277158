"""Q-planning: Q-learning on steps that a known model simulates."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError, check_number
from upslope.environments.environment import Environment
from upslope.environments.tabular.tabular_environment import TabularEnvironment
from upslope.exact.tables import observations, tabular
from upslope.objectives.objective import Objective
from upslope.policies.tabular_softmax import TabularSoftmax
from upslope.sampling.experience import Dynamics
from upslope.search.search_method import Defaults, ProblemSpec, SearchMethod
from upslope.search.value_based.tabular_method import Counts, TabularMethod, moved


class QPlanningState(NamedTuple):
    """The table."""

    values: Float[Array, "S A"]  # q
    counts: Counts  # [S, A] int: updates of each pair; () with a constant learning rate


class QPlanningDiagnostics(NamedTuple):
    """What is looked at, of the updates of an iteration."""

    td_error: Array  # mean |target - q(s, a)|
    model_steps: Array  # updates
    learning_rate: Array  # mean over the updates


class QPlanning(TabularMethod[QPlanningState, Environment]):
    r"""Random-sample one-step tabular Q-planning: states and actions drawn at random, successors
    drawn from the model.

    .. math:: Q(S, A) \leftarrow Q(S, A) + \alpha \big[R + \gamma \max_a Q(S', a) - Q(S, A)\big],
              \qquad S' \sim P(\cdot \mid S, A)

    The model is the environment: a finite MDP that is known, or one that was fitted to data.
    Converges to the optimal action values **of the model** as Q-learning does, and in a
    deterministic one with any constant learning rate: a fitted model's are not the world's. An
    iteration counts as one step of the budget and simulates `planning_steps` updates, which are
    logged as `model_steps`.

    Attributes:
      planning_steps: updates per iteration. Static.

    Raises:
      UpslopeError: from `configure`: the environment is no finite MDP, or hides its state.

    References:
      Sutton and Barto (2018), section 8.1.
    """

    name: ClassVar[str] = "q-planning"
    defaults: ClassVar[Defaults] = Defaults(
        policy="tabular-softmax",
        objective="discounted",
        total_timesteps=1000,
        example="dyna-maze",
    )
    learning_rate: float | Array = 1.0
    learning_rate_exponent: float = eqx.field(static=True, default=0.7)
    planning_steps: int = eqx.field(static=True, default=1000)

    def __check_init__(self) -> None:
        check_number("QPlanning", "planning_steps", self.planning_steps, at_least=1, integer=True)

    @property
    def experience(self) -> Dynamics:
        return Dynamics()

    def configure(self, spec: ProblemSpec) -> SearchMethod[QPlanningState, Environment]:
        super().configure(spec)
        environment = spec.environment
        if environment is None or not (
            isinstance(environment, TabularEnvironment) or hasattr(environment, "finite_mdp")
        ):
            name = "a simulator" if environment is None else type(environment).__name__
            raise UpslopeError(
                "q-planning draws successors of any state from a model, a finite MDP such as "
                f"dyna-maze or garnet; {name} can only be stepped through: use dyna-q, which "
                "learns its model."
            )
        seen = np.asarray(observations(environment))
        if seen.ndim != 1 or not np.array_equal(seen, np.arange(len(seen))):
            raise UpslopeError(
                f"q-planning values states, and {type(environment).__name__} does not show its "
                "own: use reinforce, which needs none."
            )
        return self

    def init(self, key: Key, policy: TabularSoftmax, objective: Objective) -> QPlanningState:
        values = self.start_table(policy)
        return QPlanningState(values, self.start_counts(values))

    def ask(self, key: Key, state: QPlanningState) -> TabularSoftmax:
        return self.solution(state)

    def tell(
        self,
        key: Key,
        state: QPlanningState,
        candidates: TabularSoftmax,
        experience: Environment,
        objective: Objective,
    ) -> tuple[QPlanningState, QPlanningDiagnostics]:
        model = tabular(experience)
        pair_key, step_key = jax.random.split(key)
        n_states, n_actions = state.values.shape
        pairs = jax.random.randint(pair_key, (self.planning_steps,), 0, n_states * n_actions)
        drawn = (pairs // n_actions, pairs % n_actions)
        _, steps = jax.vmap(model.step)(jax.random.split(step_key, self.planning_steps), *drawn)
        continued = 1.0 if steps.discount is None else steps.discount
        bootstrap = objective.discount * jnp.where(steps.terminated, 0.0, continued)

        def update(
            carry: tuple[Array, Counts], now: tuple[Array, ...]
        ) -> tuple[tuple[Array, Counts], tuple[Array, Array]]:
            values, counts = carry
            state, action, reward, successor, bootstrap = now
            error = reward + bootstrap * jnp.max(values[successor]) - values[state, action]
            rate, counts = self.learning_rate_of(counts, state, action)
            return (moved(values, state, action, rate, error), counts), (jnp.abs(error), rate)

        simulated = (*drawn, steps.reward, steps.observation, bootstrap)
        (values, counts), (errors, rates) = jax.lax.scan(
            update, (state.values, state.counts), simulated
        )
        diagnostics = QPlanningDiagnostics(
            td_error=jnp.mean(errors),
            model_steps=jnp.asarray(self.planning_steps, float),
            learning_rate=jnp.mean(rates),
        )
        return QPlanningState(values, counts), diagnostics

    def solution(self, state: QPlanningState) -> TabularSoftmax:
        return TabularSoftmax(state.values)
