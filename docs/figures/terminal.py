"""Pictures of what the terminal shows: `python docs/figures/terminal.py [NAME...]`.

Each command is run in a terminal of its own, whose last screen is drawn by rich. The SVG files name
no font and no address elsewhere. Needs `pip install -e '.[docs]'`, and Linux or macOS.
"""

from __future__ import annotations

import fcntl
import io
import itertools
import os
import pty
import re
import shlex
import struct
import sys
import tempfile
import termios
from pathlib import Path
from typing import NamedTuple

import pyte
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.style import Style
from rich.text import Text

HERE = Path(__file__).parent
LINES = 60
# Fonts that rich would fetch, and where it comes from.
ELSEWHERE = re.compile(r"@font-face \{\{.*?\}\}|<!--.*?-->", re.DOTALL)


class Scene(NamedTuple):
    """A command and the moment at which its screen is drawn."""

    command: str
    until: str | None = None  # a regular expression of what it shows then; None: its end
    exit_code: int = 0  # that of a command which is drawn at its end
    columns: int = 84  # of the terminal


SCENES = {
    "terminal-searching": Scene("upslope train CartPole-v1", until=r"[45]\d ?%"),
    "terminal-trained": Scene("upslope train CartPole-v1"),
    "terminal-mistake": Scene("upslope train CartPole-v1 ppo --lr 1e-3", exit_code=2),
    "terminal-gradcheck": Scene(
        "upslope gradcheck short-corridor --estimators rloo,gae,standardized,grpo", columns=98
    ),
}


def screen_of(scene: Scene) -> pyte.Screen:
    """The screen of a command at its moment; it runs in an empty folder.

    Raises:
      SystemExit: for a command that ended otherwise than it should.
    """
    screen = pyte.Screen(scene.columns, LINES)
    stream = pyte.ByteStream(screen)
    with tempfile.TemporaryDirectory() as folder:
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(folder)
            os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
            argv = shlex.split(scene.command)
            os.execv(sys.executable, [sys.executable, "-m", *argv])
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, scene.columns, 0, 0))
        while chunk := read(terminal):
            stream.feed(chunk)
            if scene.until and re.search(scene.until, "\n".join(screen.display)):
                os.kill(pid, 9)
                break
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
    ended = os.waitstatus_to_exitcode(status)
    if ended != (-9 if scene.until else scene.exit_code):
        raise SystemExit(f"{scene.command!r} ended with {ended}:\n" + "\n".join(screen.display))
    return screen


def read(terminal: int) -> bytes:
    """What the terminal got; nothing when its program has ended."""
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says it
        return b""


def picture(scene: Scene, screen: pyte.Screen) -> str:
    """The SVG of a screen, without its empty lines."""
    lines = [line_of(screen, row) for row in range(LINES)]
    while lines and not lines[-1].plain.strip():
        lines.pop()
    width = max(60, *(len(line.plain) for line in lines))
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    console.print(Text("\n").join(lines), no_wrap=True, crop=True)
    frame = ELSEWHERE.sub("", CONSOLE_SVG_FORMAT)
    return console.export_svg(title=scene.command, code_format=frame, unique_id="upslope")


def line_of(screen: pyte.Screen, row: int) -> Text:
    """One line of a screen with its colours."""
    cells = [screen.buffer[row][column] for column in range(screen.columns)]
    line = Text()
    for (name, bold), run in itertools.groupby(cells, lambda cell: (cell.fg, cell.bold)):
        line.append("".join(cell.data for cell in run), Style(color=colour(name), bold=bold))
    line.rstrip()
    return line


def colour(name: str) -> str | None:
    """A colour of pyte's as rich calls it; None for that of the terminal."""
    if name == "default":
        return None
    if re.fullmatch(r"[0-9a-f]{6}", name):
        return f"#{name}"
    return name.replace("brown", "yellow").replace("bright", "bright_")


if __name__ == "__main__":
    for name in sys.argv[1:] or SCENES:
        path = HERE / f"{name}.svg"
        path.write_text(picture(SCENES[name], screen_of(SCENES[name])))
        print(path.name)
