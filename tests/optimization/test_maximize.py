"""Any function, by any method that needs values alone."""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import upslope
from upslope.core.checks import NumericalError, UpslopeError
from upslope.optimization import EvaluationError
from upslope.optimization.evaluation import FunctionCall, traced
from upslope.optimization.points import split_bounds
from upslope.optimization.problem import function_methods
from upslope.search import Choices, Integers, Permutation, Real


def sphere(x):
    return jnp.sum((x - 1.0) ** 2)


def numpy_sphere(x):
    return float(np.sum((np.asarray(x) - 1.0) ** 2))


@pytest.mark.slow
@pytest.mark.parametrize("f", [sphere, numpy_sphere])
def test_nelder_mead_is_scipys(f):
    """The same point, value, evaluations and steps; f in JAX and in NumPy."""
    scipy = pytest.importorskip("scipy.optimize")
    ours = upslope.minimize(f, np.zeros(3), "nelder-mead", xatol=1e-6, fatol=1e-6)
    theirs = scipy.minimize(
        numpy_sphere, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-6}
    )
    assert ours.success
    assert ours.message.startswith("Converged")
    np.testing.assert_allclose(ours.x, theirs.x, atol=1e-9)
    assert (ours.nfev, ours.nit) == (theirs.nfev, theirs.nit)
    assert ours.fun == pytest.approx(theirs.fun, rel=1e-6)
    assert ours.curve.best[-1] == ours.fun
    assert (np.diff(ours.curve.best) <= 0).all()


@pytest.mark.slow
def test_maximising_is_minimising_the_negative():
    up = upslope.maximize(lambda x: -sphere(x), np.zeros(2), "cem", budget=2560, seed=3)
    down = upslope.minimize(sphere, np.zeros(2), "cem", budget=2560, seed=3)
    np.testing.assert_array_equal(up.x, down.x)
    assert up.fun == -down.fun
    np.testing.assert_array_equal(up.curve.mean, -down.curve.mean)


@pytest.mark.slow
def test_compiled_and_on_the_host_are_one_search():
    """The same points up to rounding; f is called once for each evaluation, no more."""
    calls = []

    def counted(x):
        calls.append(np.array(x))
        return numpy_sphere(x)

    compiled = upslope.minimize(sphere, np.zeros(2), "cem", budget=1280, seed=1)
    host = upslope.minimize(counted, np.zeros(2), "cem", budget=1280, seed=1, on_host=True)
    assert len(calls) == host.nfev == compiled.nfev == 1280
    np.testing.assert_allclose(host.x, compiled.x, rtol=1e-9)
    np.testing.assert_allclose(host.curve.best, compiled.curve.best, rtol=1e-9)


@pytest.mark.slow
def test_a_budget_is_kept_and_a_target_ends_the_search():
    result = upslope.minimize(sphere, np.zeros(4), "hill-climbing", budget=321)
    assert result.nfev == 321
    assert not result.success
    assert "321" in result.message
    result = upslope.minimize(sphere, np.zeros(4), "hill-climbing", target=0.1)
    assert result.success
    assert result.fun <= 0.1
    assert result.curve.best[-2] > 0.1
    result = upslope.minimize(sphere, np.zeros(4), "hill-climbing", target=-1.0, budget=100)
    assert not result.success


@pytest.mark.slow
def test_trees_keep_their_structure():
    start = {"a": np.zeros(2), "b": [np.ones((1, 2))]}
    result = upslope.minimize(
        lambda x: jnp.sum((x["a"] - 2) ** 2) + jnp.sum(x["b"][0] ** 2), start, "cma-es", budget=8000
    )
    np.testing.assert_allclose(result.x["a"], 2.0, atol=1e-4)
    assert result.x["b"][0].shape == (1, 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "bounds", [(0.5, 3.0), ([0.5, 0.5], [3.0, 3.0]), [(0.5, 3.0), (0.5, None)]]
)
def test_bounds_are_kept_and_the_optimum_on_a_face_is_found(bounds):
    seen = []

    def f(x):
        seen.append(np.array(x))
        return float(np.sum(x**2))

    result = upslope.minimize(f, [1.0, 2.0], "nelder-mead", bounds=bounds)
    np.testing.assert_allclose(result.x, 0.5, atol=1e-3)
    assert np.min(seen) >= 0.5
    assert np.max(np.asarray(seen)[:, 0]) <= 3.0


