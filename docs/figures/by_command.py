"""Pictures that commands draw: `python docs/figures/by_command.py [NAME...]`.

The commands are those under the pictures in the README and in `docs/gallery.md`.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from PIL import Image

HERE = Path(__file__).parent


class Picture(NamedTuple):
    """How a picture is drawn.

    Attributes:
      command: that draws it.
      drawn: where it leaves the picture.
      before: a command that makes the run it shows, or several.
    """

    command: str
    drawn: str
    before: str | tuple[str, ...] = ()


BENCH = (
    "upslope bench CartPole-v1 ppo reinforce cma-es --seeds 10 --total-timesteps 30000 "
    "--evaluations 15 --out bench --output comparison"
)


MAZE = "upslope train dyna-maze dyna-q --planning_steps {0} --seeds 30 --evaluations 1 --out n{0}"
SELF_PLAY = (
    "upslope train tic-tac-toe {0} --opponent mcts-100 --seeds 1 --evaluations 12 "
    "--evaluation-episodes 200 --final-episodes 200 --out {0}"
)
PICTURES = {
    "comparison.png": Picture(BENCH, "comparison/comparison.png"),
    "curves.png": Picture(
        "upslope plot bench/ppo bench/reinforce bench/cma-es --output curves.png",
        "curves.png",
        BENCH,
    ),
    "logged.png": Picture(
        "upslope plot bench/ppo --curves entropy approx_kl --output logged.png",
        "logged.png",
        BENCH,
    ),
    "film.gif": Picture(
        "upslope record acrobot --out film.gif",
        "film.gif",
        "upslope train Acrobot-v1 ars --seeds 3 --total-timesteps 200000 --out acrobot",
    ),
    "dyna-q.png": Picture(
        "upslope plot n0 n5 n50 --curves length --against episodes --until 50 --output dyna-q.png",
        "dyna-q.png",
        tuple(MAZE.format(n) for n in (0, 5, 50)),
    ),
    "alphago-to-muzero.png": Picture(
        "upslope plot alphago alphago-zero alphazero muzero --output alphago-to-muzero.png",
        "alphago-to-muzero.png",
        (
            *(SELF_PLAY.format(method) for method in ("alphago", "alphago-zero", "alphazero")),
            SELF_PLAY.format("muzero") + " --total-timesteps 120000 --symmetries True",
        ),
    ),
    "ladder.png": Picture(
        "python benchmarks/ladder.py --stored --figure ladder.png",
        "ladder.png",
    ),
    "gradcheck.png": Picture(
        "upslope gradcheck garnet --episodes 20000 --plot gradcheck.png --estimators "
        "reward-to-go,rloo,value-baseline,gae,dice,spsa,standardized,grpo",
        "gradcheck.png",
    ),
}


def run(command: str, folder: str) -> None:
    """Runs a command of Upslope's, or `python FILE` with a file of the repository, in a folder.

    Raises:
      subprocess.CalledProcessError: it failed.
    """
    program, *rest = shlex.split(command)
    if program == "python":
        argv = [sys.executable, str(HERE.parents[1] / rest[0]), *rest[1:]]
    else:
        argv = [sys.executable, "-m", program, *rest]
    subprocess.run(argv, cwd=folder, check=True, env=os.environ | {"COLUMNS": "100"})


def draw(names: list[str]) -> None:
    """Draws pictures anew, all in one folder, so that the runs of one serve the next."""
    done: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            before = PICTURES[name].before
            commands = (before,) if isinstance(before, str) else before
            for command in (*commands, PICTURES[name].command):
                if command not in done:
                    run(command, folder)
                    done.add(command)
            store(Path(folder) / PICTURES[name].drawn, HERE / name)


def store(drawn: Path, path: Path) -> None:
    """Keeps a film as it is, and a picture in 128 colours: a third of its size."""
    if path.suffix == ".gif":
        shutil.copy(drawn, path)
        return
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(128).save(path, optimize=True)


if __name__ == "__main__":
    draw(sys.argv[1:] or list(PICTURES))
