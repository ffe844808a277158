"""Policies that the first version saved load and act as they did.

The files and the recorded numbers in tests/fixtures/v1 were written by that version.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import upslope
from upslope.policies import NetworkPolicy, default_policy, respond
from upslope.storage.policy_artifact import load_policy, save_policy

V1 = Path(__file__).parents[1] / "fixtures" / "v1"
RECORDS = json.loads((V1 / "policies.json").read_text())
RUNS = json.loads((V1 / "runs.json").read_text())


def said(policy, record, space):
    memory, out = policy.initial_memory(), []
    for observation in record["observations"]:
        x = jnp.asarray(np.asarray(observation, space.dtype))
        distribution, memory = respond(policy, x, memory)
        out.append(
            {
                "mode": np.asarray(distribution.mode()),
                "draw": np.asarray(distribution.sample(jax.random.key(5))),
                "parameters": [np.asarray(leaf) for leaf in jax.tree.leaves(distribution)],
            }
        )
    return out


@pytest.mark.slow
@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["name"])
def test_a_saved_policy_acts_as_it_did(record, tmp_path):
    loaded = load_policy(V1 / "policies" / record["name"])
    got = said(loaded.policy, record, loaded.observation_space)
    for new, old in zip(got, record["said"], strict=True):
        np.testing.assert_allclose(new["mode"], old["mode"], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(new["draw"], old["draw"], rtol=1e-5, atol=1e-6)
        for leaf, expected in zip(new["parameters"], old["parameters"], strict=True):
            np.testing.assert_allclose(leaf, expected, rtol=1e-5, atol=1e-6)
    again = save_policy(
        tmp_path / "policy",
        loaded.policy,
        observation_space=loaded.observation_space,
        action_space=loaded.action_space,
        environment={},
        extra={},
    )
    assert jax.tree.structure(load_policy(again).policy) == jax.tree.structure(loaded.policy)


@pytest.mark.slow
@pytest.mark.parametrize(
    "record", [r for r in RECORDS if r["fresh"]], ids=lambda record: record["name"]
)
def test_the_initial_parameters_of_a_key_are_those_of_the_first_version(record):
    loaded = load_policy(V1 / "policies" / record["name"])
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in record["settings"].items()}
    spaces = (loaded.observation_space, loaded.action_space)
    fresh = default_policy(jax.random.key(7), *spaces, kind=record["kind"], **settings)
    assert jax.tree.structure(fresh) == jax.tree.structure(loaded.policy)
    for new, old in zip(jax.tree.leaves(fresh), jax.tree.leaves(loaded.policy), strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("record", RUNS, ids=lambda record: record["method"])
def test_a_run_of_the_first_version_loads_and_is_evaluated(record, tmp_path):
    folder = V1 / "runs" / record["method"]
    agent = upslope.load(folder)
    assert isinstance(agent.policy, NetworkPolicy)
    actions, _ = agent.predict(np.asarray(record["observations"], np.float32), deterministic=True)
    np.testing.assert_array_equal(actions, record["actions"])
    shutil.copytree(folder, tmp_path / "run")
    evaluation = upslope.evaluate(tmp_path / "run", episodes=4)
    assert evaluation.returns.shape == (2, 4)
    assert np.isfinite(evaluation.returns).all()


def test_a_file_that_pretends_to_be_of_the_first_version_is_refused(tmp_path):
    from upslope.core.checks import StorageError
    from upslope.storage import atomic_folder

    source = V1 / "policies" / "deterministic-linear-vector-free"
    files = {p.name: p.read_bytes() for p in source.iterdir() if p.name != "MANIFEST.json"}
    text = json.loads(files["policy.json"])
    text["policy"]["fields"]["network"] = text["policy"]["fields"]["head"]
    files["policy.json"] = json.dumps(text).encode()
    atomic_folder.commit_folder(tmp_path / "forged", files, "policy")
    with pytest.raises(StorageError):
        load_policy(tmp_path / "forged")
