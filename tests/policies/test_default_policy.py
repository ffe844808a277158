"""Which policy fits which spaces, and what is said when one does not."""

import inspect
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from upslope.core.checks import UpslopeError
from upslope.policies import POLICIES, NormalizedPolicy, compatible_kinds, default_policy, respond
from upslope.policies.critics import state_value
from upslope.policies.default import choose_kind
from upslope.policies.registry import RULES
from upslope.storage.serializable import name_in_files
from upslope.storage.serialization import describe, rebuild

KEY = jax.random.key(0)
OBSERVATIONS = {
    "discrete": spaces.Discrete(5),
    "vector": spaces.Box(-1, 1, (3,)),
    "bytes": spaces.Box(0, 255, (4,), np.uint8),
    "switches": spaces.MultiBinary(4),
    "categories": spaces.MultiDiscrete([2, 3]),
    "image": spaces.Box(0, 255, (10, 10, 4), np.uint8),
}
ACTIONS = {
    "discrete": spaces.Discrete(3),
    "box": spaces.Box(-np.inf, np.inf, (2,)),
    "bounded": spaces.Box(-2, 2, (2, 1)),
    "multi-discrete": spaces.MultiDiscrete([2, 4]),
    "multi-binary": spaces.MultiBinary(3),
}


@pytest.mark.slow
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_every_fitting_policy_acts_and_values(observation, action):
    seen, done = OBSERVATIONS[observation], ACTIONS[action]
    kinds = compatible_kinds(seen, done)
    assert choose_kind(seen, done) in kinds
    small = {"hidden": (4, 4)}

    def everything(key, x, kind):
        takes = inspect.signature(POLICIES.get(kind)).parameters
        sized = small if "hidden" in takes else {}
        policy = default_policy(key, seen, done, kind=kind, **sized)
        d, memory = respond(policy, x, policy.initial_memory())
        v, other = jnp.zeros(()), ()
        assert type(policy).__name__ == name_in_files(type(policy))
        if kind not in RULES:  # rules have no network
            value = state_value(key, policy)
            v, other = respond(value, x, value.initial_memory())
            assert type(value).__name__ == name_in_files(type(value))
            assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(value))
        draw = d.sample(key)
        score = d.log_prob(draw) if policy.differentiable else v
        assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(policy))
        return draw, v, score, memory, other

    for kind in kinds:
        x = jax.ShapeDtypeStruct((7, *seen.shape), seen.dtype if seen.shape else jnp.int32)
        batched = jax.vmap(lambda key, x, kind=kind: everything(key, x, kind), in_axes=(None, 0))
        draw, v, score, *_ = jax.eval_shape(batched, KEY, x)
        assert draw.shape == (7, *done.shape)
        assert np.issubdtype(draw.dtype, np.integer) == np.issubdtype(done.dtype, np.integer)
        assert v.shape == score.shape == (7,)


@pytest.mark.parametrize(
    ("observation", "action", "kind"),
    [
        ("discrete", "discrete", "tabular-softmax"),
        ("discrete", "box", "gaussian"),
        ("vector", "discrete", "softmax"),
        ("vector", "bounded", "gaussian"),
        ("categories", "discrete", "softmax"),
        ("vector", "multi-discrete", "multi-softmax"),
        ("switches", "multi-binary", "bernoulli"),
        ("image", "discrete", "convolutional"),
        ("image", "box", "convolutional"),
    ],
)
def test_the_default_kind(observation, action, kind):
    assert choose_kind(OBSERVATIONS[observation], ACTIONS[action]) == kind


@pytest.mark.parametrize(
    ("kind", "observation", "action", "offered"),
    [
        ("gaussian", "vector", "discrete", "softmax"),
        ("tabular-softmax", "vector", "discrete", "linear-softmax"),
        ("beta", "vector", "box", "gaussian"),
        ("squashed-gaussian", "vector", "box", "gaussian"),
        ("convolutional", "vector", "box", "recurrent"),
        ("recurrent", "image", "discrete", "convolutional"),
    ],
)
def test_a_misfit_names_the_spaces_and_what_fits(kind, observation, action, offered):
    seen, done = OBSERVATIONS[observation], ACTIONS[action]
    with pytest.raises(UpslopeError) as error:
        default_policy(KEY, seen, done, kind=kind)
    for part in (repr(kind), str(seen), str(done), offered):
        assert part in str(error.value)


@pytest.mark.parametrize(
    "space",
    [
        spaces.Text(3),
        spaces.Dict({"a": spaces.Text(3)}),
        spaces.Tuple([spaces.Discrete(2), spaces.Sequence(spaces.Discrete(2))]),
        spaces.Dict({"action_mask": spaces.MultiBinary(3)}),
    ],
)
def test_spaces_without_numbers_are_refused_with_a_remedy(space):
    for kind in (None, "softmax"):
        with pytest.raises(UpslopeError, match="Flatten"):
            default_policy(KEY, space, ACTIONS["discrete"], kind=kind)


