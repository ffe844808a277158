"""Films on the disk: every frame in its order and time, whole or not there."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from upslope.core.checks import StorageError, UpslopeError
from upslope.drawing import film_formats, write_film

Image = pytest.importorskip("PIL.Image")


def frames(count):
    """Pictures that grow brighter from the left."""
    pictures = [np.zeros((20, 32, 3), np.uint8) for _ in range(count)]
    for k, picture in enumerate(pictures):
        picture[:, : k + 1] = 255
    return [Image.fromarray(picture) for picture in pictures]


def test_a_gif_has_every_frame_in_its_time(tmp_path):
    path = write_film(tmp_path / "new" / "film.gif", frames(12), fps=15)
    with Image.open(path) as film:
        assert film.n_frames == 12
        levels, total = [], 0
        for k in range(12):
            film.seek(k)
            levels.append(np.asarray(film.convert("L")).mean())
            total += film.info["duration"]
    np.testing.assert_allclose(levels, 255 * np.arange(1, 13) / 32, rtol=0.01)
    assert total == 800  # 12 frames at 15 per second
    assert [one.name for one in path.parent.iterdir()] == ["film.gif"]


@pytest.mark.slow
def test_an_mp4_has_every_frame(tmp_path):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    path = write_film(tmp_path / "film.mp4", frames(12), fps=12.5)
    count, seconds = imageio_ffmpeg.count_frames_and_secs(str(path))
    assert count == 12
    assert seconds == pytest.approx(0.96, abs=0.05)
    assert film_formats() == [".gif", ".mp4"]


@pytest.mark.parametrize("name", ["film.avi", "film"])
def test_other_endings_are_refused(tmp_path, name):
    with pytest.raises(UpslopeError, match=r"\.gif or \.mp4"):
        write_film(tmp_path / name, frames(1), fps=5)


def test_no_frames_and_no_folder_are_refused(tmp_path):
    with pytest.raises(UpslopeError, match="no frames"):
        write_film(tmp_path / "film.gif", [], fps=5)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Could not write the film"):
        write_film(tmp_path / "file" / "film.gif", frames(2), fps=5)


def test_without_ffmpeg_a_gif_is_left_and_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    assert film_formats() == [".gif"]
    with pytest.raises(UpslopeError, match=r"imageio-ffmpeg.*pip install 'upslope\[report\]'"):
        write_film(tmp_path / "film.mp4", frames(1), fps=5)


def test_a_film_that_breaks_leaves_the_old_one(tmp_path):
    class Breaking(list):
        def __getitem__(self, index):
            raise OSError("the disk is gone")

    path = write_film(tmp_path / "film.gif", frames(2), fps=5)
    before = path.read_bytes()
    with pytest.raises(StorageError, match="the disk is gone"):
        write_film(path, Breaking(frames(3)), fps=5)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
