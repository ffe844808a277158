"""The NumPy file acts as `predict`, imports NumPy alone, and no text in it can become code."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import textwrap

import jax
import numpy as np
import pytest
from exported_agents import FAMILIES, exportable, random_agent

from small_policies import Affine
from upslope.core.checks import UpslopeError
from upslope.exporting import Exportable, NumPyFormat
from upslope.exporting.agreement import check_agreement
from upslope.exporting.observations import draw_observations
from upslope.exporting.standalone_source import IMPORTS, MODULES
from upslope.policies.twin.actor import generator
from upslope.training.agent import Agent

NUMPY = NumPyFormat()


def module_of(data, folder, name="policy"):
    """The written file as a program imports it."""
    (folder / f"{name}.py").write_bytes(data)
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES, ids="-".join)
def test_every_family_acts_as_predict(family):
    policy = exportable(*family, normalized=family[2] in ("softmax", "recurrent", "gaussian"))
    call = NUMPY.decode(NUMPY.encode(policy), policy)
    found = check_agreement("numpy", call, policy, steps=3, episodes=8)
    assert found.observations == 24
    assert found.difference <= 1e-6


def test_one_observation_a_batch_and_where_episodes_begin(tmp_path):
    agent = random_agent("vector", "bounded", "recurrent", normalized=True)
    module = module_of(NUMPY.encode(Exportable(agent, "a policy")), tmp_path)
    batch = draw_observations(agent.observation_space, 4, np.random.default_rng(1))
    action, state = module.predict(batch)
    expected, theirs = agent.predict(batch, deterministic=True)
    np.testing.assert_array_equal(action, expected)
    starts = np.array([True, False, True, False])
    later, _ = module.predict(batch, state, starts)
    np.testing.assert_array_equal(later, agent.predict(batch, theirs, starts, True)[0])
    np.testing.assert_array_equal(later[starts], action[starts])
    assert np.abs(later[~starts] - action[~starts]).max() > 1e-4
    one, _ = module.predict(batch[0])
    assert one.shape == agent.action_space.shape
    assert one.dtype == agent.action_space.dtype
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        module.predict(np.zeros(2))


def test_trees_are_read_as_the_environment_shows_them(tmp_path):
    agent = random_agent("masked", "discrete", "softmax")
    module = module_of(NUMPY.encode(Exportable(agent, "a policy")), tmp_path)
    agent.observation_space.seed(3)
    for _ in range(5):
        observation = agent.observation_space.sample()
        expected, _ = agent.predict(observation, deterministic=True)
        assert module.predict(observation)[0] == expected
        assert module.predict({**observation, "mission": "go"})[0] == expected
    with pytest.raises(ValueError, match="with the parts"):
        module.predict({"arm": observation["arm"]})


def test_draws_are_those_of_the_twin(tmp_path):
    policy = exportable("vector", "bounded", "gaussian", sampled=True)
    module = module_of(NUMPY.encode(policy), tmp_path)
    batch = draw_observations(policy.agent.observation_space, 50, np.random.default_rng(0))
    drawn, _ = module.predict(batch, generator=generator(5))
    twin = policy.agent.policy.numpy()
    expected, _ = twin.act_batch(batch, (), generator(5))
    space = policy.agent.action_space
    np.testing.assert_array_equal(drawn, np.clip(expected, space.low, space.high))
    assert np.abs(module.predict(batch)[0] - module.predict(batch)[0]).max() > 0
    mode, _ = module.predict(batch, deterministic=True)
    np.testing.assert_array_equal(mode, policy.agent.predict(batch, deterministic=True)[0])


def test_texts_cannot_become_code(tmp_path):
    title = '"""\nraise SystemExit("run")\n"""' + "'''\\"
    policy = Exportable(random_agent("vector", "discrete", "softmax"), title)
    data = NUMPY.encode(policy)
    assert module_of(data, tmp_path).__doc__.startswith(title)
    assert not [n for n in ast.parse(data).body if isinstance(n, ast.Raise)]


@pytest.mark.parametrize("family", [FAMILIES[0], FAMILIES[16], FAMILIES[20]], ids="-".join)
def test_the_file_imports_numpy_alone(family):
    tree = ast.parse(NUMPY.encode(exportable(*family)))
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    texts = {ast.unparse(n) for n in imports}
    assert "import numpy as np" in texts
    assert texts <= {*IMPORTS}
    assert all(text.split()[1].split(".")[0] == "numpy" for text in texts)


def test_no_two_modules_of_a_file_define_one_name():
    """The file has one namespace: a second definition would replace the first."""
    found: dict[str, str] = {}
    for name in MODULES:
        tree = ast.parse(importlib.util.find_spec(name).loader.get_source(name))
        for node in tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                assert node.name not in found, f"{node.name} is in {found[node.name]} and {name}"
                found[node.name] = name
    assert len(found) > 30


@pytest.mark.slow
def test_a_process_without_upslope_runs_it(tmp_path):
    policy = exportable("tree", "bounded", "recurrent", normalized=True)
    (tmp_path / "policy.py").write_bytes(NUMPY.encode(policy))
    program = textwrap.dedent("""
        import sys
        import numpy as np
        from policy import predict
        observation = {"hand": [1, 2], "arm": ([.1, .2, .3], 2), "screen": [[1, 2], [3, 250]]}
        observation["screen"] = np.uint8(observation["screen"])
        action, state = predict(observation)
        print(action.ravel().tolist())
        assert not {"jax", "upslope", "gymnasium", "equinox"} & set(sys.modules)
    """)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    observation = {
        "hand": np.array([1, 2]),
        "arm": (np.float32([0.1, 0.2, 0.3]), 2),
        "screen": np.uint8([[1, 2], [3, 250]]),
    }
    expected, _ = policy.agent.predict(observation, deterministic=True)
    np.testing.assert_allclose(ast.literal_eval(done.stdout), expected.ravel(), rtol=1e-6)


def test_a_policy_without_a_twin_is_refused():
    agent = random_agent("vector", "discrete", "softmax")
    policy = Exportable(Agent(Affine.zeros(3, 3), agent.observation_space, agent.action_space), "x")
    with pytest.raises(UpslopeError, match=r"Affine has no twin in NumPy.*--format stablehlo"):
        NUMPY.encode(policy)


def test_parameters_are_exact(tmp_path):
    agent = random_agent("vector", "discrete", "softmax")
    module = module_of(NUMPY.encode(Exportable(agent, "a policy")), tmp_path)
    ours = [a.tobytes() for a in module._A]
    theirs = [np.asarray(a).tobytes() for a in jax.tree.leaves(agent.policy)]
    assert len(theirs) == 6
    assert set(theirs) <= set(ours)
