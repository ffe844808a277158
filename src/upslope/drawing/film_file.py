"""Films as files: GIF by Pillow, MP4 by the ffmpeg of imageio-ffmpeg."""

from __future__ import annotations

import contextlib
import secrets
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from upslope.core.checks import StorageError, UpslopeError, missing_extra
from upslope.drawing.canvas import require_pillow

if TYPE_CHECKING:
    from PIL import Image

FORMATS = (".gif", ".mp4")
# A GIF counts hundredths of a second, and browsers slow down what is faster than two.
FASTEST_GIF = 50.0
GIF_COLORS = 96


def film_formats() -> list[str]:
    """The formats that can be written with what is installed; none without Pillow."""
    found = []
    for ending in FORMATS:
        try:
            require(ending)
        except UpslopeError:
            continue
        found.append(ending)
    return found


def require(ending: str) -> None:
    """Asks for what a format needs.

    Raises:
      UpslopeError: another ending than `.gif` and `.mp4`, or a package is missing.
    """
    if ending not in FORMATS:
        raise UpslopeError(f"A film must end with .gif or .mp4, not {ending or 'nothing'!r}.")
    require_pillow()
    if ending == ".mp4":
        try:
            import imageio_ffmpeg  # noqa: F401
        except ImportError:
            raise missing_extra("An MP4 film", "imageio-ffmpeg", "report") from None


def write_film(path: str | Path, frames: Sequence[Image.Image], fps: float) -> Path:
    """Writes pictures of one size as a film; the file is whole or not there.

    Args:
      path: the file, ending in `.gif` or `.mp4`; its folder is made.
      frames: at least one, of even width and height; each is asked for as it is written.
      fps: frames per second.

    Raises:
      UpslopeError: no frames, another ending, or a package is missing.
      StorageError: the file cannot be written.
    """
    path = Path(path)
    require(path.suffix.lower())
    if not len(frames):
        raise UpslopeError(f"write_film got no frames for {path}.")
    temporary = path.with_name(f".{path.stem}-{secrets.token_hex(6)}{path.suffix.lower()}")
    write = _write_gif if path.suffix.lower() == ".gif" else _write_mp4
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary, frames, fps)
        temporary.replace(path)
    except OSError as error:
        raise StorageError(
            f"Could not write the film {path}: {error.strerror or error}."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path


def _write_gif(path: Path, frames: Sequence[Image.Image], fps: float) -> None:
    from PIL import Image

    # One palette for all, of pictures from the whole film: colours that differ would flicker.
    chosen = [frames[int(k)] for k in np.linspace(0, len(frames) - 1, 6)]
    sheet = Image.new("RGB", (chosen[0].width, chosen[0].height * len(chosen)))
    for place, picture in enumerate(chosen):
        sheet.paste(picture, (0, place * picture.height))
    palette = sheet.quantize(GIF_COLORS, dither=Image.Dither.NONE)
    indexed = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    hundredths = 100.0 / min(fps, FASTEST_GIF)
    times = np.diff(np.round(hundredths * np.arange(len(indexed) + 1)))
    indexed[0].save(
        path,
        save_all=True,
        append_images=indexed[1:],
        duration=[10 * int(time) for time in times],
        loop=0,
        optimize=True,  # what has not changed since the frame before is not stored again
    )


def _write_mp4(path: Path, frames: Sequence[Image.Image], fps: float) -> None:
    import imageio_ffmpeg

    rate: Any = fps  # a fraction too, whatever its annotation says
    writer = imageio_ffmpeg.write_frames(
        str(path),
        frames[0].size,
        fps=rate,
        codec="libx264",
        pix_fmt_in="rgb24",
        pix_fmt_out="yuv420p",
        macro_block_size=2,
        output_params=["-crf", "26", "-preset", "veryfast", "-movflags", "+faststart"],
    )
    try:
        with warnings.catch_warnings():
            # JAX warns of any fork; ffmpeg is started by one that runs nothing of this program.
            warnings.filterwarnings("ignore", message=r"os\.fork\(\)", category=RuntimeWarning)
            writer.send(None)
        for picture in frames:
            writer.send(np.ascontiguousarray(np.asarray(picture)))
    finally:
        writer.close()
