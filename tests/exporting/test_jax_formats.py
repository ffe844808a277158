"""StableHLO and ONNX act as `predict`, for any batch size."""

from __future__ import annotations

import importlib.util
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from exported_agents import FAMILIES, exportable, random_agent

from small_policies import Affine
from upslope.core.checks import UpslopeError
from upslope.exporting import Exportable, ONNXFormat, StableHLOFormat
from upslope.exporting.agreement import check_agreement
from upslope.exporting.observations import draw_observations
from upslope.exporting.onnx_equations import evaluate
from upslope.training.agent import Agent


def missing(*packages):
    """Why a test of a format cannot run here."""
    absent = [name for name in packages if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(absent), reason=f"needs {', '.join(absent)}")


with_flatbuffers = missing(*StableHLOFormat.packages)
with_onnx = missing(*ONNXFormat.packages)


def agree(kind, family, **settings):
    policy = exportable(*family, **settings)
    call = kind.decode(kind.encode(policy), policy)
    return check_agreement(kind.filename, call, policy, steps=3, episodes=8)


@pytest.mark.slow
@with_flatbuffers
@pytest.mark.parametrize("family", FAMILIES, ids="-".join)
def test_stablehlo_of_every_family(family):
    normalized = family[2] in ("softmax", "recurrent", "gaussian")
    assert agree(StableHLOFormat(), family, normalized=normalized).difference <= 1e-5


@pytest.mark.slow
@with_onnx
@pytest.mark.parametrize("family", FAMILIES, ids="-".join)
def test_onnx_of_every_family(family):
    normalized = family[2] in ("softmax", "recurrent", "gaussian")
    assert agree(ONNXFormat(), family, normalized=normalized).difference <= 1e-5


@pytest.mark.slow
@with_flatbuffers
def test_stablehlo_is_called_by_jax_alone():
    from jax import export

    agent = random_agent("tree", "bounded", "recurrent")
    data = StableHLOFormat().encode(Exportable(agent, "a policy"))
    exported = export.deserialize(bytearray(data))
    assert set(exported.platforms) >= {"cpu", "cuda", "tpu"}
    batch = draw_observations(agent.observation_space, 3, np.random.default_rng(0))
    batch = jax.tree.map(jnp.asarray, batch)  # 64 bits become 32
    memory = jnp.zeros((3, 5))
    action, after = exported.call(batch, memory)
    expected, state = agent.predict(jax.tree.map(np.asarray, batch), deterministic=True)
    np.testing.assert_allclose(action, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(after, state, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@with_onnx
def test_inputs_and_outputs_of_the_model_have_names():
    import onnxruntime

    handlers = list(logging.getLogger().handlers)
    argmax = jnp.argmax
    data = ONNXFormat().encode(exportable("tree", "bounded", "recurrent"))
    assert logging.getLogger().handlers == handlers
    assert jnp.argmax is argmax
    session = onnxruntime.InferenceSession(data)
    inputs = {one.name: one.shape for one in session.get_inputs()}
    assert inputs == {
        "observation.arm.0": ["N", 3],
        "observation.arm.1": ["N"],
        "observation.hand": ["N", 2],
        "observation.screen": ["N", 2, 2],
        "memory": ["N", 5],
    }
    assert [one.name for one in session.get_outputs()] == ["action", "next_memory"]


def test_other_forms_of_equations_are_equal_bit_for_bit():
    table = jnp.asarray(np.random.default_rng(0).normal(size=(5, 3)), jnp.float32)

    def f(i, x):
        chosen = table[i] + jnp.where(x > 0, jax.nn.silu(x), jnp.nan_to_num(x))
        return chosen, (i - 7) % 4, jax.lax.rem(i - 7, 4)

    x = jnp.float32([0.5, -2.0, 0.0])
    closed = jax.make_jaxpr(f)(jnp.int32(0), x)
    assert "dynamic_slice" in str(closed)
    assert "rem" in str(closed)
    for i in (-1, 0, 3, 4, 9):  # -1 counts from the end, 9 is clipped
        found, expected = evaluate(closed, (jnp.int32(i), x)), f(jnp.int32(i), x)
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_tables_with_infinities_keep_them():
    closed = jax.make_jaxpr(lambda i: jnp.float32([[1, -jnp.inf], [jnp.nan, 2]])[i])(jnp.int32(0))
    np.testing.assert_array_equal(evaluate(closed, (jnp.int32(0),))[0], [1, -np.inf])
    np.testing.assert_array_equal(evaluate(closed, (jnp.int32(1),))[0], [np.nan, 2])


@pytest.mark.slow
@with_flatbuffers
def test_a_policy_of_ones_own_needs_no_twin():
    agent = random_agent("vector", "discrete", "softmax")
    weights = jnp.asarray(np.random.default_rng(0).normal(size=(3, 3)), jnp.float32)
    own = Affine(weights, jnp.zeros(3))
    policy = Exportable(Agent(own, agent.observation_space, agent.action_space), "own")
    call = StableHLOFormat().decode(StableHLOFormat().encode(policy), policy)
    assert check_agreement("stablehlo", call, policy, steps=1, episodes=8).ties == 0


def test_an_actor_that_draws_while_greedy_is_refused():
    class Drawing(Affine):
        def greedy(self):
            return self

    agent = random_agent("vector", "discrete", "softmax")
    policy = Agent(Drawing.zeros(3, 3), agent.observation_space, agent.action_space)
    with pytest.raises(UpslopeError, match=r"Drawing draws random numbers.*greedy\(\)"):
        Exportable(policy, "x").act()
