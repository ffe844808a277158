"""The comparison with `predict` sees what is wrong, and spares what is a tie."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from exported_agents import exportable, random_agent
from gymnasium import spaces

from upslope.core.checks import UpslopeError
from upslope.core.moments import Moments
from upslope.exporting import Exportable, NumPyFormat
from upslope.exporting.agreement import check_agreement
from upslope.exporting.observations import draw_observations
from upslope.training.agent import Agent


def predict(policy):
    """What acts as `predict` by construction."""
    return lambda batch, state: policy.agent.predict(batch, state, deterministic=True)


def test_equal_is_equal():
    policy = exportable("vector", "bounded", "recurrent")
    found = check_agreement("numpy", predict(policy), policy)
    assert found == (1000, 0.0, 0)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda action, state: (action + 1e-3, state), "difference of 0.001"),
        (lambda action, state: (action * np.nan, state), "difference of nan"),
        (lambda action, state: (action[:, 0], state), r"actions of shape \(50, 1\)"),
        (lambda action, state: (action, 1.01 * state), "difference"),
        (lambda action, state: (action[:1].repeat(len(action), 0), state), "difference"),
    ],
)
def test_wrong_numbers_are_seen(wrong, reason):
    policy = exportable("vector", "bounded", "recurrent")
    right = predict(policy)
    with pytest.raises(UpslopeError, match=rf"{reason}.*Nothing was written.*--format"):
        check_agreement("onnx", lambda *given: wrong(*right(*given)), policy)


def test_a_batch_of_one_is_compared_too():
    policy = exportable("vector", "discrete", "softmax")
    right = predict(policy)

    def wrong(batch, state):
        action, state = right(batch, state)
        return (action if len(action) > 1 else 6 - action - 1), state

    first = draw_observations(policy.agent.observation_space, 50, np.random.default_rng(0))[:1]
    assert wrong(first, None)[0] != right(first, None)[0]
    with pytest.raises(UpslopeError, match="other actions on 1 of 1"):
        check_agreement("onnx", wrong, policy)


def test_forgotten_moments_are_seen():
    policy = exportable("vector", "bounded", "gaussian", normalized=True)
    inner = dataclasses.replace(policy.agent.policy, moments=Moments.zeros((3,)))
    bare = Agent(inner, policy.agent.observation_space, policy.agent.action_space)
    with pytest.raises(UpslopeError, match="difference"):
        check_agreement("numpy", predict(Exportable(bare, "x")), policy)


@pytest.mark.parametrize(
    ("action", "kind"),
    [("discrete", "softmax"), ("multi-discrete", "multi-softmax"), ("discrete", "deterministic")],
)
def test_another_action_is_seen_unless_both_are_equally_good(action, kind):
    policy = exportable("vector", action, kind)
    right = predict(policy)
    last = {"discrete": 3, "multi-discrete": np.array([1, 3])}[action]
    with pytest.raises(UpslopeError, match="other actions on"):
        check_agreement("onnx", lambda b, s: (np.zeros_like(right(b, s)[0]) + last, s), policy)
    flat = jax.tree.map(lambda leaf: 0 * leaf, policy.agent.policy)  # all preferences are 0
    agent = Agent(flat, policy.agent.observation_space, policy.agent.action_space)
    tied = Exportable(agent, "x")
    zeros = predict(tied)
    found = check_agreement("onnx", lambda b, s: (np.zeros_like(zeros(b, s)[0]) + last, s), tied)
    assert found.ties == 1000


def test_observations_are_of_the_space_and_near_what_was_seen():
    space = spaces.Dict(
        {
            "speed": spaces.Box(np.float32([-3e38, 0]), np.float32([3e38, np.inf])),
            "count": spaces.Box(-(2**31), 2**31 - 1, (2,), np.int32),
            "state": spaces.Discrete(4, start=-2),
            "bits": spaces.MultiBinary([2, 2]),
            "cards": spaces.Tuple([spaces.MultiDiscrete([2, 5])]),
        }
    )
    drawn = draw_observations(space, 200, np.random.default_rng(0))
    for k in range(200):
        one = jax.tree.map(lambda leaf, k=k: leaf[k], drawn)
        assert space.contains({**one, "state": int(one["state"])})
    assert np.abs(drawn["speed"]).max() < 10
    assert set(drawn["state"]) == {-2, -1, 0, 1}
    box = spaces.Box(-np.inf, np.inf, (2,))
    seen = np.random.default_rng(1).normal([100, -3], [5, 0.1], (500, 2)).astype(np.float32)
    drawn = draw_observations(box, 500, np.random.default_rng(2), Moments.of(seen))
    np.testing.assert_allclose(drawn.mean(axis=0), seen.mean(axis=0), atol=1.5)
    np.testing.assert_allclose(drawn.std(axis=0), seen.std(axis=0), rtol=0.2)


def test_numpy_agrees_through_the_whole_comparison():
    policy = exportable("masked", "discrete", "softmax")
    call = NumPyFormat().decode(NumPyFormat().encode(policy), policy)
    assert check_agreement("numpy", call, policy) == (1000, 0.0, 0)
    assert random_agent("masked", "discrete", "softmax").policy.numpy() is not None
