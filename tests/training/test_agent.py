"""`predict`: the twin and JAX agree, one observation or a batch, with memory, masks and trees."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from upslope.core.checks import UpslopeError
from upslope.policies import default_policy
from upslope.training.agent import Agent, load

KEY = jax.random.key(0)
VECTOR = spaces.Box(-1, 1, (3,), np.float32)
FOUR = spaces.Discrete(4)


def agent(observation_space, action_space, jax_only=False, **settings):
    policy = default_policy(KEY, observation_space, action_space, out_gain=1.0, **settings)
    made = Agent(policy, observation_space, action_space)
    if jax_only:
        made._twin = None  # as for a policy that has none
    return made


@pytest.mark.parametrize("kind", ["softmax", "recurrent"])
def test_both_ways_of_acting_agree(kind):
    fast, slow = (agent(VECTOR, FOUR, jax_only, kind=kind) for jax_only in (False, True))
    rng = np.random.default_rng(0)
    states = [None, None]
    for step in range(4):
        observation = rng.normal(size=(5, 3))
        starts = np.arange(5) == step
        both = [
            a.predict(observation, state, starts, deterministic=True)
            for a, state in zip((fast, slow), states, strict=True)
        ]
        np.testing.assert_array_equal(both[0][0], both[1][0])
        states = [state for _, state in both]
        if kind == "recurrent":
            np.testing.assert_allclose(*states, rtol=1e-5, atol=1e-6)
        else:
            assert states == [None, None]
    one, state = fast.predict(rng.normal(size=3))
    assert np.shape(one) == ()
    assert one.dtype == np.int64
    assert (state is None) == (kind == "softmax")


def test_an_episode_start_forgets():
    recurrent = agent(VECTOR, spaces.Box(-9, 9, (2,)), kind="recurrent")
    observation = np.ones((2, 3))
    first, state = recurrent.predict(observation, deterministic=True)
    later, _ = recurrent.predict(observation, state, deterministic=True)
    half, _ = recurrent.predict(observation, state, np.array([True, False]), deterministic=True)
    assert np.abs(first - later).max() > 1e-3
    np.testing.assert_array_equal(half[0], first[0])
    np.testing.assert_array_equal(half[1], later[1])
    with pytest.raises(UpslopeError, match="episode_start of 3"):
        recurrent.predict(observation, state, np.zeros(3, bool))
    with pytest.raises(UpslopeError, match="state that does not fit"):
        recurrent.predict(observation, state[:1])


@pytest.mark.parametrize("jax_only", [False, True])
def test_draws_begin_with_the_seed_and_stay_inside(jax_only):
    box = spaces.Box(np.float32([-1, 0]), np.float32([0.1, 2]))
    observation = np.zeros((400, 3))
    one, same = (agent(VECTOR, box, jax_only).predict(observation)[0] for _ in range(2))
    np.testing.assert_array_equal(one, same)
    assert one.dtype == np.float32
    assert (one >= box.low).all()
    assert (one <= box.high).all()
    assert one.std(axis=0).min() > 0.1


def test_masks_trees_and_spaces_that_do_not_begin_at_zero():
    space = spaces.Dict(
        {
            "cards": spaces.Tuple([spaces.Discrete(3, start=-1), VECTOR]),
            "action_mask": spaces.MultiBinary(4),
        }
    )
    fast, slow = (agent(space, spaces.Discrete(4, start=5), j) for j in (False, True))
    rng = np.random.default_rng(0)
    for seed in range(10):
        space.seed(seed)
        mask = rng.permutation([0, 1, 0, 1]).astype(np.int8)
        observation = {**space.sample(), "action_mask": mask}
        chosen, _ = fast.predict(observation, deterministic=True)
        assert chosen == slow.predict(observation, deterministic=True)[0]
        for _ in range(5):
            assert mask[fast.predict(observation)[0] - 5] == 1
    batch = jax.tree.map(lambda leaf: np.stack([leaf] * 3), observation)
    assert fast.predict(batch)[0].shape == (3,)
    with pytest.raises(UpslopeError, match="parts"):
        fast.predict({"cards": observation["cards"]})
    with pytest.raises(UpslopeError, match="some parts are one and some a batch"):
        fast.predict({**observation, "action_mask": np.ones((2, 4))})
    with pytest.raises(UpslopeError, match=r"shape \(3,\)"):
        fast.predict({**observation, "action_mask": np.ones(3)})


def test_trees_survive_saving(tmp_path):
    space = spaces.Dict({"x": VECTOR, "action_mask": spaces.MultiBinary(4)})
    made = agent(space, FOUR, normalize_observations=True)
    back = load(made.save(tmp_path / "policy"))
    observation = {"x": np.float32([0.1, 0.2, -0.3]), "action_mask": np.int8([0, 1, 1, 0])}
    args = (observation, None, None, True)
    assert back.predict(*args) == made.predict(*args)
    assert jax.tree.structure(back.policy) == jax.tree.structure(made.policy)
    assert jnp.isfinite(back.policy.moments.count)


@pytest.mark.parametrize("jax_only", [False, True])
def test_integers_beyond_32_bits_are_read_as_the_floats_they_were_in_training(jax_only):
    """Bounds beyond int32 make the policy's space one of floats; 2^32 is not 0."""
    acting = agent(spaces.Box(0, 2.0**40, (3,), np.float32), FOUR, jax_only)
    large = np.array([2**32, 2**33, 2**34])
    expected, _ = acting.predict(large.astype(np.float32), deterministic=True)
    zero, _ = acting.predict(np.zeros(3), deterministic=True)
    got, _ = acting.predict(large, deterministic=True)
    assert got == expected != zero


