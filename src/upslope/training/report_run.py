"""The report of a run as one file of HTML, its film included."""

from __future__ import annotations

import base64
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from upslope.core.checks import StorageError, UpslopeError, check_path
from upslope.drawing import film_formats, write_film
from upslope.pages import Clip, Film, Notes, Page, Prose, Section, html_of
from upslope.pages.blocks import Block
from upslope.pages.html_page import require_jinja
from upslope.storage import atomic
from upslope.training.film import Reel
from upslope.training.record_run import shoot
from upslope.training.run import Run
from upslope.training.run_page import run_page

if TYPE_CHECKING:
    from upslope.environments.factory import EnvironmentLike

# A report stays small enough to be sent around: as far as an episode is filmed, frames per second
# and bytes.
FILMED_STEPS, FASTEST, MOST_BYTES = 500, 12.5, 1_800_000
MIMES = {".mp4": "video/mp4", ".gif": "image/gif"}


def report_run(
    run: Run | str | Path,
    out: str | Path | None = None,
    *,
    film: bool = True,
    environment: EnvironmentLike | None = None,
) -> Path:
    """Writes the report of one run; see `upslope.report`."""
    opened = run if isinstance(run, Run) else Run.load(run)
    path = report_file(opened, out)
    require_jinja()
    shown = film_section(opened, environment) if film else None
    return write_page(run_page(opened, shown), path)


def report_file(run: Run, out: str | Path | None) -> Path:
    """The file to write.

    Raises:
      UpslopeError: another ending than `.html`, or neither a file nor a run folder.
    """
    if out is None:
        if run.folder is None:
            raise UpslopeError("This run wrote no folder for its report: say which file (out=).")
        return Path(run.folder) / "report.html"
    return check_html(out)


def check_html(out: str | Path) -> Path:
    """A file name that ends with `.html`; one without an ending gets it.

    Raises:
      UpslopeError: it has another ending.
    """
    path = check_path("report", "out", out)
    path = path if path.suffix else path.with_suffix(".html")
    if path.suffix.lower() not in (".html", ".htm"):
        raise UpslopeError(f"A report must end with .html, not {path.suffix!r}.")
    return path


def write_page(page: Page, path: Path) -> Path:
    """Writes a page as a file that is whole or not there; its folder is made.

    Raises:
      StorageError: it cannot be written.
    """
    text = html_of(page)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise StorageError(f"Could not write the report {path}: {reason}.") from error
    atomic.write_bytes(path, text.encode())
    return path


def film_section(run: Run, environment: EnvironmentLike | None) -> Section:
    """The film of a run as a section; a line that says why where there is none."""
    try:
        return Section("Film", film_blocks(run, environment))
    except UpslopeError as error:
        return Section("Film", [Notes([f"There is no film: {error}"])])


def film_blocks(run: Run, environment: EnvironmentLike | None) -> list[Block]:
    """The film of a run, one clip for each seed that it shows.

    Raises:
      UpslopeError: it cannot be filmed, or is too large for a page.
    """
    if run.folder is None:
        raise UpslopeError("the run wrote no folder to film from.")
    formats = film_formats()
    if not formats:
        raise UpslopeError("Pillow is not installed: pip install 'upslope[report]'")
    ending = formats[-1]  # video where it can be written, which is a tenth of a GIF
    shot = shoot(
        Path(run.folder),
        max_steps=FILMED_STEPS,
        environment=environment,
        fastest=FASTEST,
        files=[],
    )
    clips = []
    for place, clip in enumerate(shot.played.clips[0]):
        reel = Reel("", [[clip]], shot.reel.fps)
        name = f"{clip.heading}: return {clip.total:,.1f} after {clip.length:,} steps"
        clips.append(clip_of(reel, ending, name))
        if sum(len(one.data) for one in clips) > MOST_BYTES:
            raise UpslopeError(
                f"its {place + 1} clips are more than {MOST_BYTES / 1e6:.1f} MB, too much for a "
                "page; upslope record writes it as a file."
            )
    notes = shot.played.notes
    text = f"One held-out episode each, {shot.reel.title.split(', ')[-1]}."
    return [Prose(text), Film(clips), *([Notes(notes)] if notes else [])]


def clip_of(reel: Reel, ending: str, description: str) -> Clip:
    """A film as it is put into a page."""
    with tempfile.TemporaryDirectory() as folder:
        data = write_film(Path(folder) / f"film{ending}", reel, reel.fps).read_bytes()
    poster, still = io.BytesIO(), reel[len(reel) // 3]
    still.quantize(64).save(poster, "PNG", optimize=True)
    film, picture = (base64.b64encode(part).decode() for part in (data, poster.getvalue()))
    return Clip(MIMES[ending], film, picture, still.width, still.height, description)
