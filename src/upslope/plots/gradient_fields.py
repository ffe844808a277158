"""J over all policies, with the ways that the vanilla and the natural gradient go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.plots.drawing import bare, require_matplotlib

# The corners of the triangle that the simplex of three actions is drawn as.
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 3**0.5 / 2]])


def simplex_fields(value: Callable[[Array], Array], pi: np.ndarray) -> tuple[np.ndarray, ...]:
    r"""How a softmax policy over three actions moves on its simplex, [N, 3] each.

    .. math:: \dot\pi = (\operatorname{diag} \pi - \pi \pi^\top) \, \dot\theta, \qquad
              \dot\theta = \nabla_\theta J \quad \text{or} \quad F^+ \nabla_\theta J

    Args:
      value: J of the probabilities [3], differentiable in JAX.
      pi: [N, 3], inside the simplex.

    Returns:
      The motion under the vanilla and under the natural gradient.
    """

    def moves(pi: Array) -> tuple[Array, Array]:
        spread = jnp.diag(pi) - jnp.outer(pi, pi)  # both d pi / d theta and the Fisher matrix
        slope = spread @ jax.grad(value)(pi)
        natural = jnp.linalg.pinv(spread) @ slope
        return spread @ slope, spread @ natural

    return tuple(np.asarray(x) for x in jax.lax.map(moves, jnp.asarray(pi, float)))


def policy_simplex(
    value: Callable[[Array], Array],
    actions: tuple[str, str, str] = ("a", "b", "c"),
    resolution: int = 14,
) -> Any:
    """A matplotlib figure: J on the simplex of three actions, with both gradient fields.

    Args:
      value: J of the probabilities [3], differentiable in JAX.
      actions: names of the corners.
      resolution: arrows along an edge.

    Raises:
      UpslopeError: matplotlib is not installed.
    """
    figure = require_matplotlib()(figsize=(10, 4.6), layout="constrained")
    panels = figure.subplots(1, 2)
    fine, coarse = _simplex(60), _simplex(resolution)
    inside = coarse[np.min(coarse, axis=1) > 1e-9]
    heights = np.asarray(jax.lax.map(value, jnp.asarray(fine, float)))
    titles = ("vanilla gradient of the logits", "natural gradient")
    filled: Any = None
    for axes, motion, title in zip(panels, simplex_fields(value, inside), titles, strict=True):
        places = fine @ CORNERS
        filled = axes.tricontourf(places[:, 0], places[:, 1], heights, 14, cmap="cividis")
        where, go = inside @ CORNERS, motion @ CORNERS
        scale = float(np.max(np.linalg.norm(go, axis=1))) * resolution * 0.9
        to_scale = {"angles": "xy", "scale_units": "xy", "scale": max(scale, 1e-12)}
        axes.quiver(*where.T, *go.T, color="w", width=0.005, **to_scale)
        for corner, name, (across, up) in zip(
            CORNERS, actions, ((-0.06, -0.05), (0.06, -0.05), (0.0, 0.04)), strict=True
        ):
            axes.text(corner[0] + across, corner[1] + up, name, ha="center", fontsize=11)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_aspect("equal")
        axes.set_xlim(-0.12, 1.12)
        axes.set_ylim(-0.1, 0.96)
        axes.axis("off")
    figure.colorbar(filled, ax=list(panels), label="J of the policy", shrink=0.8)
    return figure


def value_surface(
    value: Callable[[Array], Array],
    fisher: Callable[[Array], Array],
    bounds: tuple[tuple[float, float], tuple[float, float]] = ((-4, 4), (-4, 4)),
    resolution: int = 13,
    names: tuple[str, str] = (r"$\theta_1$", r"$\theta_2$"),
) -> Any:
    """A matplotlib figure: J over two parameters, with the directions of both gradients.

    Arrows show directions; all have one length.

    Args:
      value: J of theta [2], differentiable in JAX.
      fisher: F(theta) [2, 2].
      bounds: of both axes.
      resolution: arrows along an axis.
      names: of the parameters.

    Raises:
      UpslopeError: matplotlib is not installed.
    """
    figure = require_matplotlib()(figsize=(10, 4.4), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    lines = [np.linspace(*bound, 61) for bound in bounds]
    fine = np.stack(np.meshgrid(*lines), axis=-1).reshape(-1, 2)
    heights = np.asarray(jax.lax.map(value, jnp.asarray(fine, float))).reshape(61, 61)
    coarse = np.stack(
        np.meshgrid(*(np.linspace(*bound, resolution + 2)[1:-1] for bound in bounds)), axis=-1
    ).reshape(-1, 2)

    def directions(theta: Array) -> tuple[Array, Array]:
        slope = jax.grad(value)(theta)
        return slope, jnp.linalg.pinv(fisher(theta)) @ slope

    fields = jax.lax.map(directions, jnp.asarray(coarse, float))
    titles = ("vanilla gradient", "natural gradient")
    filled: Any = None
    for axes, field, title in zip(panels, fields, titles, strict=True):
        filled = axes.contourf(*lines, heights, 14, cmap="cividis")
        field = np.asarray(field)
        length = np.linalg.norm(field, axis=1, keepdims=True)
        unit = field / np.where(length > 0, length, 1.0)
        axes.quiver(*coarse.T, *unit.T, color="w", width=0.005, scale=resolution * 1.5)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel(names[0])
        bare(axes)
    panels[0].set_ylabel(names[1])
    figure.colorbar(filled, ax=list(panels), label="J of the policy", shrink=0.9)
    return figure


def _simplex(resolution: int) -> np.ndarray:
    """A regular lattice of probabilities [N, 3]."""
    return np.array(
        [
            (i, j, resolution - i - j)
            for i in range(resolution + 1)
            for j in range(resolution + 1 - i)
        ],
        float,
    ) / (resolution)
