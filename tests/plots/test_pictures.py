"""What the pictures show is what was computed."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope import exact, plots
from upslope.core.checks import UpslopeError
from upslope.environments import DynaMaze
from upslope.plots.arrows import score_step
from upslope.plots.gradient_fields import simplex_fields
from upslope.policies import TabularSoftmax
from upslope.training.statistics import bootstrap_interval, interquartile_mean

MEAN, STD = np.array([0.5, -1.0]), np.array([0.8, 1.3])


def cliff(points):
    """A function without a gradient."""
    return np.where(points[:, 0] + points[:, 1] > 0, 2.0, -1.0)


def quivers(axes):
    from matplotlib.quiver import Quiver

    return [child for child in axes.get_children() if isinstance(child, Quiver)]


def test_pushes_are_the_score_by_differentiation(x64):
    samples = MEAN + STD * np.random.default_rng(0).normal(size=(30, 2))
    found = score_step(cliff, MEAN, STD, samples, 0.5)

    def log_p(mean, log_std, x):
        return jnp.sum(-0.5 * ((x - mean) / jnp.exp(log_std)) ** 2 - log_std)

    score, spread = jax.vmap(jax.grad(log_p, (0, 1)), (None, None, 0))(MEAN, np.log(STD), samples)
    values = cliff(samples)
    others = np.array([np.mean(np.delete(values, i)) for i in range(30)])
    np.testing.assert_allclose(found.weight, values - others, atol=1e-12)
    np.testing.assert_allclose(found.push, (values - others)[:, None] * score, atol=1e-12)
    scale = 0.5 / values.std()
    np.testing.assert_allclose(
        found.mean - MEAN, scale * STD**2 * found.push.mean(axis=0), atol=1e-12
    )
    widening = np.mean((values - others)[:, None] * spread, axis=0)
    np.testing.assert_allclose(np.log(found.std / STD), scale * widening, atol=1e-12)


def test_the_step_goes_uphill_on_average():
    """Mean f rises from 500 starts; each draws its own samples."""
    rng = np.random.default_rng(1)
    gains = []
    for _ in range(500):
        found = score_step(cliff, MEAN, STD, MEAN + STD * rng.normal(size=(40, 2)), 0.3)
        noise = rng.normal(size=(200, 2))
        after, before = (
            np.mean(cliff(mean + std * noise))
            for mean, std in ((found.mean, found.std), (MEAN, STD))
        )
        gains.append(after - before)
    assert np.mean(gains) > 4.5 * np.std(gains) / len(gains) ** 0.5


def test_the_figure_has_the_arrows_of_the_step():
    figure = plots.score_function(cliff, MEAN, STD, n_samples=12, step=0.7, seed=3)
    samples = MEAN + STD * np.random.default_rng(3).normal(size=(12, 2))
    found = score_step(cliff, MEAN, STD, samples, 0.7)
    plain, weighed = (quivers(axes)[0] for axes in figure.axes[:2])
    np.testing.assert_allclose(np.stack([weighed.U, weighed.V], 1), found.push)
    np.testing.assert_allclose(np.stack([plain.U, plain.V], 1), (samples - MEAN) / STD**2)
    after = [patch for patch in figure.axes[2].patches if patch.get_linestyle() == "-"]
    np.testing.assert_allclose(after[0].center, found.mean)
    assert after[0].width == pytest.approx(2 * found.std[0])


def test_the_film_has_a_picture_for_every_step(tmp_path):
    from PIL import Image

    happened = plots.animate_score_function(tmp_path / "a.gif", cliff, MEAN, STD, steps=3)
    with Image.open(tmp_path / "a.gif") as film:
        assert film.n_frames == len(happened) == 3
    with pytest.raises(UpslopeError, match="gif"):
        plots.animate_score_function(tmp_path / "a.mp4", cliff)


def test_fields_on_the_simplex_are_those_of_the_softmax(x64):
    """Natural: pi times advantage. Vanilla: the velocity of pi when theta follows grad J."""
    reward = jnp.array([1.0, 0.4, -0.3])
    pi = np.random.default_rng(2).dirichlet(np.ones(3), 5)
    vanilla, natural = simplex_fields(lambda pi: reward @ pi, pi)
    advantage = np.asarray(reward) - (pi @ np.asarray(reward))[:, None]
    np.testing.assert_allclose(natural, pi * advantage, atol=1e-10)

    def velocity(theta):
        slope = jax.grad(lambda theta: reward @ jax.nn.softmax(theta))(theta)
        return jax.jvp(jax.nn.softmax, (theta,), (slope,))[1]

    np.testing.assert_allclose(vanilla, jax.vmap(velocity)(jnp.log(pi)), atol=1e-10)
    assert np.max(np.abs(vanilla - natural)) > 1e-2


def test_simplex_and_surface_are_drawn_with_their_fields(x64):
    reward = jnp.array([1.0, 0.4, -0.3])
    figure = plots.policy_simplex(lambda pi: reward @ pi, ("x", "y", "z"), resolution=6)
    assert len(quivers(figure.axes[0])[0].U) == 10  # the inner lattice points of 6
    assert [text.get_text() for text in figure.axes[0].texts] == ["x", "y", "z"]
    surface = plots.value_surface(
        lambda theta: -theta @ jnp.array([1.0, 10.0]) - theta @ theta,
        lambda theta: jnp.diag(jnp.array([1.0, 4.0])),
        resolution=3,
    )
    vanilla, natural = (quivers(axes)[0] for axes in surface.axes[:2])
    at = np.stack(np.meshgrid(*[np.linspace(-4, 4, 5)[1:-1]] * 2), -1).reshape(-1, 2)
    slope = -np.array([1.0, 10.0]) - 2 * at
    for quiver, field in ((vanilla, slope), (natural, slope / [1.0, 4.0])):
        unit = field / np.linalg.norm(field, axis=1, keepdims=True)
        np.testing.assert_allclose(np.stack([quiver.U, quiver.V], 1), unit, atol=1e-9)


@pytest.mark.slow
def test_a_map_has_each_states_number_in_its_place():
    world = DynaMaze()
    policy = TabularSoftmax(jnp.zeros((54, 4)))
    table = exact.policy_table(policy, world)
    occupancy = np.array(exact.discounted_occupancy(table, world.finite_mdp(), 0.95))
    figure = plots.state_map(world, occupancy, "occupancy", table, "a title")
    axes = figure.axes[0]
    image = axes.images[1].get_array()
    walls = np.asarray(world.walls)
    assert (np.ma.getmaskarray(image) == walls).all()
    np.testing.assert_allclose(image[~walls], occupancy.reshape(walls.shape)[~walls])
    assert {text.get_text() for text in axes.texts} >= {"S", "G"}
    with pytest.raises(UpslopeError, match="54 states"):
        plots.state_map(world, occupancy[:5], "x")
    with pytest.raises(UpslopeError, match=r"\(54, 4\)"):
        plots.state_map(world, occupancy, "x", table[:, :3])


def test_arrows_point_where_the_moves_lead():
    """A policy that always takes one action, in an empty room: the heads are in the next cell."""
    room = DynaMaze(walls=jnp.zeros((3, 3), bool), start=4, goal=8)
    for action in range(4):
        table = np.eye(4)[np.full(9, action)]
        figure = plots.state_map(room, np.zeros(9), "nothing", table)
        arrow = [text for text in figure.axes[0].texts if text.get_text() == ""][4]
        head = np.array(arrow.xy) - [1, 1]  # from the middle cell
        after, _ = room.step(jax.random.key(0), jnp.asarray(4), jnp.asarray(action))
        down, right = np.array(divmod(int(after), 3)) - 1
        np.testing.assert_allclose(head, 0.45 * np.array([right, down]))


def test_curves_are_interquartile_means_with_their_intervals():
    steps, returns = np.arange(3) * 10.0, np.random.default_rng(0).normal(size=(3, 8))
    figure = plots.learning_curves({"one": (steps, returns), "two": (steps, returns + 1)}, goal=3.0)
    lines = figure.axes[0].lines
    np.testing.assert_allclose(lines[0].get_ydata(), [interquartile_mean(row) for row in returns])
    np.testing.assert_allclose(
        lines[1].get_ydata(), [interquartile_mean(row) for row in returns + 1]
    )
    band = figure.axes[0].collections[0].get_paths()[0].vertices[:, 1]
    low, high = np.array([bootstrap_interval(row) for row in returns]).T
    assert band.min() == pytest.approx(low.min())
    assert band.max() == pytest.approx(high.max())
    with pytest.raises(UpslopeError, match=r"\[K\] and \[K, S\]"):
        plots.learning_curves({"odd": (steps, returns[0])})
    with pytest.raises(UpslopeError, match="no runs"):
        plots.learning_curves({})


def test_a_shape_that_does_not_fit_is_said():
    with pytest.raises(UpslopeError, match="values of shape"):
        plots.score_function(lambda points: points)


def test_figures_show_themselves_in_notebooks():
    """Without pyplot, a backend or a magic; as PNG, and the class is made once."""
    from matplotlib.figure import Figure

    from upslope.core.figure_class import require_matplotlib

    figure = require_matplotlib()(figsize=(1, 1))
    assert isinstance(figure, Figure)
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert require_matplotlib() is require_matplotlib()
