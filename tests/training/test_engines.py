"""Which engine samples an environment, and what happens with an engine of one's own."""

import numpy as np
import pytest

import upslope
from small_runs import small_run
from upslope.core.checks import UpslopeError
from upslope.environments import CartPole, make
from upslope.sampling import ENGINES, GymnasiumSampler, HostSampler, JaxSampler
from upslope.sampling.engines import engine_of
from upslope.training.build import build
from upslope.training.config import resolve
from upslope.training.programs import make_program

SIMULATOR = "gymnasium:CartPole-v1"


def test_the_engines_by_name():
    assert ENGINES.names() == ["gymnasium", "jax"]
    assert ENGINES.get("jax") is JaxSampler
    assert ENGINES.get("gymnasium") is GymnasiumSampler
    assert HostSampler in GymnasiumSampler.__mro__


def test_an_environment_says_which_engine_samples_it():
    assert engine_of(CartPole()) == "jax"
    assert engine_of(make(SIMULATOR)) == "gymnasium"
    assert engine_of(make(SIMULATOR), "jax") == "jax"
    with pytest.raises(UpslopeError, match=r"object does not say .* Known: gymnasium, jax"):
        engine_of(object())


def test_unknown_and_unfit_engines_are_refused_before_any_work():
    with pytest.raises(UpslopeError, match=r"Unknown engine 'gymnasum'.*'gymnasium'.*Known: "):
        upslope.train(SIMULATOR, "ppo", engine="gymnasum")
    with pytest.raises(UpslopeError, match="engine='jax' with gymnasium:CartPole-v1, a simulator"):
        upslope.train(SIMULATOR, "ppo", engine="jax")
    with pytest.raises(UpslopeError, match=r"'gymnasium' got a CartPole.*engine 'jax'"):
        upslope.train("CartPole-v1", "ppo", engine="gymnasium")


class Recording(GymnasiumSampler):
    """The engine of Gymnasium, which notes what it was asked for."""

    made: list = []

    def __init__(self, environment, spec, objective, **options):
        Recording.made.append((spec, options["stream"], options["deterministic"]))
        super().__init__(environment, spec, objective, **options)


@pytest.mark.slow
def test_an_engine_of_ones_own_makes_every_sampler_of_the_run(monkeypatch):
    monkeypatch.setattr(Recording, "made", [])
    plain = small_run("cem", None, environment=SIMULATOR)
    with ENGINES.registered("recording", Recording):
        run = small_run("cem", None, environment=SIMULATOR, engine="recording")
    np.testing.assert_array_equal(run.returns, plain.returns)
    streams = [(stream, deterministic) for _, stream, deterministic in Recording.made]
    assert streams[0] == ("training", False)
    assert set(streams[1:]) == {("evaluation", True)}
    with pytest.raises(UpslopeError, match="Unknown engine 'recording'"):
        small_run("cem", None, environment=SIMULATOR, engine="recording")


def test_a_program_never_names_an_engine():
    """Where another sampler has the name, it is the one that is built."""

    class Nothing(HostSampler):
        def __init__(self, *arguments, **options):
            self.statistics = None

        def sample(self, keys, actors, /):
            raise AssertionError

    config = resolve(SIMULATOR, "ppo", use_preset=False)
    with ENGINES.registered("gymnasium", Nothing):
        program = make_program(config, build(config))
    assert type(program.sampler) is Nothing
    # The defaults of the contract: nothing to store, nothing to end.
    assert program.sampler.state() == {}
    program.sampler.restore({})
    program.sampler.start_fresh_episodes(3)
    program.sampler.take_back(np.ones(4, bool))
    with pytest.raises(NotImplementedError, match="Nothing keeps no priorities"):
        program.sampler.set_priorities(None, None, np.ones(4, bool))
    program.close()