@pytest.mark.slow
def test_noise_is_reported_beside_the_luckiest_value():
    """100 fresh evaluations of the solution: an honest mean below the optimistic best."""

    def noisy(x, key):
        return -sphere(x) + jax.random.normal(key)

    result = upslope.maximize(noisy, np.zeros(2), "cem", budget=5120)
    assert result.best_seen > 1.0  # impossible without noise: the maximum is 0
    assert abs(result.fun) < 0.5
    assert 0.05 < result.fun_error < 0.2
    again = upslope.maximize(noisy, np.zeros(2), "cem", budget=5120)
    assert result.fun == again.fun  # the noise is drawn from the seed


def test_bit_strings_are_searched_by_the_methods_that_can():
    from upslope.search import Bits

    result = upslope.maximize(
        lambda x: jnp.sum(x), np.zeros(20, bool), "hill-climbing", target=20, space=Bits()
    )
    assert result.success
    assert result.x.dtype == bool
    with pytest.raises(UpslopeError, match="genetic-algorithm"):
        upslope.maximize(lambda x: jnp.sum(x), np.zeros(20, bool), "cem")
    with pytest.raises(UpslopeError, match="int"):
        upslope.maximize(lambda x: jnp.sum(x), np.zeros(3, int), "cem")


def test_a_flat_objective_is_called_flat():
    result = upslope.maximize(lambda x: 3.0 + 0 * x[0], [1.0], "cem", budget=512)
    assert not result.success
    assert "flat" in result.message
    assert "3" in result.message


def test_points_that_fail_count_as_the_worst_and_are_told_of():
    result = upslope.minimize(
        lambda x: jnp.where(x[0] < 0.2, jnp.nan, sphere(x)), [0.5, 0.5], "cem", budget=2560
    )
    np.testing.assert_allclose(result.x, 1.0, atol=0.05)
    assert "NaN" in result.message


@pytest.mark.slow
@pytest.mark.parametrize("on_host", [True, None])
def test_nothing_but_nan_stops_the_search(on_host):
    with pytest.raises(NumericalError, match="NaN"):
        upslope.minimize(lambda x: jnp.nan * x[0], [1.0], "cem", on_host=on_host)


def test_what_goes_wrong_in_f_names_the_point():
    def fails(x):
        raise OSError("no robot")

    with pytest.raises(EvaluationError, match="OSError: no robot at x=array") as caught:
        upslope.minimize(fails, [1.0], "cem")
    assert isinstance(caught.value.cause, OSError)
    with pytest.raises(EvaluationError, match=r"deadline=0.1"):
        upslope.minimize(lambda x: time.sleep(3) or 1.0, [1.0], "cem", deadline=0.1)
    with pytest.raises(EvaluationError, match="one number"):
        upslope.minimize(lambda x: np.asarray(x), [1.0, 2.0], "cem")
    with pytest.raises(UpslopeError, match=r"shape \(2,\)"):
        upslope.minimize(lambda x: x * 2, [1.0, 2.0], "cem")


def test_workers_evaluate_at_the_same_time_in_the_same_order():
    def slow(x):
        time.sleep(0.002 * float(np.asarray(x)[0] > 1))
        return numpy_sphere(x)

    settings = {"population_size": 8, "n_elites": 4, "episodes_per_candidate": 1}
    alone = upslope.minimize(slow, [0.0, 0.0], "cem", budget=80, on_host=True, **settings)
    together = upslope.minimize(slow, [0.0, 0.0], "cem", budget=80, workers=4, **settings)
    np.testing.assert_array_equal(alone.x, together.x)


