"""A world that breaks its contract is told so before anything is compiled."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from small_worlds import Clock, Endless, Recall
from upslope.core.checks import EnvironmentContractError, UpslopeError
from upslope.environments import ENVIRONMENTS, make
from upslope.environments.environment_contract import check_environment
from upslope.training.train import train


class OtherShape(Clock):
    """Observes three numbers; its space has two."""

    def reset(self, key):
        state, observation = super().reset(key)
        return state, jnp.concatenate([observation, jnp.zeros(1)])


class OtherShapeLater(Clock):
    """A step observes one number."""

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        return state, out._replace(observation=state[:1])


class OtherTypeLater(Clock):
    """A step observes whole numbers."""

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        return state, out._replace(observation=state.astype(int))


class FractionOfAChoice(Endless):
    """Observes 0.0 of a space of whole numbers."""

    def reset(self, key):
        return jnp.zeros((), int), jnp.zeros(())


class GrowingState(Clock):
    """The state has one number more after each step."""

    def step(self, key, state, action):
        _, out = super().step(key, state, action)
        return jnp.append(state, 0.0), out


class RoundedState(Clock):
    """The state changes its type."""

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        return state.astype(int), out


class OtherTree(Clock):
    """The state becomes a dictionary."""

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        return {"count": state}, out


class PlainTuple(Clock):
    """A step as Gymnasium returns it, without names."""

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        return state, tuple(out)[:3]


class FiveThings(Clock):
    """A step as Gymnasium returns it, flat."""

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        return state, *out[:3], {}


class OnlyTheState(Clock):
    """A reset that shows nothing."""

    def reset(self, key):
        return super().reset(key)[0]


class FloatEnd(Clock):
    """An end of 0.0 or 1.0."""

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        return state, out._replace(terminated=out.terminated.astype(float))


class ArrayReward(Clock):
    """One reward in an array."""

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        return state, out._replace(reward=out.reward[None])


class PythonIf(Clock):
    """Decides in Python what is known only when it runs."""

    def step(self, key, state, action):
        if state[0] > 3:
            state = state + 1
        return super().step(key, state, action)


class NumpyCall(Clock):
    """Computes with numpy what is known only when it runs."""

    def step(self, key, state, action):
        return super().step(key, jnp.asarray(np.sin(state)), action)


class Misspelt(Clock):
    """A step with a defect of its own."""

    def step(self, key, state, action):
        return super().step(key, state, self.nothing)


FAULTS = {
    OtherShape: r"OtherShape.reset gives the observation float32\[3\]; expected is float32\[2\]",
    OtherShapeLater: r"step gives the observation float32\[1\]; expected is float32\[2\]",
    OtherTypeLater: r"step gives the observation int32\[2\]; expected is float32\[2\]",
    FractionOfAChoice: r"reset gives the observation float32\[\]; expected is int32\[\]",
    GrowingState: r"step gives the state float32\[3\]; expected is float32\[2\]",
    RoundedState: r"step gives the state int32\[2\]; expected is float32\[2\]",
    OtherTree: r"step gives the state .*'count'.*as reset gives it",
    PlainTuple: r"beside the state a tuple of 3; expected is upslope.environments.Step\(",
    FiveThings: r"step returns a tuple of 5; expected is a pair \(state, Step\)",
    OnlyTheState: r"reset returns an? .*; expected is a pair \(state, observation\)",
    FloatEnd: r"step gives terminated float32\[\]; expected is bool\[\]",
    ArrayReward: r"step gives reward float32\[1\]; expected is float32\[\]",
    PythonIf: r"PythonIf.step .*\(test_world_contract.py, line \d+\).*jnp.where",
    NumpyCall: r"NumpyCall.step .*\(test_world_contract.py, line \d+\).*jax.numpy",
    Misspelt: r"Misspelt.step raised AttributeError \(.*py, line \d+\): .*nothing",
}


@pytest.mark.parametrize("world", FAULTS)
def test_each_fault_is_named_with_what_was_found_and_what_is_expected(world):
    with pytest.raises(EnvironmentContractError, match=FAULTS[world]) as caught:
        check_environment(world())
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)


class Whole(Clock):
    """Whole numbers and Python's own are numbers, too."""

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        return state, out._replace(reward=1, terminated=False)


class Keyed(Clock):
    """The state holds a key."""

    def reset(self, key):
        state, observation = super().reset(key)
        return (state, key), observation

    def step(self, key, state, action):
        after, out = super().step(key, state[0], action)
        return (after, jax.random.fold_in(state[1], 1)), out


@pytest.mark.parametrize("world", [Clock, Endless, Recall, Whole, Keyed])
def test_worlds_that_keep_the_contract_pass(world):
    check_environment(world())


@pytest.mark.parametrize("name", ENVIRONMENTS.names())
def test_every_world_of_the_library_passes(name):
    check_environment(make(name))


def test_worlds_of_the_library_pass_in_double_precision(x64):
    for name in ENVIRONMENTS.names():
        check_environment(make(name))


class Refusing(Clock):
    """Explains itself."""

    def reset(self, key):
        raise UpslopeError("Not with these settings.")


def test_what_a_world_explains_itself_is_not_wrapped():
    with pytest.raises(UpslopeError, match=r"^Not with these settings") as caught:
        check_environment(Refusing())
    assert caught.value.exit_code == 2


def test_training_says_so_before_it_writes_anything(tmp_path):
    with pytest.raises(EnvironmentContractError, match="GrowingState"):
        train(GrowingState(), "ppo", out=tmp_path / "run", use_preset=False, total_timesteps=64)
    assert not (tmp_path / "run").exists()
