"""How points of every kind are drawn, mutated and crossed over, and what is refused."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from small_policies import Affine
from small_searches import first_state, maximize
from upslope.core.checks import UpslopeError
from upslope.search import (
    Bits,
    Choices,
    GeneticAlgorithm,
    HillClimbing,
    Integers,
    KohlStone,
    Mutation,
    NelderMead,
    Permutation,
    Product,
    RandomSearch,
    Real,
    SimulatedAnnealing,
    finite_differences,
)
from upslope.search.spaces.product import crossover_mask

N, DRAWS = 8, 4000
KEYS = jax.random.split(jax.random.key(0), DRAWS)
ORDER = jnp.asarray([3, 1, 7, 0, 2, 6, 5, 4])
SPACES = {
    "bits": (Bits(N), jnp.zeros(N, bool)),
    "integers": (Integers(-2, 3, N), jnp.asarray([-2, -2, 3, 3, 0, 1, 2, -1])),
    "choices": (Choices((2, 3, 4, 5, 2, 3, 4, 5)), jnp.zeros(N, int)),
    "permutation": (Permutation(N), ORDER),
    "real": (Real(N), jnp.zeros(N)),
}
DISCRETE = [name for name in SPACES if name != "real"]
METHODS = [RandomSearch, HillClimbing, SimulatedAnnealing, GeneticAlgorithm]


def mutations(name, mutation):
    space, point = SPACES[name]
    return np.asarray(point), np.asarray(
        jax.jit(jax.vmap(lambda key: space.mutate(key, point, mutation)))(KEYS)
    )


def valid(name, points):
    """Whether all points [K, N] belong to the space."""
    if name == "permutation":
        return (np.sort(points, axis=1) == np.arange(N)).all()
    low, high = {
        "bits": (0, 1),
        "integers": (-2, 3),
        "choices": (0, np.asarray([2, 3, 4, 5, 2, 3, 4, 5]) - 1),
        "real": (-np.inf, np.inf),
    }[name]
    return ((points >= low) & (points <= high)).all()


@pytest.mark.parametrize("name", SPACES)
def test_draws_are_uniform(name):
    """Each coordinate's mean within 4.5 standard errors: a false alarm in 1 of 3700 seeds."""
    space, point = SPACES[name]
    draws = np.asarray(jax.jit(jax.vmap(lambda key: space.draw(key, point, 2.0)))(KEYS))
    assert draws.dtype == point.dtype
    assert valid(name, draws)
    options = np.asarray([2, 3, 4, 5, 2, 3, 4, 5])
    mean, variance = {
        "bits": (0.5, 0.25),
        "integers": (0.5, 35 / 12),
        "choices": ((options - 1) / 2, (options**2 - 1) / 12),
        "permutation": (3.5, 63 / 12),
        "real": (0.0, 4 / 3),
    }[name]
    assert np.abs((draws.mean(axis=0) - mean) / np.sqrt(variance / DRAWS)).max() < 4.5
    np.testing.assert_allclose(draws.var(axis=0), variance + np.zeros(N), rtol=0.12)


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
def test_one_changes_one_coordinate(name):
    point, moved = mutations(name, Mutation("one", 1.5))
    changed = (moved != point).sum(axis=1)
    assert valid(name, moved)
    assert (changed == (2 if name == "permutation" else 1)).all()
    share = (moved != point).mean(axis=0) * (4 if name == "permutation" else 8)
    np.testing.assert_allclose(share, 1.0, atol=4.5 * np.sqrt(8 / DRAWS))


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("rate", [None, 0.5])
def test_each_changes_every_coordinate_with_its_rate(name, rate):
    point, moved = mutations(name, Mutation("each", 1.5, rate))
    assert valid(name, moved)
    expected = rate or (1.0 if name == "real" else 1 / N)
    share = (moved != point).mean(axis=0)
    if name == "permutation":  # a swap moves two, and later swaps may undo it
        assert share.max() < 2.2 * expected
        assert share.min() > 0.9 * expected
    else:
        error = 4.5 * np.sqrt(expected * (1 - expected) / DRAWS)
        np.testing.assert_allclose(share, expected, atol=error + 1e-9)


def test_another_option_is_any_other_option():
    point, moved = mutations("choices", Mutation("each", 1.0, 1.0))
    assert (moved != point).all()
    counts = np.bincount(moved[:, 3], minlength=5)[1:] / DRAWS
    np.testing.assert_allclose(counts, 0.25, atol=4.5 * np.sqrt(3 / 16 / DRAWS))


