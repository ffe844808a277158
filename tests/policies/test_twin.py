"""The NumPy twin of every policy: the same distributions and modes, and draws that follow them."""

from __future__ import annotations

import dataclasses
import inspect
import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from scipy import stats

from upslope.core.moments import Moments
from upslope.policies import POLICIES, NormalizedPolicy, compatible_kinds, default_policy, respond
from upslope.policies.features import BernoulliFeatures, FeatureMap, TableFeatures
from upslope.policies.linear_softmax import LinearSoftmax
from upslope.policies.twin.actor import generator
from upslope.policies.twin.serial import from_plain, to_plain

KEY = jax.random.key(0)
VECTOR = spaces.Box(-2, 2, (3,), np.float32)
TREE = spaces.Dict(
    {
        "hand": spaces.MultiDiscrete([2, 3]),
        "arm": spaces.Tuple([VECTOR, spaces.Discrete(4)]),
        "screen": spaces.Box(0, 255, (2, 2), np.uint8),
    }
)
OBSERVATIONS = {
    "discrete": spaces.Discrete(5),
    "vector": VECTOR,
    "bytes": spaces.Box(0, 255, (4,), np.uint8),
    "categories": spaces.MultiDiscrete([2, 3]),
    "tree": TREE,
    "image": spaces.Box(0, 255, (10, 9, 3), np.uint8),
    "frames": spaces.Box(0, 255, (2, 7, 8), np.uint8),
}
ACTIONS = {
    "discrete": spaces.Discrete(3),
    "box": spaces.Box(-np.inf, np.inf, (2,)),
    "bounded": spaces.Box(-2, 2, (2, 1)),
    "multi-discrete": spaces.MultiDiscrete([2, 4]),
    "multi-binary": spaces.MultiBinary(3),
}
SMALL = {"hidden": (6, 5), "dense_size": 6, "out_gain": 1.0, "oblique": False}
CASES = [
    (observation, action, kind)
    for observation, seen in OBSERVATIONS.items()
    for action, act in ACTIONS.items()
    for kind in compatible_kinds(seen, act)
    if observation == "vector" or action in ("discrete", "box") or kind == "recurrent"
]


def random_policy(observation_space, action_space, kind, key=KEY, **settings):
    takes = inspect.signature(POLICIES.get(kind)).parameters
    settings |= {name: value for name, value in SMALL.items() if name in takes}
    policy = default_policy(key, observation_space, action_space, kind=kind, **settings)
    leaves, structure = jax.tree.flatten(policy)
    noise = np.random.default_rng(0)
    moved = [leaf + jnp.asarray(0.3 * noise.normal(size=leaf.shape), leaf.dtype) for leaf in leaves]
    return jax.tree.unflatten(structure, moved)


def draws(space, count, seed=0):
    """A batch of observations of a space, a tree with leaves [count, ...]."""
    space.seed(seed)
    drawn = [space.sample() for _ in range(count)]
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(x) for x in leaves]), *drawn)


def compare(policy, batches, twin=None):
    """Distribution parameters and modes along a few steps, in a batch and one by one."""
    twin = policy.numpy() if twin is None else twin
    n = len(jax.tree.leaves(batches[0])[0])
    memory = jax.vmap(lambda _: policy.initial_memory())(jnp.arange(n)) if policy.has_memory else ()
    mine, single = twin.initial_memory(n), twin.initial_memory()

    @jax.jit
    def both(observation, memory):
        distribution, memory = jax.vmap(lambda o, m: respond(policy, o, m))(observation, memory)
        return distribution, jax.vmap(lambda d: d.mode())(distribution), memory

    for batch in batches:
        distribution, mode, next_memory = both(batch, memory)
        got, after = twin.parameters(batch, mine)
        for name, value in got.items():
            expected = getattr(distribution, name)
            if name == "logits" and getattr(distribution, "mask", None) is not None:
                expected = jax.tree.map(
                    lambda h, m: jnp.where(m, h, -jnp.inf), expected, distribution.mask
                )
            if name in ("low", "high"):
                expected = expected[0]
            for a, b in zip(jax.tree.leaves(value), jax.tree.leaves(expected), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
        action, after = twin.act_batch(batch, mine, None)
        np.testing.assert_allclose(action, mode, rtol=1e-5, atol=1e-5)
        assert action.shape == mode.shape
        first = jax.tree.map(lambda leaf: leaf[0], batch)
        one, single = twin.greedy(first, single)
        np.testing.assert_allclose(one, action[0], rtol=1e-5, atol=1e-5)
        if policy.has_memory:
            np.testing.assert_allclose(after, next_memory, rtol=1e-5, atol=1e-5)
            assert np.asarray(after).dtype == next_memory.dtype
        memory, mine = next_memory, after


@pytest.mark.slow
@pytest.mark.parametrize(("observation", "action", "kind"), CASES)
def test_the_twin_of_every_policy_is_its_equal(observation, action, kind):
    space = OBSERVATIONS[observation]
    policy = random_policy(space, ACTIONS[action], kind)
    batches = [draws(space, 4, seed) for seed in range(3)]
    compare(policy, batches)
    plain, arrays = to_plain(policy.numpy())  # as it travels to another process
    copies = [np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape) for a in arrays]
    compare(policy, batches, from_plain(json.loads(json.dumps(plain)), copies))


