"""Observations as trees, action masks, noise from the head, and networks for critics."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from upslope.core.checks import UpslopeError
from upslope.core.moments import Moments
from upslope.policies import NormalizedPolicy, default_policy, respond
from upslope.policies.critics import action_value, action_values, state_value
from upslope.policies.default import choose_kind
from upslope.policies.encoding import encode

KEY = jax.random.key(0)
VECTOR = spaces.Box(-1, 1, (3,), np.float32)
MASKED = spaces.Dict({"observation": VECTOR, "action_mask": spaces.MultiBinary(4)})
FOUR = spaces.Discrete(4)


def masked(mask, x=(0.3, -1.0, 2.0)):
    return {"observation": jnp.asarray(x), "action_mask": jnp.asarray(mask, jnp.int8)}


def test_a_tree_is_read_by_sorted_keys_and_the_mask_is_no_input():
    observation = {
        "z": jnp.asarray([255, 51], jnp.uint8),
        "a": (jnp.asarray(2), jnp.asarray([[1.5, -2.0]])),
        "action_mask": jnp.ones(7, jnp.int8),
    }
    got = encode(observation, ((3,), (), ()))
    np.testing.assert_allclose(got, [0, 0, 1, 1.5, -2.0, 1.0, 0.2], rtol=1e-6)
    space = spaces.Dict(
        {
            "z": spaces.Box(0, 255, (2,), np.uint8),
            "a": spaces.Tuple([spaces.Discrete(3), spaces.Box(-9, 9, (1, 2))]),
            "action_mask": spaces.MultiBinary(7),
        }
    )
    policy = default_policy(KEY, space, spaces.Discrete(7), hidden=(5,))
    assert policy.body.network.layers[0].weight.shape == (7, 5)
    assert policy.body.categories == ((3,), (), ())
    assert policy(observation).probs.shape == (7,)


def test_the_default_kinds_of_masked_spaces():
    assert choose_kind(MASKED, FOUR) == "softmax"
    one = spaces.Dict({"observation": spaces.Discrete(3), "action_mask": spaces.MultiBinary(4)})
    assert choose_kind(one, FOUR) == "softmax"
    several = spaces.Dict({"observation": VECTOR, "action_mask": spaces.MultiBinary(5)})
    assert choose_kind(several, spaces.MultiDiscrete([2, 3])) == "multi-softmax"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["softmax", "linear-softmax", "recurrent"])
def test_a_masked_action_is_never_taken_and_learns_nothing(kind):
    policy = default_policy(KEY, MASKED, FOUR, kind=kind)
    leaves, structure = jax.tree.flatten(policy)
    policy = jax.tree.unflatten(structure, [leaf + 0.5 for leaf in leaves])
    observation = masked([0, 1, 0, 1])
    said, memory = respond(policy, observation, policy.initial_memory())
    assert np.asarray(said.probs)[[0, 2]].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(said.probs.sum(), 1.0, rtol=1e-6)
    draws = jax.vmap(lambda key: policy.act(policy.noise(key), observation, memory).action)(
        jax.random.split(KEY, 500)
    )
    assert set(np.unique(draws)) == {1, 3}
    assert int(said.mode()) in (1, 3)
    assert said.log_prob(jnp.asarray(0)) == -jnp.inf

    def log_prob(policy):
        said, _ = respond(policy, observation, policy.initial_memory())
        return said.log_prob(jnp.asarray(1)) + said.entropy()

    gradient = jax.grad(log_prob)(policy)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    if kind == "softmax":
        bias = np.asarray(gradient.body.network.layers[-1].bias)
        assert bias[[0, 2]].tolist() == [0.0, 0.0]
        assert bias[1] != 0


@pytest.mark.slow
def test_masks_of_several_choices():
    space = spaces.Dict({"observation": VECTOR, "action_mask": spaces.MultiBinary(5)})
    policy = default_policy(KEY, space, spaces.MultiDiscrete([2, 3]))
    said = policy(masked([0, 1, 1, 0, 1]))
    draws = jax.vmap(said.sample)(jax.random.split(KEY, 300))
    assert (draws[:, 0] == 1).all()
    assert set(np.unique(draws[:, 1])) == {0, 2}
    assert np.asarray(said.factors[1].probs)[1] == 0.0


def test_a_mask_that_forbids_everything_counts_as_none():
    """Padding and finished games: such a step has weight 0, and 0 times infinity is no number."""
    policy = default_policy(KEY, MASKED, FOUR)
    said = policy(masked([0, 0, 0, 0]))
    np.testing.assert_allclose(said.probs, policy(masked([1, 1, 1, 1])).probs)
    several = policy.numpy()
    got, _ = several.parameters({k: np.asarray(v)[None] for k, v in masked([0] * 4).items()})
    assert np.isfinite(got["logits"]).all()


def test_numpy_masks():
    policy = default_policy(KEY, MASKED, FOUR)
    twin = policy.numpy()
    batch = jax.tree.map(lambda *x: np.stack(x), *[masked(m) for m in ([0, 1, 1, 0], [1, 0, 0, 0])])
    got, _ = twin.parameters(batch)
    expected = jax.vmap(policy)(batch).log_probs
    np.testing.assert_allclose(jax.nn.log_softmax(got["logits"]), expected, rtol=1e-5)
    for seed in range(50):
        action, _ = twin.act_batch(batch, (), np.random.default_rng(seed))
        assert action[0] in (1, 2)
        assert action[1] == 0


def test_masks_where_nothing_can_be_masked_are_refused():
    numbers = spaces.Box(-1, 1, (2,))
    with pytest.raises(UpslopeError, match="cannot be masked"):
        default_policy(KEY, MASKED, numbers)
    with pytest.raises(UpslopeError, match="4 entries"):
        default_policy(KEY, MASKED, spaces.Discrete(3))
    for kind in ("gaussian", "squashed-gaussian", "beta", "deterministic"):
        policy = default_policy(KEY, VECTOR, numbers, kind=kind)
        with pytest.raises(UpslopeError, match="only choices from a list"):
            policy(masked([1, 1]))
    switches = default_policy(KEY, VECTOR, spaces.MultiBinary(2))
    with pytest.raises(UpslopeError, match="Bernoulli"):
        switches(masked([1, 1]))
    with pytest.raises(UpslopeError, match="action_mask of shape"):
        default_policy(KEY, VECTOR, FOUR)(masked([1, 1]))


@pytest.mark.slow
def test_moments_of_trees_count_the_floats():
    rng = np.random.default_rng(0)
    data = {
        "a": jnp.asarray(rng.normal(3, 2, (40, 3)), jnp.float32),
        "b": (jnp.asarray(rng.integers(0, 4, 40)), jnp.asarray(rng.normal(size=40), jnp.float32)),
        "screen": jnp.zeros((40, 2, 2), jnp.uint8),
        "action_mask": jnp.ones((40, 4), jnp.float32),
    }
    whole = Moments.of(data)
    parts = [Moments.of(jax.tree.map(lambda x: x[:15], data))]
    parts.append(Moments.of(jax.tree.map(lambda x: x[15:], data)))
    sample = jax.tree.map(lambda x: x[0], data)
    merged = Moments.zeros_like(sample).merge(parts[0]).merge(parts[1])
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *parts).together()
    np.testing.assert_allclose(whole.mean["a"], np.asarray(data["a"]).mean(0), rtol=1e-5)
    np.testing.assert_allclose(whole.variance["b"][1], np.asarray(data["b"][1]).var(), rtol=1e-5)
    assert whole.mean["screen"] is whole.mean["b"][0] is whole.mean["action_mask"] is None
    for other in (merged, stacked):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), whole, other
        )
    standard = jax.vmap(whole.normalize)(data)
    np.testing.assert_allclose(standard["a"].mean(0), 0, atol=1e-5)
    for name in ("screen", "action_mask"):
        np.testing.assert_array_equal(standard[name], data[name])
    valid = jnp.arange(40) < 15
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
        Moments.of(data, valid),
        parts[0],
    )


def test_normalised_policies_of_trees():
    policy = default_policy(KEY, MASKED, FOUR, normalize_observations=True)
    assert isinstance(policy, NormalizedPolicy)
    seen = policy.observe(Moments.of(jax.tree.map(lambda x: x[None], masked([1, 0, 1, 0]))))
    assert np.asarray(seen(masked([1, 0, 1, 0])).probs)[[1, 3]].tolist() == [0.0, 0.0]
    only = spaces.Dict({"a": spaces.Discrete(3)})
    with pytest.raises(UpslopeError, match="no meaning"):
        default_policy(KEY, only, FOUR, normalize_observations=True)


ACTIONS = {
    "softmax": FOUR,
    "multi-softmax": spaces.MultiDiscrete([2, 3]),
    "bernoulli": spaces.MultiBinary(3),
    "gaussian": spaces.Box(-np.inf, np.inf, (2,)),
    "squashed-gaussian": spaces.Box(-1, 1, (2,)),
    "beta": spaces.Box(-1, 1, (2,)),
    "deterministic": FOUR,
    "recurrent": FOUR,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ACTIONS)
@pytest.mark.parametrize("normalized", [False, True])
def test_noise_of_the_key_gives_the_draw_of_the_key(kind, normalized):
    policy = default_policy(
        KEY, VECTOR, ACTIONS[kind], kind=kind, normalize_observations=normalized
    )
    observation, memory = jnp.asarray([0.3, -1.0, 2.0]), policy.initial_memory()
    said, _ = respond(policy, observation, memory)
    for key in jax.random.split(jax.random.key(8), 5):
        act = policy.act(policy.noise(key), observation, memory)
        np.testing.assert_array_equal(act.action, said.sample(key))
    many = jax.vmap(jax.vmap(policy.noise))(
        jax.random.split(KEY, (7, 2))
    )  # before a loop over time
    assert all(leaf.shape[:2] == (7, 2) for leaf in jax.tree.leaves(many))


def test_the_noise_of_a_table():
    policy = default_policy(KEY, spaces.Discrete(3), FOUR)
    for key in jax.random.split(KEY, 5):
        act = policy.act(policy.noise(key), jnp.asarray(1), ())
        assert act.action == policy(jnp.asarray(1)).sample(key)


CRITICS = [
    ("softmax", VECTOR, FOUR),
    ("gaussian-linear", VECTOR, spaces.Box(-1, 1, (2,))),
    ("recurrent", VECTOR, FOUR),
    ("convolutional", spaces.Box(0, 255, (6, 6, 2), np.uint8), FOUR),
    ("softmax", MASKED, FOUR),
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "space", "actions"), CRITICS)
def test_critics_of_a_policys_architecture(kind, space, actions):
    policy = default_policy(KEY, space, actions, kind=kind)
    observation = jax.tree.map(jnp.asarray, space.sample())
    for critic, shape, given in (
        (state_value(KEY, policy), (), {}),
        (action_values(KEY, policy, 4), (4,), {}),
        (action_value(KEY, policy, 2), (), {"action": jnp.ones(2)}),
    ):
        memory = critic.initial_memory()
        said = critic(observation, memory, **given)
        value = said[0] if critic.has_memory else said
        assert value.shape == shape
        assert critic.has_memory == policy.has_memory
        if given:
            other = critic(observation, memory, action=jnp.zeros(2))
            other = other[0] if critic.has_memory else other
            assert abs(float(other - value)) > 1e-6


def test_tables_have_values_and_no_place_for_an_action():
    policy = default_policy(KEY, spaces.Discrete(3), FOUR)
    assert action_values(KEY, policy, 4)(jnp.asarray(2)).shape == (4,)
    with pytest.raises(UpslopeError, match="n_extra_inputs=2"):
        action_value(KEY, policy, 2)


@pytest.mark.parametrize("kind", ["threshold", "decision-tree", "sine-gait", "spline"])
def test_rules_have_no_network_and_say_so(kind):
    policy = default_policy(KEY, VECTOR, spaces.Box(-1, 1, (2,)), kind=kind)
    with pytest.raises(UpslopeError, match="has no network whose architecture"):
        state_value(KEY, policy)
    assert not hasattr(policy, "in_size")
