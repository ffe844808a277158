"""Trees of registered classes come back as they were; files cannot reach anything else."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.checks import StorageError, UpslopeError
from upslope.core.moments import Moments
from upslope.storage.json_text import parse_json, to_plain
from upslope.storage.serializable import serializable
from upslope.storage.serialization import describe, rebuild

STARTED = []


@serializable("test-layer")
class Layer(eqx.Module):
    weight: Any
    bias: Any = None
    activation: str = eqx.field(static=True, default="tanh")
    sizes: tuple = eqx.field(static=True, default=())

    def __post_init__(self):
        STARTED.append(self)


@serializable("test-pair")
class Pair(NamedTuple):
    first: Any
    second: Any


class Stranger(eqx.Module):
    weight: Any


def same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert type(x) is type(y)
        if jnp.issubdtype(getattr(x, "dtype", None), jax.dtypes.prng_key):
            x, y = jax.random.key_data(x), jax.random.key_data(y)
        np.testing.assert_array_equal(x, y, strict=True)


def tree():
    return Layer(
        weight=(jnp.arange(6.0).reshape(2, 3), [np.float64([1.0]), 3, 0.25, True, "s", None]),
        bias={"a": Pair(Moments.zeros((2,)), jax.random.key(3)), "b'c": jnp.ones(2, jnp.bfloat16)},
        activation="relu",
        sizes=(1, (2.5, "x", None), float("inf")),
    )


def through_text(description):
    import json

    return parse_json(json.dumps(description, allow_nan=False).encode(), "x")


def test_round_trip_without_running_the_constructor():
    original = tree()
    description, arrays = describe(original)
    before = len(STARTED)
    back = rebuild(through_text(description), arrays)
    assert len(STARTED) == before
    assert isinstance(back, Layer)
    same(back, original)
    assert back.sizes == original.sizes
    assert hash(jax.tree.structure(back)) == hash(jax.tree.structure(original))


def test_arrays_are_keyed_by_path():
    _, arrays = describe(tree())
    assert set(arrays) >= {".weight[0]", ".bias['a'].first.mean", '.bias["b\'c"]'}


@pytest.mark.parametrize(
    "name", ["os.system", "os:system", "Stranger", "builtins.eval", "", None, 3, ["Moments"]]
)
def test_a_name_that_nobody_registered_is_refused(name):
    description, arrays = describe(Moments.zeros(()))
    description["class"] = name
    with pytest.raises(StorageError, match="not registered"):
        rebuild(description, arrays)


def test_an_unregistered_class_is_refused_at_saving_with_the_remedy():
    with pytest.raises(StorageError, match=r"@upslope.*serializable\('Stranger'\)"):
        describe(Stranger(1.0))


def test_a_name_is_given_once():
    with pytest.raises(UpslopeError, match="taken"):
        serializable("Moments")(Stranger)


def test_differing_paths_are_listed():
    description, arrays = describe(Pair(Layer(jnp.ones(2)), Moments.zeros((2,))))
    del description["fields"]["first"]["fields"]["bias"]
    description["fields"]["first"]["static"]["colour"] = "red"
    arrays[".second.mean"] = np.zeros(3, np.float32)
    arrays["extra"] = arrays.pop(".second.count")
    with pytest.raises(StorageError) as error:
        rebuild(description, arrays)
    text = str(error.value)
    assert ".first.bias: Layer needs it" in text
    assert ".first.colour: Layer has no such field" in text
    assert ".second.mean is float32[3], but described as float32[2]" in text
    assert ".second.count: its tensor is missing" in text
    assert "extra: in the file, but not described" in text


@pytest.mark.parametrize("static", [{"a": 1}, [{"a": 1}], {"$float": "system"}])
def test_static_fields_from_files_are_plain(static):
    description, arrays = describe(Layer(1.0))
    description["static"]["sizes"] = static
    with pytest.raises(StorageError):
        rebuild(description, arrays)


@pytest.mark.parametrize("static", [print, jnp.tanh, [1], {"a": 1}, np.ones])
def test_static_fields_that_are_not_plain_are_refused_at_saving(static):
    with pytest.raises(StorageError, match=r"\.activation is static"):
        describe(Layer(1.0, activation=static))


@pytest.mark.parametrize("description", [None, [], 3, {}, {"kind": "module"}, {"kind": "exec"}])
def test_malformed_descriptions_are_refused(description):
    with pytest.raises(StorageError):
        rebuild(description, {})


def test_a_number_is_not_taken_for_another_kind():
    with pytest.raises(StorageError, match="should be a int"):
        rebuild({"kind": "int", "value": to_plain(1.5)}, {})
    with pytest.raises(StorageError, match="should be a float"):
        rebuild({"kind": "float", "value": True}, {})
