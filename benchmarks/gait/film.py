"""Films the first gait and the fastest learnt one side by side: `MUJOCO_GL=egl python film.py`."""

from __future__ import annotations

import json
from pathlib import Path

import half_ellipse
import jax
import numpy as np
import quadruped
from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[2]
SEED = 100  # of a walk that no search has seen


def main() -> None:
    """Writes docs/figures/gait.gif."""
    runs = json.loads((ROOT / "benchmarks" / "results" / "gait.json").read_text())["runs"]
    name = max(runs, key=lambda name: max(runs[name]["speed"]))
    env = quadruped.Quadruped(render_mode="rgb_array")
    first = half_ellipse.build(jax.random.key(0), env.observation_space, env.action_space)
    learnt = half_ellipse.of_numbers(first, runs[name]["gait"])
    films = []
    for title, gait in (("the first gait", first), (f"learnt by {name}", learnt)):
        frames: list[np.ndarray] = []
        speed = half_ellipse.walk(env, gait, SEED, frames)
        films.append([labelled(frame, f"{title}: {speed:.2f} m/s") for frame in frames])
        print(f"{title}: {speed:.2f} m/s, {len(frames)} frames")
    pictures = [
        Image.fromarray(np.concatenate(pair, axis=0)).quantize(64)
        for pair in zip(*films, strict=False)
    ]
    pictures[0].save(
        ROOT / "docs" / "figures" / "gait.gif",
        save_all=True,
        append_images=pictures[1:],
        duration=4 * 1000 // quadruped.RATE,
        loop=0,
        optimize=True,
    )


def labelled(frame: np.ndarray, text: str) -> np.ndarray:
    """The frame with a line of text."""
    picture = Image.fromarray(frame)
    ImageDraw.Draw(picture).text((8, 6), text, fill=(255, 255, 255))
    return np.asarray(picture)


if __name__ == "__main__":
    main()