NAN, INFINITY = np.float32("nan"), np.float32("inf")


@pytest.mark.parametrize(
    ("observation", "word"),
    [
        ((np.zeros(3, np.float32), {}), "the pair .observation, info. that reset returns"),
        ((np.zeros(3, np.float32), {"lives": 3}), "that reset returns"),
        ((np.zeros(3, np.float32), 1.0, False, False, {}), "the five that step returns"),
        ([0.0, NAN, 0.0], r"1 NaN .the first: observation 0 of 1, index .1."),
        ([[0.0, 0.0, 0.0], [0.0, 0.0, NAN]], r"observation 1 of 2, index .2."),
        (np.full((2, 3), np.nan), "6 NaN"),
        ([[0.0, 0.0, 0.0], [0.0]], "no array"),
        (["a", "b", "c"], "reads numbers"),
        (None, "reads numbers|shape"),
    ],
)
def test_what_is_no_observation_is_refused(observation, word):
    with pytest.raises(UpslopeError, match=word):
        agent(VECTOR, FOUR).predict(observation)


def test_an_infinity_is_no_nan():
    action, _ = agent(VECTOR, FOUR).predict([INFINITY, 0.0, 0.0], deterministic=True)
    assert action in range(4)


def test_text_is_left_out_of_observations_and_of_batches_of_them():
    acting = agent(spaces.Dict(a=VECTOR), FOUR)
    assert acting.predict({"a": np.zeros(3), "mission": "go"})[0] in range(4)
    batch = {"a": np.zeros((2, 3)), "mission": ["go", "stay"]}
    assert acting.predict(batch)[0].shape == (2,)
    with pytest.raises(UpslopeError, match=r"the parts .*'lives'"):
        acting.predict({"a": np.zeros(3), "lives": 3})


def test_a_pair_is_an_observation_of_a_space_of_pairs():
    mine = spaces.Tuple((VECTOR, spaces.Dict(a=VECTOR)))
    pair = (np.zeros(3, np.float32), {"a": np.zeros(3, np.float32)})
    assert agent(mine, FOUR).predict(pair)[0] in range(4)
    with pytest.raises(UpslopeError, match="that reset returns"):
        agent(spaces.Dict(a=VECTOR), FOUR).predict(({"a": np.zeros(3)}, {}))
    with pytest.raises(UpslopeError, match="1 NaN"):
        agent(spaces.Dict(a=VECTOR), FOUR).predict({"a": [0.0, NAN, 0.0]})
