"""Output that is narrow, full, closed or read by nobody: work goes on, or a line says why not."""

import io
import json
import os
import subprocess
import sys

import pytest

from upslope.cli.output_streams import LastingStream, in_encoding, lasting_outputs

TRAIN = (
    "train CartPole-v1 cem --seeds 1 --total-timesteps 200 --evaluations 2 --evaluation-episodes 2 "
    "--final-episodes 2 --population-size 4 --n-elites 2 --env.time-limit 10 --out"
)
COMMAND = [sys.executable, "-m", "upslope.cli.main"]


class Full(io.StringIO):
    """A disk without room: the second write fails."""

    def write(self, text):
        if self.tell():
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_the_first_failure_is_told_once_and_the_rest_goes_nowhere():
    told = []
    stream = LastingStream(Full(), told.append)
    for text in ("a", "b", "c"):
        assert stream.write(text) == 1
    stream.flush()
    assert [error.errno for error in told] == [28]
    assert stream.lost is told[0]
    assert stream.getvalue() == "a"


def test_a_closed_stream_and_none_take_everything():
    closed = io.StringIO()
    closed.close()
    for stream in (LastingStream(closed), LastingStream(None)):
        print("a", file=stream, flush=True)
    assert not LastingStream(None).isatty()


def test_what_an_encoding_lacks_is_spelled_in_it():
    assert (
        in_encoding("± ∇J(θ) → 3²·x̂ ⁻¹ 火 \udcff", "ascii") == "+- grad J(theta) -> 3^2*x^ ^-^1 ? ?"
    )
    assert in_encoding("± θ é", "latin-1") == "± theta é"
    raw = io.BytesIO()
    stream = LastingStream(io.TextIOWrapper(raw, encoding="ascii"))
    print("95 % ± θ", file=stream, flush=True)
    assert raw.getvalue() == b"95 % +- theta\n"


def test_the_streams_are_put_back():
    before = sys.stdout, sys.stderr
    with lasting_outputs() as outputs:
        assert (sys.stdout, sys.stderr) == (outputs.out, outputs.error)
    assert (sys.stdout, sys.stderr) == before


def shell(line, **variables):
    """A command line as a shell runs it, `upslope` being this one."""
    environment = {**os.environ, "UPSLOPE": " ".join(COMMAND), **variables}
    line = line.replace("upslope ", "$UPSLOPE ")
    return subprocess.run(
        ["bash", "-c", line], env=environment, capture_output=True, text=True, timeout=200
    )


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("> /dev/full", "No space left on device); training goes on"),
        (">&-", ""),
        ("| head -1 > /dev/null; exit ${PIPESTATUS[0]}", "has gone; training goes on"),
        ("> /dev/full 2> /dev/full", ""),
    ],
)
def test_training_goes_on_without_output(tmp_path, end, said):
    out = tmp_path / "run"
    done = shell(f"upslope {TRAIN} {out} {end}")
    assert done.returncode == 0, done.stderr
    assert json.loads((out / "status.json").read_text())["state"] == "done"
    assert (out / "policy").is_dir()
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == bool(said)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_what_cannot_be_printed_is_an_error_of_one_line():
    done = shell("upslope list envs > /dev/full")
    assert done.returncode == 5
    assert done.stderr.startswith("error: standard output takes no more")
    assert len(done.stderr.splitlines()) == 1
    gone = shell("(sleep 3; upslope list envs; echo $? >&2) | true")
    assert gone.stderr == "141\n"


@pytest.mark.slow
def test_a_stream_without_unicode_gets_ascii(tmp_path):
    narrow = dict(PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    done = shell(f"upslope {TRAIN} {tmp_path / 'run'}", **narrow)
    assert done.returncode == 0, done.stderr
    heads, row = next(
        pair for pair in zip(*[iter(done.stdout.splitlines()[i:]) for i in (0, 1)], strict=False)
        if "+- episodes" in pair[0]
    )  # fmt: skip
    assert len(heads) == len(row)
    shown = shell("upslope show ppo", **narrow)
    assert shown.returncode == 0, shown.stderr
    assert "pi_theta" in shown.stdout