@pytest.mark.parametrize("kind", ["softmax", "recurrent", "decision-tree"])
@pytest.mark.parametrize("observation", ["vector", "tree"])
def test_normalised_and_greedy_twins(observation, kind):
    space = OBSERVATIONS[observation]
    inner = random_policy(space, ACTIONS["discrete"], kind)
    many = draws(space, 50, 9)
    policy = NormalizedPolicy(inner, Moments.of(jax.tree.map(jnp.asarray, many)))
    compare(policy, [draws(space, 4, seed) for seed in range(2)])
    greedy = policy.greedy().numpy()
    assert greedy.deterministic
    batch = draws(space, 4, 1)
    memory = greedy.initial_memory(4)
    expected, _ = policy.numpy().act_batch(batch, memory, None)
    np.testing.assert_array_equal(greedy.act_batch(batch, memory, generator(0))[0], expected)


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu", "elu", "silu", "identity"])
def test_every_activation(activation):
    policy = random_policy(VECTOR, ACTIONS["box"], "gaussian", activation=activation)
    compare(policy, [draws(VECTOR, 30)])


@pytest.mark.slow
@pytest.mark.parametrize("side", [(16, 20, 1), (40, 37, 2)])
def test_every_size_of_convolution(side):
    space = spaces.Box(0, 255, side, np.uint8)
    compare(random_policy(space, ACTIONS["discrete"], "convolutional"), [draws(space, 3)])


def test_other_features_and_oblique_trees():
    theta = jnp.arange(4.0)
    compare(LinearSoftmax(theta, BernoulliFeatures()), [draws(VECTOR, 5)])
    table = TableFeatures(np.random.default_rng(0).normal(size=(5, 3, 4)))
    compare(LinearSoftmax(theta, table), [draws(spaces.Discrete(5), 5)])

    class Own(FeatureMap):
        def __call__(self, observation):
            return jnp.stack([observation, -observation])

    assert LinearSoftmax(jnp.ones(3), Own()).numpy() is None
    tree = random_policy(VECTOR, ACTIONS["discrete"], "decision-tree")
    oblique = default_policy(KEY, VECTOR, ACTIONS["discrete"], kind="decision-tree", oblique=True)
    assert oblique.oblique != tree.oblique
    compare(oblique, [draws(VECTOR, 9)])