@pytest.mark.parametrize(
    "space", [spaces.Dict({"a": spaces.Discrete(2)}), spaces.Tuple([spaces.Discrete(2)])]
)
def test_nested_actions_are_refused_with_a_remedy(space):
    for kind in (None, "softmax"):
        with pytest.raises(UpslopeError, match=type(space).__name__):
            default_policy(KEY, OBSERVATIONS["vector"], space, kind=kind)


def test_integer_boxes_are_no_actions_for_a_policy():
    with pytest.raises(UpslopeError, match=r"Box \(of floats\)"):
        default_policy(KEY, OBSERVATIONS["vector"], spaces.Box(0, 9, (2,), np.int32))


def test_unknown_kinds_and_settings_are_named():
    seen, done = OBSERVATIONS["vector"], ACTIONS["discrete"]
    with pytest.raises(UpslopeError, match="Did you mean 'softmax'"):
        default_policy(KEY, seen, done, kind="softmaxx")
    with pytest.raises(UpslopeError, match="no setting 'log_std_init'"):
        default_policy(KEY, seen, done, log_std_init=0.0)
    with pytest.raises(UpslopeError, match="Did you mean 'out_gain'"):
        default_policy(KEY, seen, done, outgain=0.0)
    with pytest.raises(UpslopeError, match="no setting 'hidden'"):
        default_policy(KEY, seen, done, kind="linear-softmax", hidden=(3,))
    with pytest.raises(UpslopeError, match="Unknown activation 'tanhh'"):
        default_policy(KEY, seen, done, activation="tanhh")


def test_settings_reach_the_policy():
    policy = default_policy(
        KEY, OBSERVATIONS["vector"], ACTIONS["box"], hidden=(5, 6), activation="relu",
        log_std_init=-1.0, normalize_observations=True,
    )  # fmt: skip
    assert isinstance(policy, NormalizedPolicy)
    assert policy.moments.mean.shape == (3,)
    inner = policy.policy
    assert [layer.weight.shape[1] for layer in inner.body.network.layers] == [5, 6, 2]
    assert inner.body.network.activation == "relu"
    np.testing.assert_array_equal(inner.head.log_std, [-1.0, -1.0])


@pytest.mark.parametrize("observation", ["discrete", "categories", "image"])
def test_what_cannot_be_normalised_is_refused(observation):
    with pytest.raises(UpslopeError, match="no meaning"):
        default_policy(
            KEY, OBSERVATIONS[observation], ACTIONS["discrete"], normalize_observations=True
        )


def test_every_kind_has_one_line_and_loads():
    for entry in POLICIES:
        assert entry.summary
        assert "\n" not in entry.summary
        assert callable(entry.load())


def test_a_kind_of_ones_own():
    from upslope.core.registry import Entry

    def constant(key, observation_space, action_space, *, bias=0.0):
        return default_policy(key, observation_space, action_space, kind="linear-softmax")

    with POLICIES.registered("of-ones-own", constant, "for this test"):
        assert isinstance(POLICIES.entry("of-ones-own"), Entry)
        seen, done = OBSERVATIONS["vector"], ACTIONS["discrete"]
        default_policy(KEY, seen, done, kind="of-ones-own", bias=1.0)
        with pytest.raises(UpslopeError, match="no setting 'bia'"):
            default_policy(KEY, seen, done, kind="of-ones-own", bia=1.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("observation", "action", "kind"),
    [
        ("vector", "bounded", "squashed-gaussian"),
        ("vector", "box", "deterministic"),
        ("discrete", "discrete", "linear-softmax"),
        ("vector", "multi-discrete", "recurrent"),
        ("image", "multi-binary", "convolutional"),
    ],
)
def test_policies_survive_files(observation, action, kind):
    settings = {"normalize_observations": True} if observation == "vector" else {}
    if kind in ("squashed-gaussian", "recurrent", "deterministic"):
        settings["hidden"] = (4, 4)
    policy = default_policy(KEY, OBSERVATIONS[observation], ACTIONS[action], kind=kind, **settings)
    again = rebuild(*describe(policy))
    assert jax.tree.structure(again) == jax.tree.structure(policy)
    for new, old in zip(jax.tree.leaves(again), jax.tree.leaves(policy), strict=True):
        np.testing.assert_array_equal(new, old)


@pytest.mark.slow
def test_importing_policies_imports_no_simulator():
    def loaded(modules):
        code = f"import sys, {modules}; print({{'gymnasium', 'scipy'}} & set(sys.modules))"
        command = [sys.executable, "-c", code]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert loaded("upslope.policies") == loaded("jax, optax, equinox")
