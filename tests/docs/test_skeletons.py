"""The skeletons that contributors copy keep the contracts."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from environment_checks import check_environment, check_randomness

import upslope
from upslope.objectives import DiscountedReturn, EpisodicReturn
from upslope.policies import TabularSoftmax, default_policy
from upslope.sampling import JaxSampler
from upslope.search.iteration import iterate

SKELETONS = Path(__file__).parents[2] / "docs" / "skeletons"


def skeleton(name):
    """The module of a skeleton, loaded from its file."""
    spec = importlib.util.spec_from_file_location(f"skeleton_{name}", SKELETONS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


ENVIRONMENT = skeleton("environment").DriftingWalk
METHOD = skeleton("method").RandomSearch


def started(method, environment, seed):
    """A search at its start: its state and its sampler."""
    key = jax.random.key(seed)
    objective = EpisodicReturn()
    policy = default_policy(
        key, environment.observation_space, environment.action_space, hidden=(4,)
    )
    state = method.init(key, policy, objective)
    return state, JaxSampler.create(key, environment, method.experience, objective, policy)


@pytest.mark.slow
def test_the_environment_keeps_the_contract():
    check_environment(ENVIRONMENT())
    check_randomness(ENVIRONMENT(), starts=True, steps=True)


@pytest.mark.parametrize("setting", [{"force": 0.0}, {"edge": -1.0}, {"drift": float("nan")}])
def test_the_environment_refuses_bad_numbers(setting):
    with pytest.raises(upslope.core.checks.UpslopeError, match=next(iter(setting))):
        ENVIRONMENT(**setting)


@pytest.mark.slow
def test_the_method_keeps_its_state_and_its_program():
    environment, objective = ENVIRONMENT(time_limit=10), EpisodicReturn()
    method = METHOD(population_size=4, episodes_per_candidate=2)
    compiled = []

    @jax.jit
    def step(key, method, state, sampler):
        compiled.append(method.population_size)
        return iterate(key, method, objective, state, sampler)

    state, sampler = started(method, environment, 0)
    before = jax.tree.map(lambda leaf: (jnp.shape(leaf), jnp.asarray(leaf).dtype), state)
    best = []
    for k in range(3):
        state, sampler, diagnostics = step(jax.random.key(k), method, state, sampler)
        best.append(float(diagnostics.best))
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), state) == before
    assert best == sorted(best)
    assert best[0] < 0
    count = len(compiled)
    step(jax.random.key(9), METHOD(4, 2, std=2.0), state, sampler)
    assert len(compiled) == count, "a new number compiled the program anew"


@pytest.mark.slow
def test_seeds_side_by_side_are_the_seeds_one_by_one():
    environment, method, objective = ENVIRONMENT(time_limit=10), METHOD(4, 2), EpisodicReturn()

    def search(seed):
        state, sampler = started(method, environment, seed)
        state, _, _ = iterate(jax.random.key(seed), method, objective, state, sampler)
        return state.best_return

    search_all = jax.jit(jax.vmap(search))(jnp.arange(3))
    np.testing.assert_allclose(search_all, [jax.jit(search)(s) for s in range(3)], rtol=1e-5)
    assert np.unique(search_all).size == 3


@pytest.mark.parametrize(
    "setting", [{"std": 0.0}, {"population_size": 0}, {"episodes_per_candidate": 1.5}]
)
def test_the_method_refuses_bad_numbers(setting):
    with pytest.raises(upslope.core.checks.UpslopeError, match=next(iter(setting))):
        METHOD(**setting)


@pytest.mark.slow
def test_the_skeletons_keep_the_style():
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, str(SKELETONS)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


REPLAY_METHOD = skeleton("replay_method").ReplayedQLearning


def learnt(planning_steps, steps=2500):
    """The value of the Dyna maze's start, and the state, after some steps."""
    environment, objective = upslope.make("dyna-maze"), DiscountedReturn(0.95)
    method = REPLAY_METHOD(planning_steps, learning_rate=0.5)
    key = jax.random.key(3)
    state = method.init(key, TabularSoftmax(jnp.zeros((54, 4))), objective)
    actor = method.ask(key, state)
    sampler = JaxSampler.create(key, environment, method.experience, objective, actor)

    @jax.jit
    def search(state, sampler):
        def one(carry, k):
            new = iterate(jax.random.fold_in(key, k), method, objective, *carry)
            return new[:2], new[2].td_error

        return jax.lax.scan(one, (state, sampler), jnp.arange(steps))

    (state, _), errors = search(state, sampler)
    start, _ = environment.reset(key)
    return float(jnp.max(state.policy.logits[int(start)])), errors


@pytest.mark.slow
def test_the_method_that_replays_learns_the_exact_value():
    """The best discounted value of the start is 0.95^13; without a memory it is far below."""
    value, errors = learnt(planning_steps=30)
    assert value == pytest.approx(0.95**13, abs=1e-3)
    assert np.isfinite(errors).all()
    assert learnt(planning_steps=1, steps=500)[0] < 0.2


@pytest.mark.slow
@pytest.mark.learning
def test_the_method_that_replays_trains_with_one_registration():
    from upslope.search import METHODS

    with METHODS.registered("replayed-q-learning", REPLAY_METHOD, "the skeleton"):
        run = upslope.train(
            "dyna-maze",
            "replayed-q-learning",
            total_timesteps=3000,
            seeds=2,
            evaluations=1,
            gamma=0.95,
            learning_rate=0.5,
        )
        assert (run.returns == 1.0).all()
        with pytest.raises(upslope.core.checks.UpslopeError, match="use dqn"):
            upslope.train("CartPole-v1", "replayed-q-learning", policy="softmax", seeds=1)