def test_draws_follow_the_distribution():
    """32 tests at level 1e-5 each: a false alarm in one run of 3000; a wrong scale is detected."""
    n, rng = 20_000, generator(1)
    one = draws(VECTOR, 1)
    many = np.repeat(one, n, axis=0)
    softmax = random_policy(VECTOR, ACTIONS["discrete"], "softmax")
    probs = np.asarray(softmax(jnp.asarray(one[0])).probs, float)
    counts = np.bincount(softmax.numpy().act_batch(many, (), rng)[0], minlength=3)
    assert stats.chisquare(counts, n * probs / probs.sum()).pvalue > 1e-5
    assert stats.chisquare(counts, n * np.roll(probs, 1) / probs.sum()).pvalue < 1e-5
    choices = random_policy(VECTOR, ACTIONS["multi-discrete"], "multi-softmax")
    drawn = choices.numpy().act_batch(many, (), rng)[0]
    for k, factor in enumerate(choices(jnp.asarray(one[0])).factors):
        p = np.asarray(factor.probs, float)
        counts = np.bincount(drawn[:, k], minlength=len(p))
        assert stats.chisquare(counts, n * p / p.sum()).pvalue > 1e-5
    switches = random_policy(VECTOR, ACTIONS["multi-binary"], "bernoulli")
    on = switches.numpy().act_batch(many, (), rng)[0].sum(axis=0)
    for count, p in zip(on, np.asarray(switches(jnp.asarray(one[0])).probs), strict=True):
        assert stats.binomtest(int(count), n, float(p)).pvalue > 1e-5
    gaussian = random_policy(VECTOR, ACTIONS["box"], "gaussian")
    d = gaussian(jnp.asarray(one[0]))
    drawn = gaussian.numpy().act_batch(many, (), rng)[0]
    z = (drawn - np.asarray(d.mean)) / np.asarray(d.std)
    assert stats.kstest(z[:, 0], "norm").pvalue > 1e-5
    assert stats.kstest(1.1 * z[:, 0], "norm").pvalue < 1e-5
    beta = random_policy(VECTOR, ACTIONS["bounded"], "beta")
    d = beta(jnp.asarray(one[0]))
    unit = (beta.numpy().act_batch(many, (), rng)[0] + 2) / 4
    a, b = np.asarray(d.concentration1)[0, 0], np.asarray(d.concentration0)[0, 0]
    assert stats.kstest(unit[:, 0, 0], "beta", (a, b)).pvalue > 1e-5
    squashed = random_policy(VECTOR, ACTIONS["bounded"], "squashed-gaussian")
    d = squashed(jnp.asarray(one[0]))
    drawn = squashed.numpy().act_batch(many, (), rng)[0].astype(float)
    u = np.arctanh(np.clip(drawn / 2, -1 + 1e-7, 1 - 1e-7))
    z = (u - np.asarray(d.mean)) / np.exp(np.asarray(d.log_std))
    assert stats.kstest(z[:, 0, 0], "norm").pvalue > 1e-5


def test_a_generator_depends_on_its_seed_and_counters_alone():
    one, same, other = (generator(*c).random(4) for c in ((3, 1, 2), (3, 1, 2), (3, 2, 1)))
    np.testing.assert_array_equal(one, same)
    assert (one != other).all()


@pytest.mark.slow
def test_the_twin_needs_no_jax(tmp_path):
    """Built from JSON and arrays in a process whose packages are not imported by their names."""
    policy = random_policy(VECTOR, ACTIONS["discrete"], "softmax")
    plain, arrays = to_plain(policy.numpy())
    np.savez(tmp_path / "arrays.npz", *arrays)
    (tmp_path / "twin.json").write_text(json.dumps(plain))
    import upslope

    root = upslope.__path__[0]
    program = f"""
import json, sys, types
for name, path in (("_u", {root!r}), ("_u.policies", {root!r} + "/policies")):
    package = types.ModuleType(name)
    package.__path__ = [path]
    sys.modules[name] = package
from _u.policies.twin.serial import from_plain
import numpy as np
file = np.load({str(tmp_path / "arrays.npz")!r})
arrays = [file[f"arr_{{k}}"] for k in range(len(file.files))]
twin = from_plain(json.load(open({str(tmp_path / "twin.json")!r})), arrays)
print(int(twin.greedy(np.float32([0.1, -0.2, 1.0]))[0]))
assert not {{"jax", "equinox", "gymnasium", "scipy", "upslope"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected, _ = policy.numpy().greedy(np.float32([0.1, -0.2, 1.0]))
    assert int(done.stdout) == int(expected)


def test_what_a_table_may_name():
    with pytest.raises(ValueError, match="no class"):
        from_plain({"class": "os.system", "fields": {}}, [])
    with pytest.raises(ValueError, match="not a policy"):
        from_plain({"tuple": []}, [])


def test_twins_are_frozen():
    twin = random_policy(VECTOR, ACTIONS["discrete"], "softmax").numpy()
    with pytest.raises(dataclasses.FrozenInstanceError):
        twin.deterministic = True