def test_a_callback_sees_the_search_and_can_end_it():
    seen = []
    result = upslope.minimize(
        numpy_sphere,
        [0.0],
        "nelder-mead",
        callback=lambda nfev, best: seen.append(nfev) or nfev >= 5,
    )
    assert seen == [1, 2, 3, 4, 5]
    assert result.nfev == 5
    assert "callback" in result.message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "nelder-meat"}, "nelder-mead"),
        ({"method": "ppo"}, "ppo needs steps of an environment"),
        ({"x0": [0.0, float("nan")]}, "entry 1"),
        ({"x0": []}, "nothing to search"),
        ({"bounds": (0.0, 1.0), "x0": [0.5, 5.0]}, "5.0 at entry 1"),
        ({"bounds": (0.5, 0.5)}, "fix every coordinate"),
        ({"bounds": (1.0, 0.0)}, "crossed"),
        ({"bounds": ([0.0], [1.0, 2.0])}, "lower bounds"),
        ({"popsize": 3}, "population_size"),
        ({"budget": 0}, "budget"),
        ({"target": float("nan")}, "target"),
        ({"deadline": 0.0}, "deadline"),
        ({"workers": 0}, "workers"),
        ({"seed": -1}, "seed"),
        ({"method": "nelder-mead", "std": -1.0}, "std"),
        ({"population_size": 1}, "population_size"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_before_any_evaluation(arguments, message):
    calls = []

    def f(x):
        calls.append(x)
        return 0.0

    arguments = {"x0": [0.5, 0.5], "method": "cem"} | arguments
    with pytest.raises(UpslopeError, match=message):
        upslope.minimize(f, **arguments)
    assert not calls


def test_what_can_be_traced():
    computes = lambda f, **how: traced(FunctionCall(f, **how), jnp.zeros((3, 2)))  # noqa: E731
    assert computes(sphere)
    assert not computes(numpy_sphere)
    assert not computes(lambda x: 1.0)  # perhaps it asks the world
    assert not computes(lambda x: 1 / 0)
    assert not computes(lambda x: sphere(x) if x[0] > 0 else 0.0)
    assert computes(lambda x: jnp.sum(x, axis=1), vectorized=True)
    scaled = lambda x, by: by * jnp.sum(x)  # noqa: E731
    assert computes(scaled, args=(2.0,)) != computes(scaled, args=(3.0,))
    with pytest.raises(UpslopeError, match=r"shape \(2,\)"):
        computes(lambda x: x)
    with pytest.raises(UpslopeError, match=r"must return \(3,\) numbers"):
        computes(jnp.sum, vectorized=True)


def test_bounds_in_either_form():
    for bounds in [((0, 1), (2, 3)), [(0, 1), (2, 3)]]:
        low, high = split_bounds(bounds, 2)
        np.testing.assert_array_equal(low, [0, 2])
        np.testing.assert_array_equal(high, [1, 3])
    low, high = split_bounds(np.array([[0, 1], [2, 3]]), 2)  # rows: low, high
    np.testing.assert_array_equal(low, [0, 1])
    low, high = split_bounds((None, 1.0), 3)
    assert low == -np.inf
    assert high == 1.0


def test_all_gradient_free_methods_are_offered():
    names = function_methods()
    assert {"cem", "nelder-mead", "hill-climbing"} <= set(names)
    assert not {"ppo", "reinforce"} & set(names)


class Shifted:
    """A sphere that moves between two searches."""

    centre = 0.0

    def __call__(self, x):
        return jnp.sum((x - self.centre) ** 2)

    def value(self, x):
        return self(x)


@pytest.mark.slow
@pytest.mark.parametrize("of", [lambda world: world, lambda world: world.value])
def test_what_f_computes_is_compiled_not_what_it_computed_once(of):
    world = Shifted()
    upslope.minimize(of(world), np.ones(2), "cma-es", budget=600)
    world.centre = 3.0
    result = upslope.minimize(of(world), np.ones(2), "cma-es", budget=600)
    np.testing.assert_allclose(result.x, 3.0, atol=1e-3)
    data = np.zeros(2)
    near_data = lambda x: jnp.sum((x - jnp.asarray(data)) ** 2)  # noqa: E731
    upslope.minimize(near_data, np.ones(2), "cma-es", budget=600)
    data[:] = -2.0
    result = upslope.minimize(near_data, np.ones(2), "cma-es", budget=600)
    np.testing.assert_allclose(result.x, -2.0, atol=1e-3)


def test_noise_of_f_s_own_is_drawn_at_every_call():
    """Traced, the generator would speak once: cma-es would then converge to 1e-6."""
    rng = np.random.default_rng(0)
    result = upslope.minimize(
        lambda x: (x**2).sum() + rng.normal(), np.ones(3), "cma-es", budget=500, noisy=True
    )
    assert np.abs(result.x).max() > 1e-3
    assert result.fun_error > 0.05


@pytest.mark.parametrize("f", [lambda x: jnp.nan * x[0], lambda x: float("nan")])
def test_nothing_but_nan_is_no_success(f):
    with pytest.raises(NumericalError, match="All of the first 35 values"):
        upslope.minimize(f, np.ones(3), "cma-es", budget=200)


@pytest.mark.slow
@pytest.mark.parametrize("on_host", [True, False])
def test_an_infinite_value_is_the_worst_on_either_side(on_host):
    f = lambda x: jnp.where(x[0] < 0.9, -jnp.inf, x[0])  # noqa: E731
    result = upslope.minimize(f, np.ones(2), "cma-es", on_host=on_host)
    assert result.fun == pytest.approx(0.9, abs=1e-6)
    assert "were NaN or infinite" in result.message
    assert "target" not in result.message


@pytest.mark.parametrize("settings", [{"workers": 2}, {"deadline": 20.0}])
def test_threads_compute_in_double_precision_too(settings):
    seen = set()

    def f(x):
        value = jnp.sum(jnp.asarray(x) ** 2)
        seen.add(str(value.dtype))
        return value

    upslope.minimize(f, np.ones(2), "cma-es", budget=30, **settings)
    assert seen == {"float64"}


@pytest.mark.slow
def test_a_callback_is_heard_every_few_hundred_evaluations_and_can_stop():
    heard = []
    settings = {"budget": 20_000, "population_size": 10, "n_parents": 5}
    stop = lambda nfev, best: heard.append(nfev) or nfev >= 1000  # noqa: E731
    result = upslope.minimize(sphere, np.ones(2), "genetic-algorithm", callback=stop, **settings)
    assert heard == [500, 1000]
    assert (result.nfev, result.success) == (1000, False)
    assert result.message == "Stopped by the callback."
    alone = upslope.minimize(sphere, np.ones(2), "genetic-algorithm", **settings | {"budget": 1000})
    np.testing.assert_array_equal(result.curve.best, alone.curve.best)


@pytest.mark.parametrize("on_host", [True, False])
def test_the_key_is_given_by_name(on_host):
    def scaled(x, scale=0.1, key=None):
        return jnp.sum(x**2) + scale * jax.random.normal(key)

    def keyword_only(x, *, key):
        return jnp.sum(x**2) + 0.1 * jax.random.normal(key)

    results = [
        upslope.minimize(f, np.ones(2), "cma-es", budget=120, on_host=on_host)
        for f in (scaled, keyword_only)
    ]
    np.testing.assert_allclose(results[0].x, results[1].x)
    assert np.abs(results[0].x).max() < 0.9


@pytest.mark.slow
@pytest.mark.parametrize("x0", [2.0, np.float64(2.0), jnp.asarray(2.0)])
@pytest.mark.parametrize("method", ["nelder-mead", "cma-es"])
def test_a_number_is_searched_as_a_number(x0, method):
    result = upslope.minimize(lambda x: (x - 3.0) ** 2, x0, method, budget=400)
    assert np.shape(result.x) == ()
    assert float(result.x) == pytest.approx(3.0, abs=1e-3)


@pytest.mark.parametrize(
    ("f", "x0", "method", "settings", "says"),
    [
        (3, np.ones(2), "cma-es", {}, "f=3 cannot be called"),
        (sphere, "abc", "cma-es", {}, "is not made of numbers"),
        (sphere, np.ones(2) * 1j, "cma-es", {}, "holds complex128"),
        (lambda x: jnp.sum(x) * 1j, np.ones(2), "cma-es", {}, "must return one real number"),
        (sphere, np.ones(2), "cma-es", {"seed": 2**32}, "below 2"),
        (sphere, np.ones(3), "cma-es", {"budget": 6}, "less than one iteration of cma-es"),
        (sphere, np.ones(3), "cma-es", {"lower": 2.0, "upper": 3.0}, "outside of its bounds"),
        (sphere, np.full(2, 9.0), "hill-climbing", {"space": Real(low=0.0, high=1.0)}, "9.0 at"),
        (sphere, np.full(2, 9), "random-search", {"space": Integers(0, 3)}, "from 0 to 3"),
        (sphere, np.full(2, 9), "random-search", {"space": Choices(3)}, "from 0 to 2"),
        (sphere, np.array([0, 0]), "random-search", {"space": Permutation()}, "not an order"),
        (sphere, np.ones(2, bool), "random-search", {"bounds": (0, 1)}, "belong into the space"),
        (
            sphere, np.zeros(2, np.int8), "random-search", {"space": Integers(0, 200)},
            "int8, which cannot hold",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said_before_the_first_evaluation(f, x0, method, settings, says):
    with pytest.raises(UpslopeError, match=says):
        upslope.minimize(f, x0, method, **settings)


def test_crossed_bounds_of_a_space_are_refused():
    with pytest.raises(UpslopeError, match="must be below its upper one"):
        Real(low=1.0, high=0.0)
    with pytest.raises(UpslopeError, match="a range of at most"):
        Integers(0, 2**40)


def test_whole_numbers_of_a_small_type_are_searched_to_both_ends():
    result = upslope.minimize(
        lambda x: jnp.sum((x - 77.0) ** 2), np.full(4, 3, np.int8), "hill-climbing",
        space=Integers(0, 100), budget=3000,
    )  # fmt: skip
    np.testing.assert_array_equal(result.x, 77)
    assert result.x.dtype == np.int8


@pytest.mark.slow
@pytest.mark.parametrize(
    ("f", "settings", "reason"),
    [
        (lambda x: jnp.sum((x - 1e6) ** 2), {"std": 0.1}, "tolfacupx"),
        (lambda x: x[0], {"std": 0.1, "tolfacupx": 1e300}, "tolconditioncov"),
        (lambda x: -jnp.sum(x), {}, "tolfacupx"),
        (lambda x: jnp.sum((x - 1.0) ** 2), {}, None),
        (lambda x: 1e3 + jnp.sum((x - 1.0) ** 2), {}, None),
    ],
)
def test_divergence_is_no_success(f, settings, reason):
    result = upslope.minimize(f, np.zeros(2), "cma-es", budget=60_000, **settings)
    assert result.success == (reason is None)
    if reason is None:
        assert result.message.startswith("Converged")
    else:
        assert result.message.startswith(f"Stopped before it converged: {reason}")


def test_convergence_is_read_from_the_reasons():
    from upslope.search.evolution.cma.stopping import REASONS, has_converged

    bit = {name: 1 << place for place, name in enumerate(REASONS)}
    assert has_converged(bit["tolfun"])
    assert has_converged(bit["tolx"] | bit["tolconditioncov"])
    for alone in ("flat", "tolfacupx", "tolconditioncov", "stagnation", "maxiter"):
        assert not has_converged(bit[alone])
    assert not has_converged(bit["tolfun"] | bit["tolfacupx"])
    assert not has_converged(0)
