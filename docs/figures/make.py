"""Draws figures of the documentation: `python docs/figures/make.py [NAME...]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from upslope import exact, make, plots, train
from upslope.environments import FiniteMDP
from upslope.objectives import DiscountedReturn, EpisodicReturn
from upslope.plots.drawing import BLUE, GREEN, ORANGE, bare, require_matplotlib
from upslope.policies import TabularSoftmax

HERE = Path(__file__).parent


def terraces(points: np.ndarray) -> np.ndarray:
    """Steps around (1.5, 1): flat nearly everywhere."""
    return -np.floor(2 * np.hypot(points[:, 0] - 1.5, points[:, 1] - 1.0)) / 2


def score_function() -> None:
    start = ((-1.0, -0.5), (1.0, 1.0))
    plots.score_function(terraces, *start).savefig(HERE / "score-function.png", dpi=90)
    plots.animate_score_function(HERE / "score-function.gif", terraces, *start, steps=16)


def policy_simplex() -> None:
    reward = jnp.array([1.0, 0.9, 0.0])
    names = ("pays 1", "pays 0.9", "pays 0")
    figure = plots.policy_simplex(lambda pi: reward @ pi, names)
    figure.savefig(HERE / "policy-simplex.png", dpi=90)


def value_surface() -> None:
    """Kakade's two states: stay or cross; staying earns 1 in the first and 2 in the second."""
    transition = np.zeros((2, 2, 2))
    transition[0, 0, 0] = transition[1, 0, 1] = transition[0, 1, 1] = transition[1, 1, 0] = 1.0
    environment = FiniteMDP(transition, [[1.0, 0.0], [2.0, 0.0]], [0.8, 0.2], [False, False])
    objective = DiscountedReturn(0.9)

    def policy(theta):  # log odds of staying
        return TabularSoftmax(jnp.stack([theta, jnp.zeros(2)], axis=1))

    def fisher(theta):
        table = exact.policy_table(policy(theta), environment)
        visits = exact.discounted_occupancy(table, environment, 0.9)
        return jnp.diag(visits * table[:, 0] * table[:, 1])

    figure = plots.value_surface(
        lambda theta: exact.value(policy(theta), environment, objective),
        fisher,
        ((-5.0, 5.0), (-5.0, 5.0)),
        names=("log odds of staying in the state that pays 1", "... in the state that pays 2"),
    )
    figure.savefig(HERE / "value-surface.png", dpi=90)


def learning_curve() -> None:
    """Four seeds of PPO on CartPole with its preset."""
    run = train("CartPole-v1", total_timesteps=50_000, evaluations=20, seeds=4)
    run.plot().savefig(HERE / "learning-curve.png", dpi=90)


def maze() -> None:
    environment, objective = make("dyna-maze"), DiscountedReturn(0.95)
    policy = TabularSoftmax(jnp.zeros((54, 4)))
    for _ in range(6):
        step = exact.natural_gradient(policy, environment, objective)
        policy = jax.tree.map(jnp.add, policy, step)
    mdp, table = environment.finite_mdp(), exact.policy_table(policy, environment)
    value = np.array(exact.discounted_values(table, mdp, 0.95).value)
    occupancy = np.array(exact.discounted_occupancy(table, mdp, 0.95))
    value[int(environment.goal)] = occupancy[int(environment.goal)] = np.nan  # the end
    title = "after six steps of the natural gradient"
    figure = plots.state_map(environment, value, "V, discounted reward", table, title)
    figure.savefig(HERE / "maze-value.png", dpi=80)
    figure = plots.state_map(environment, occupancy, "discounted occupancy", None, title)
    figure.savefig(HERE / "maze-occupancy.png", dpi=80)


