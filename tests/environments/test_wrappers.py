"""Wrappers: the state in view, and physics that are drawn anew in each episode."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from environment_checks import check_environment

import upslope
from upslope.core.checks import UpslopeError
from upslope.environments import (
    CartPole,
    Choice,
    DomainRandomization,
    FullState,
    FullyObserved,
    LinearQuadratic,
    LogUniform,
    Normal,
    Pendulum,
    Uniform,
)
from upslope.environments import environment_contract as contract

RANDOM_PENDULUM = DomainRandomization(
    Pendulum(),
    {
        "mass": LogUniform(0.5, 2.0),
        "length": Uniform(0.8, 1.2),
        "gravity": Normal(10.0, 0.5),
        "timestep": Choice([0.04, 0.05]),
    },
)


def rollout(environment, key, actions):
    """Observations and rewards [T, ...] of one episode."""
    reset_key, step_key = jax.random.split(key)
    state, first = environment.reset(reset_key)

    def body(state, inputs):
        state, out = environment.step(inputs[0], state, inputs[1])
        return state, (state, out)

    keys = jax.random.split(step_key, len(actions))
    _, (states, outs) = jax.lax.scan(body, state, (keys, actions))
    return first, states, outs


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        RANDOM_PENDULUM,
        FullyObserved(CartPole()),
        FullyObserved(RANDOM_PENDULUM),
        DomainRandomization(FullyObserved(CartPole()), {"environment.gravity": Uniform(9, 10)}),
    ],
    ids=["randomized", "observed", "observed-randomized", "randomized-observed"],
)
def test_wrappers_are_environments(environment):
    check_environment(environment)
    contract.check_environment(environment)


def test_the_full_state_is_the_state():
    environment = FullyObserved(Pendulum())
    state, seen = environment.reset(jax.random.key(0))
    assert isinstance(seen, FullState)
    np.testing.assert_array_equal(seen.state, state)
    np.testing.assert_array_equal(seen.observation, Pendulum().reset(jax.random.key(0))[1])
    state, out = environment.step(jax.random.key(1), state, jnp.ones(1))
    np.testing.assert_array_equal(out.observation.state, state)


def test_zero_width_is_the_nominal_environment_bit_for_bit():
    nominal = Pendulum(mass=1.3, gravity=9.81)
    fixed = DomainRandomization(
        nominal,
        {
            "mass": LogUniform(1.3, 1.3),
            "length": Uniform(1.0, 1.0),
            "gravity": Normal(9.81, 0.0),
            "max_torque": Choice([2.0]),
        },
    )
    actions = jnp.linspace(-2, 2, 50)[:, None]
    run = jax.jit(rollout)
    one, other = (run(e, jax.random.key(4), actions) for e in (nominal, fixed))
    for a, b in zip(
        jax.tree.leaves((one[0], one[2])), jax.tree.leaves((other[0], other[2])), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_physics_are_constant_within_an_episode_and_new_in_the_next():
    keys = jax.random.split(jax.random.key(0), 64)
    actions = jnp.zeros((20, 1))
    states = jax.vmap(lambda key: rollout(RANDOM_PENDULUM, key, actions)[1])(keys)
    for name in ("mass", "length", "gravity"):
        drawn = np.asarray(states.physics[name])  # [N, T]
        assert (drawn == drawn[:, :1]).all()
        assert np.unique(drawn[:, 0]).size > 60
    assert set(np.unique(states.physics["timestep"])) == {np.float32(0.04), np.float32(0.05)}


def test_a_step_uses_what_the_episode_drew():
    state, _ = RANDOM_PENDULUM.reset(jax.random.key(3))
    _, out = RANDOM_PENDULUM.step(jax.random.key(5), state, jnp.ones(1))
    drawn = {name: float(value) for name, value in state.physics.items()}
    _, wanted = Pendulum(**drawn).step(jax.random.key(5), state.state, jnp.ones(1))
    np.testing.assert_allclose(out.observation, wanted.observation, rtol=1e-6)
    _, nominal = Pendulum().step(jax.random.key(5), state.state, jnp.ones(1))
    assert abs(out.observation[2] - nominal.observation[2]) > 1e-4


def test_the_moments_of_a_log_uniform_draw():
    """|z| < 4.5 for mean and variance of log mass in 10,000 episodes: false alarm 1.4e-5."""
    domain = DomainRandomization(Pendulum(), {"mass": LogUniform(0.25, 4.0)})
    keys = jax.random.split(jax.random.key(1), 10_000)
    states, _ = jax.jit(jax.vmap(domain.reset))(keys)
    logs = np.log(np.asarray(states.physics["mass"], float))
    width = np.log(16.0)
    unit = (logs - np.log(0.25)) / width  # uniform on [0, 1]: variance 1/12, of squares 4/45
    z_mean = (unit.mean() - 0.5) / np.sqrt(1 / 12 / 10_000)
    z_square = (np.square(unit).mean() - 1 / 3) / np.sqrt(4 / 45 / 10_000)
    assert max(abs(z_mean), abs(z_square)) < 4.5
    # Uniform draws in the place of log-uniform ones are detected.
    wrong = np.log(0.25 + 3.75 * unit)
    wrong = (wrong - np.log(0.25)) / width
    assert abs(wrong.mean() - 0.5) / np.sqrt(1 / 12 / 10_000) > 4.5


def test_draws_are_independent_of_the_start():
    """The correlation of mass and first angle over 4,000 episodes: |z| < 4.5."""
    keys = jax.random.split(jax.random.key(2), 4000)
    states, _ = jax.jit(jax.vmap(RANDOM_PENDULUM.reset))(keys)
    mass, angle = np.asarray(states.physics["mass"]), np.asarray(states.state[:, 0])
    assert abs(np.corrcoef(mass, angle)[0, 1]) * np.sqrt(4000) < 4.5
    assert abs(np.corrcoef(mass, states.physics["length"])[0, 1]) * np.sqrt(4000) < 4.5


def test_a_matrix_is_drawn_entry_by_entry():
    domain = DomainRandomization(LinearQuadratic(), {"B": Uniform(0.9, 1.1)})
    state, _ = domain.reset(jax.random.key(0))
    assert state.physics["B"].shape == (3, 3)
    assert np.unique(state.physics["B"]).size == 9


def test_new_ranges_compile_nothing():
    traces = []

    @jax.jit
    def reset(domain, key):
        traces.append(1)
        return domain.reset(key)

    for high in (1.5, 2.0):
        reset(DomainRandomization(Pendulum(), {"mass": Uniform(1.0, high)}), jax.random.key(0))
    assert len(traces) == 1


def test_normal_draws_stay_within_their_limits():
    """Mean of a normal cut symmetrically is its mean: |z| < 4.5 with the variance of a cut one."""
    draws = np.asarray(Normal(1.0, 0.5, low=0.2, high=1.8).sample(jax.random.key(0), (20_000,)))
    assert draws.min() >= 0.2
    assert draws.max() <= 1.8
    assert abs(draws.mean() - 1.0) / (draws.std() / np.sqrt(20_000)) < 4.5


@pytest.mark.parametrize(
    ("distributions", "reason"),
    [
        ({"mas": Uniform(1, 2)}, "Did you mean 'mass'"),
        ({"time_limit": Uniform(1, 2)}, "no number of Pendulum"),
        ({"mass": 2.0}, "Uniform, LogUniform, Normal or Choice"),
        ({"mass": Uniform(0.0, 2.0)}, "Pendulum.mass must be above 0"),
        ({"mass": Normal(1.0, 0.1)}, "mass must be above 0"),
        ({"length": Choice([-1.0, 1.0])}, "length must be above 0"),
    ],
)
def test_refusals(distributions, reason):
    with pytest.raises(UpslopeError, match=reason):
        DomainRandomization(Pendulum(), distributions)


@pytest.mark.parametrize(
    ("make_it", "reason"),
    [
        (lambda: Uniform(2.0, 1.0), "low must not be above high"),
        (lambda: LogUniform(0.0, 1.0), "above 0"),
        (lambda: Normal(1.0, -1.0), "at least 0"),
        (lambda: Normal(1.0, 1.0, low=2.0), "the mean must lie between them"),
        (lambda: Choice([]), "K at least 1"),
        (lambda: Choice([1.0], [0.0]), "not all zero"),
        (lambda: Uniform(0.0, float("inf")), "a finite number"),
        (lambda: FullyObserved("CartPole-v1"), "must be an upslope Environment"),
    ],
)
def test_refused_numbers(make_it, reason):
    with pytest.raises(UpslopeError, match=reason):
        make_it()


@pytest.mark.slow
def test_ppo_trains_in_a_randomized_environment():
    run = upslope.train(
        DomainRandomization(CartPole(), {"half_length": LogUniform(0.25, 1.0)}),
        "ppo",
        total_timesteps=20_000,
        n_envs=8,
        n_steps=64,
        learning_rate=1e-3,
        seeds=2,
        evaluations=1,
        evaluation_episodes=20,
    )
    assert run.summary.final.returns.mean() > 100