@pytest.mark.slow
def test_integer_steps_grow_with_std():
    space, point = Integers(-100, 100), jnp.zeros(N, int)
    sizes = []
    for std in (0.1, 10.0):
        moved = jax.vmap(lambda key: space.mutate(key, point, Mutation("each", std, 1.0)))(KEYS)  # noqa: B023
        sizes.append(np.abs(np.asarray(moved)).mean())
        assert np.abs(np.asarray(moved).mean()) < 4.5 * std
    assert sizes[0] == 1.0
    np.testing.assert_allclose(sizes[1], 10 * np.sqrt(2 / np.pi), rtol=0.05)


@pytest.mark.parametrize("space", [Integers(3, 3), Choices(1)], ids=str)
def test_nothing_to_choose_from_stays_as_it_is(space):
    point = jnp.full(2, 3 if isinstance(space, Integers) else 0)
    moved = space.mutate(jax.random.key(0), point, Mutation("one", 1.0))
    np.testing.assert_array_equal(moved, point)


def test_real_bounds_hold():
    space, point = Real(low=-1.0, high=jnp.asarray([0.0, 2.0])), jnp.zeros(2)
    moved = np.asarray(
        jax.vmap(lambda key: space.mutate(key, point, Mutation("each", 5.0)))(KEYS[:50])
    )
    drawn = np.asarray(jax.vmap(lambda key: space.draw(key, point, 1e9))(KEYS))
    for x in (moved, drawn):
        assert x.min() >= -1
        assert x.max(axis=0).tolist() <= [0.0, 2.0]
    np.testing.assert_allclose(drawn.mean(axis=0), [-0.5, 0.5], atol=0.07)


@pytest.mark.parametrize("kind", ["none", "uniform", "one-point", "two-point"])
def test_children_have_both_parents_coordinates(kind):
    first, second = jnp.zeros(N, bool), jnp.ones(N, bool)

    def child(key):
        return Bits(N).cross(crossover_mask(key, kind, N), first, second)

    children = np.asarray(jax.jit(jax.vmap(child))(KEYS))
    if kind == "none":
        assert not children.any()
        return
    changes = np.abs(np.diff(children.astype(int), axis=1)).sum(axis=1)
    assert changes.max() == {"uniform": N - 1, "one-point": 1, "two-point": 2}[kind]
    assert (changes == 1).any()
    assert children[:, 1:].any(axis=0).all()
    if kind == "uniform":
        np.testing.assert_allclose(children.mean(axis=0), 0.5, atol=4.5 * 0.5 / np.sqrt(DRAWS))
    if kind == "one-point":
        assert (changes == 1).all()


def test_orders_keep_the_first_parents_places_and_the_second_parents_order():
    second = jnp.arange(N)

    def child(key):
        mask = crossover_mask(key, "uniform", N)
        return Permutation(N).cross(mask, ORDER, second), mask

    children, masks = map(np.asarray, jax.jit(jax.vmap(child))(KEYS[:200]))
    assert valid("permutation", children)
    for order, mask in zip(children, masks, strict=True):
        np.testing.assert_array_equal(order[mask], np.asarray(ORDER)[mask])
        assert (np.diff(order[~mask]) > 0).all()


MIXED = Product({"turn": Bits(3), "gait": {"speed": Real(), "legs": Choices(4)}})
START = {
    "turn": jnp.zeros(3, bool),
    "gait": {"speed": Affine.zeros(1, 2), "legs": jnp.zeros(2, int)},
}