def aliased_corridor() -> None:
    p = np.linspace(0.03, 0.97, 400)
    value = (2 * p - 4) / (p * (1 - p))
    figure = require_matplotlib()(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(p, value, color=BLUE, linewidth=2)
    best = 2 - np.sqrt(2)
    marks = (
        (best, f"best: p = 2 - √2, v = {-(6 + 4 * np.sqrt(2)):.2f}", GREEN, (0.5, -30)),
        (0.95, "ε-greedy right, -44.2", ORANGE, (0.70, -52)),
        (0.05, "ε-greedy left, -82.1", ORANGE, (0.09, -83)),
    )
    for place, text, color, where in marks:
        height = (2 * place - 4) / (place * (1 - place))
        axes.plot(place, height, "o", color=color, markersize=8)
        axes.annotate(text, (place, height), where, fontsize=10, color=color)
    environment, policy = (
        make("short-corridor", time_limit=None),
        TabularSoftmax(jnp.array([[1.5, -1.5]])),
    )
    path = []
    for _ in range(120):
        path.append(float(jax.nn.softmax(policy.logits[0])[1]))
        step = exact.gradient(policy, environment, EpisodicReturn())
        policy = jax.tree.map(lambda x, g: x + 0.008 * g, policy, step)
    path = np.array(path)
    axes.plot(path, (2 * path - 4) / (path * (1 - path)), ".", color="0.2", markersize=6,
              label="gradient ascent, step by step")  # fmt: skip
    axes.set_xlabel("probability of going right")
    axes.set_ylabel("value of the start, minus the steps to the goal")
    axes.set_ylim(-100, 0)
    axes.legend(frameon=False, loc="lower center")
    bare(axes)
    axes.grid(alpha=0.25)
    figure.savefig(HERE / "aliased-corridor.png", dpi=90)


def policy_oscillation() -> None:
    """The two rooms of the page: their action values, mixed, have this difference."""
    reward, gamma = np.array([[0.2, 1.0], [0.0, 0.0]]), 0.9

    def difference(p: float) -> float:
        room = np.array([1 - p, p])
        return float(room @ (reward[:, 1] - reward[:, 0]) + gamma * room @ (reward[1] - reward[0]))

    greedy, soft = [0.2], [0.2]
    for _ in range(14):
        greedy.append(0.95 if difference(greedy[-1]) > 0 else 0.05)
        odds = np.log(soft[-1] / (1 - soft[-1])) + difference(soft[-1])
        soft.append(1 / (1 + np.exp(-odds)))
    figure = require_matplotlib()(figsize=(7, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(greedy, "o-", color=ORANGE, label="greedy improvement")
    axes.plot(soft, "s-", color=BLUE, label="a small step")
    axes.set_xlabel("iteration")
    axes.set_ylabel("probability of moving to room 1")
    axes.set_ylim(-0.03, 1.2)
    axes.legend(frameon=False, ncols=2, loc="upper center")
    bare(axes)
    axes.grid(alpha=0.25)
    figure.savefig(HERE / "policy-oscillation.png", dpi=90)


def noise() -> None:
    """What was seen, what it is worth: from the stored results of the benchmark."""
    stored = HERE.parents[1] / "benchmarks" / "results" / "noise.json"
    runs = json.loads(stored.read_text())["runs"]
    figure = require_matplotlib()(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for row, run in enumerate(reversed(runs.values())):
        seen, truth = np.median(run["best_seen"]), np.median(run["truth"])
        axes.plot([truth, seen], [row, row], color="0.8", linewidth=2, zorder=1)
        low, high = np.quantile(run["truth"], [0.1, 0.9])
        axes.plot([low, high], [row, row], color=BLUE, linewidth=5, alpha=0.35, zorder=2)
        axes.plot(truth, row, "o", color=BLUE, markersize=7, zorder=3)
        axes.plot(seen, row, "o", color=ORANGE, markersize=7, zorder=3)
    axes.plot([], [], "o", color=BLUE, label="what the solution is worth (median, 80 % of runs)")
    axes.plot([], [], "o", color=ORANGE, label="best value seen on the way")
    axes.axvline(0, color="0.4", linewidth=1)
    axes.text(0.03, len(runs) - 0.4, "the best there is", fontsize=9, color="0.4")
    axes.set_yticks(range(len(runs)), list(reversed(runs)))
    axes.set_ylim(-0.6, len(runs) + 0.2)
    axes.set_xlabel("f")
    figure.legend(frameon=False, loc="outside upper center", ncols=2)
    bare(axes)
    axes.grid(axis="x", alpha=0.25)
    figure.savefig(HERE / "noise.png", dpi=90)


def gait() -> None:
    """Speed against walks, from the stored results of the experiment."""
    stored = HERE.parents[1] / "benchmarks" / "results" / "gait.json"
    record = json.loads(stored.read_text())
    first = record["summary"]["the first gait"]["median"]
    figure = require_matplotlib()(figsize=(8, 4.6), layout="constrained")
    axes = figure.add_subplot()
    for name, color in zip(record["runs"], (BLUE, ORANGE, GREEN, "0.25", "#cc79a7"), strict=True):
        curve = record["runs"][name]["curve"]
        walks = [0.0, *(steps / 200 for steps, _ in curve)]
        speeds = np.array([[first] * len(curve[0][1]), *(speeds for _, speeds in curve)])
        low, middle, high = np.quantile(speeds, [0.25, 0.5, 0.75], axis=1)
        axes.plot(walks, middle, "o-", color=color, markersize=4, linewidth=2)
        axes.fill_between(walks, low, high, color=color, alpha=0.12, linewidth=0)
        axes.plot([], [], color=color, linewidth=2, label=name)
    axes.axhline(first, color="0.5", linewidth=1, linestyle="--")
    axes.text(walks[-1], first - 0.06, "where all of them start", ha="right", fontsize=9)
    axes.set_xlabel("walks of four seconds")
    axes.set_ylabel("forward speed on fresh walks, m/s")
    axes.set_ylim(0, None)
    axes.legend(frameon=False, loc="upper left")
    bare(axes)
    axes.grid(alpha=0.25)
    figure.savefig(HERE / "gait.png", dpi=90)


FIGURES = {
    figure.__name__.replace("_", "-"): figure
    for figure in (
        gait,
        noise,
        score_function,
        policy_simplex,
        value_surface,
        learning_curve,
        maze,
        aliased_corridor,
        policy_oscillation,
    )
}

if __name__ == "__main__":
    for name in sys.argv[1:] or FIGURES:
        FIGURES[name]()
