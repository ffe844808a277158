"""The score function at work: samples push the density, each by f(x) grad log p(x)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from upslope.core.checks import UpslopeError, check_number
from upslope.plots.drawing import BLUE, GREY, ORANGE, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Function = Callable[[np.ndarray], np.ndarray]
# The longest arrow, in standard deviations.
MAX_LENGTH = 1.2


class ScoreStep(NamedTuple):
    """One step of gradient ascent on E f(x), x ~ N(mean, std^2) in the plane, by the score."""

    samples: np.ndarray  # [N, 2]
    weight: np.ndarray  # [N], f(x) less the mean of the others
    push: np.ndarray  # [N, 2], weight times grad_mean log p(x)
    mean: np.ndarray  # [2], after the step
    std: np.ndarray  # [2], after the step


def score_step(
    f: Function, mean: np.ndarray, std: np.ndarray, samples: np.ndarray, step: float
) -> ScoreStep:
    r"""What N samples say of the gradient of E f in mean and log std, and a step along it.

    .. math:: \hat g = \frac1N \sum_i \big(f(x_i) - \bar f_{-i}\big) \nabla \log p(x_i), \qquad
              \nabla_\mu \log p = \frac{x - \mu}{\sigma^2}, \qquad
              \nabla_{\log \sigma} \log p = \frac{(x - \mu)^2}{\sigma^2} - 1

    Unbiased: the mean of the others is independent of x_i. The step is `step` times sigma^2 in the
    mean and `step` in log sigma, over the standard deviation of f.

    Args:
      f: points [N, 2] to values [N].
      mean: mu [2].
      std: sigma [2].
      samples: x [N, 2], N at least 2.
      step: its size.
    """
    values = np.asarray(f(samples), float)
    if values.shape != samples.shape[:1]:
        raise UpslopeError(
            f"The function gave values of shape {values.shape} for {len(samples)} points: it must "
            f"give {samples.shape[:1]}."
        )
    count = len(samples)
    weight = (values - values.mean()) * count / (count - 1)
    score = (samples - mean) / std**2
    push = weight[:, None] * score
    spread = weight[:, None] * (((samples - mean) / std) ** 2 - 1.0)
    scale = step / max(float(values.std()), 1e-12)
    return ScoreStep(
        samples,
        weight,
        push,
        mean + scale * std**2 * push.mean(axis=0),
        std * np.exp(np.clip(scale * spread.mean(axis=0), -0.5, 0.5)),
    )


def score_function(
    f: Function,
    mean: ArrayLike = (0.0, 0.0),
    std: ArrayLike = (1.0, 1.0),
    n_samples: int = 40,
    step: float = 1.0,
    seed: int = 0,
    bounds: tuple[float, float] = (-4.0, 4.0),
) -> Figure:
    """A matplotlib figure in three panels: the scores, the scores weighed by f, and the step.

    Args:
      f: points [N, 2] to values [N]; needs no derivative.
      mean: of the Gaussian, [2].
      std: [2].
      n_samples: how many points are drawn.
      step: size of the step.
      seed: of the draws.
      bounds: of both axes.

    Raises:
      UpslopeError: matplotlib is not installed, or f gives another shape.
    """
    check_number("score_function", "n_samples", n_samples, at_least=2, integer=True)
    figure = require_matplotlib()(figsize=(12, 4.3), layout="constrained")
    before, width = np.asarray(mean, float), np.asarray(std, float)
    samples = before + width * np.random.default_rng(seed).normal(size=(n_samples, 2))
    found = score_step(f, before, width, samples, step)
    axes = figure.subplots(1, 3, sharex=True, sharey=True)
    titles = (
        "1  each sample and its score, $\\nabla_\\mu \\log p(x)$",
        "2  weighed by $f(x) - \\bar f$",
        "3  the density before and after the step",
    )
    for panel, title in zip(axes, titles, strict=True):
        _landscape(panel, f, bounds)
        panel.set_title(title, loc="left", fontsize=10)
        panel.set_xlabel("$x_1$")
    axes[0].set_ylabel("$x_2$")
    score = (samples - before) / width**2
    _ellipses(axes[0], before, width, BLUE, "--")
    _arrows(axes[0], samples, score, np.full(n_samples, GREY))
    _ellipses(axes[1], before, width, BLUE, "--")
    _arrows(axes[1], samples, found.push, np.where(found.weight > 0, BLUE, ORANGE))
    _ellipses(axes[2], before, width, BLUE, "--")
    _ellipses(axes[2], found.mean, found.std, ORANGE, "-")
    axes[2].annotate(
        "", found.mean, before, arrowprops={"arrowstyle": "-|>", "color": "0.1", "lw": 1.6}
    )
    return figure


def animate_score_function(
    path: str | Path,
    f: Function,
    mean: ArrayLike = (0.0, 0.0),
    std: ArrayLike = (1.0, 1.0),
    n_samples: int = 40,
    step: float = 0.3,
    steps: int = 25,
    seed: int = 0,
    bounds: tuple[float, float] = (-4.0, 4.0),
) -> list[ScoreStep]:
    """Writes a GIF of `steps` steps; returns what happened in each of them.

    Args:
      path: the file, ending in `.gif`.
      steps: how many; the other arguments are those of `score_function`.

    Raises:
      UpslopeError: matplotlib is not installed, f gives another shape, or another file ending.
    """
    path = Path(path)
    if path.suffix != ".gif":
        raise UpslopeError(f"animate_score_function got {path.name!r}: it writes .gif files.")
    check_number("animate_score_function", "steps", steps, at_least=1, integer=True)
    figure = require_matplotlib()(figsize=(4.6, 4.6), layout="constrained")
    from matplotlib.animation import FuncAnimation, PillowWriter
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    rng, centre, width = (
        np.random.default_rng(seed),
        np.asarray(mean, float),
        np.asarray(std, float),
    )
    happened = []
    starts = []
    for _ in range(steps):
        samples = centre + width * rng.normal(size=(n_samples, 2))
        starts.append((centre, width))
        happened.append(score_step(f, centre, width, samples, step))
        centre, width = happened[-1].mean, happened[-1].std
    axes = figure.add_subplot()

    def draw(number: int) -> list[Any]:
        axes.clear()
        _landscape(axes, f, bounds)
        found = happened[number]
        centre, width = starts[number]
        _ellipses(axes, centre, width, BLUE, "-")
        _arrows(axes, found.samples, found.push, np.where(found.weight > 0, BLUE, ORANGE))
        value = float(np.mean(f(found.samples)))
        axes.set_title(f"step {number}: mean f of the samples {value:.2f}", loc="left", fontsize=10)
        axes.set_xlabel("$x_1$")
        axes.set_ylabel("$x_2$")
        return []

    FuncAnimation(figure, draw, frames=steps).save(path, writer=PillowWriter(fps=4), dpi=80)
    return happened


def _landscape(axes: Axes, f: Function, bounds: tuple[float, float]) -> None:
    line = np.linspace(*bounds, 121)
    points = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    axes.contourf(line, line, np.asarray(f(points)).reshape(121, 121), 12, cmap="Greys", alpha=0.55)
    axes.set_aspect("equal")
    axes.set_xlim(*bounds)
    axes.set_ylim(*bounds)


def _ellipses(axes: Axes, mean: np.ndarray, std: np.ndarray, color: str, style: str) -> None:
    """One and two standard deviations."""
    from matplotlib.patches import Ellipse

    for width in (1, 2):
        size = 2 * width * std
        axes.add_patch(
            Ellipse(tuple(mean), size[0], size[1], fill=False, color=color, linestyle=style, lw=1.6)
        )


def _arrows(axes: Axes, samples: np.ndarray, vectors: np.ndarray, colors: np.ndarray) -> None:
    """All to one scale, the longest `MAX_LENGTH` long."""
    longest = float(np.max(np.linalg.norm(vectors, axis=1)))
    axes.scatter(samples[:, 0], samples[:, 1], s=9, color="0.15", zorder=3, linewidths=0)
    scale = max(longest, 1e-12) / MAX_LENGTH
    to_scale = {"angles": "xy", "scale_units": "xy", "scale": scale}
    axes.quiver(*samples.T, *vectors.T, color=list(colors), width=0.006, zorder=2, **to_scale)