@pytest.mark.slow
def test_a_tree_of_spaces_is_a_space():
    space, start = MIXED, START
    assert space.size(start) == 3 + 3 + 2
    moved = jax.vmap(lambda key: space.mutate(key, start, Mutation("one", 1.0)))(KEYS)
    flat = [np.asarray(leaf).reshape(DRAWS, -1) != 0 for leaf in jax.tree.leaves(moved)]
    changed = np.concatenate(flat, axis=1)
    assert (changed.sum(axis=1) == 1).all()
    np.testing.assert_allclose(changed.mean(axis=0), 1 / 8, atol=4.5 * np.sqrt(7 / 64 / DRAWS))
    drawn = space.draw(KEYS[0], start, 1.0)
    mask = jnp.arange(8) < 4
    child = space.cross(mask, drawn, start)
    assert jax.tree.structure(child) == jax.tree.structure(start)
    each = jax.vmap(lambda key: space.mutate(key, start, Mutation("each", 1.0)))(KEYS)
    np.testing.assert_allclose(np.asarray(each["turn"]).mean(), 1 / 5, atol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
@pytest.mark.parametrize("name", SPACES)
def test_every_kind_of_point_is_searched(method, name):
    """Each method finds the best of a small problem of each kind, or gets close (real)."""
    space, start = SPACES[name]
    goal = {
        "bits": jnp.arange(N) % 2 == 0,
        "integers": jnp.asarray([-2, 3, 0, 1, -1, 2, -2, 3]),
        "choices": jnp.asarray([1, 2, 3, 4, 0, 1, 2, 3]),
        "permutation": jnp.arange(N),
        "real": jnp.full(N, 0.5),
    }[name]

    def closeness(point):
        return -jnp.sum(jnp.abs(point.astype(float) - goal.astype(float)))

    settings = {
        RandomSearch: {"population_size": 512},
        HillClimbing: {"population_size": 8},
        SimulatedAnnealing: {"temperature": 0.5, "cooling": 0.97, "std": 0.1},
        GeneticAlgorithm: {"population_size": 32, "n_parents": 8, "crossover": "uniform"},
    }[method]
    state, _ = maximize(method(space=space, **settings), closeness, start, 150)
    found = method(space=space, **settings).solution(state)
    assert found.dtype == start.dtype
    best = float(closeness(found))
    random = method is RandomSearch
    assert best > (-8.0 if name == "integers" else -3.5) if random else best > -0.75


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_mixed_trees_are_searched(method):
    def value(point):
        legs = -jnp.sum(jnp.abs(point["gait"]["legs"] - jnp.asarray([3, 1])))
        speed = -jnp.sum(jnp.square(point["gait"]["speed"].weights - 0.3))
        return jnp.sum(point["turn"]) + speed + legs

    tree = {"turn": Bits(), "gait": {"speed": Real(), "legs": Choices(4)}}
    own = {"n_parents": 2} if method is GeneticAlgorithm else {}
    small = method(space=tree, population_size=8, **own)
    state, diagnostics = maximize(small, value, START, 200)
    assert float(diagnostics.best[-1]) > 2.5
    assert jax.tree.structure(small.solution(state)) == jax.tree.structure(START)


def test_a_start_says_what_it_is_where_it_can():
    for start in (jnp.zeros(3, bool), jnp.zeros(3), Affine.zeros(1, 2)):
        state = first_state(HillClimbing(), start)
        asked = HillClimbing().ask(jax.random.key(1), state)
        assert jax.tree.leaves(asked)[0].dtype == jax.tree.leaves(start)[0].dtype


REFUSED = [
    (lambda: first_state(NelderMead(), jnp.zeros(50, bool)), r"bool\[50\], a bit string"),
    (lambda: first_state(KohlStone(), jnp.zeros(5, int)), r"whole numbers.*genetic-algorithm"),
    (
        lambda: first_state(finite_differences(), {"x": jnp.zeros(2), "b": ORDER}),
        "FiniteDifferenceAscent searches real numbers",
    ),
    (lambda: first_state(HillClimbing(), ORDER), "HillClimbing.*space=Integers"),
    (lambda: first_state(HillClimbing(space=Bits(4)), jnp.zeros(3, bool)), "n=4 .* 3:"),
    (lambda: first_state(HillClimbing(space=Bits()), jnp.zeros(3)), "Bits got .* float32"),
    (lambda: first_state(HillClimbing(space=Real(4)), jnp.zeros(3)), "n=4"),
    (lambda: first_state(HillClimbing(space=Permutation()), jnp.zeros(3, int)), "not an order"),
    (lambda: first_state(HillClimbing(space=Choices((2, 3))), jnp.zeros(3, int)), "2 numbers"),
    (lambda: first_state(HillClimbing(space={"a": Bits()}), jnp.zeros(3, bool)), "does not fit"),
    (lambda: HillClimbing(space="bits"), "space='bits'.*Bits"),
    (lambda: Integers(3, 1), "high=1.*at least 3"),
    (lambda: Choices(0), "options=0"),
    (lambda: Real(low=1.0), "both bounds or none"),
    (
        lambda: first_state(GeneticAlgorithm(crossover="blend", space=Bits()), jnp.zeros(3, bool)),
        "blend.*'uniform'",
    ),
]


@pytest.mark.parametrize(("make", "match"), REFUSED)
def test_what_cannot_be_searched_is_refused(make, match):
    with pytest.raises(UpslopeError, match=match):
        make()
