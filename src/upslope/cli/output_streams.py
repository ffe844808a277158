"""Output that may be narrow, full, closed or read by nobody: none of it ends the work."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple

# Characters and how they are spelled, in turn; and those with spaces in their spelling.
_SPELLED = """
± +-  … ...  · *  × x  ← <-  → ->  ↦ ->  ⇒ =>  ≤ <=  ≥ >=  ≠ !=  ≈ ~  ∂ d  √ sqrt  ∞ inf
‖ ||  ⟨ <  ⟩ >  ′ '  ᵀ ^T  ∘ o  ℓ l  α alpha  β beta  γ gamma  δ delta  ε epsilon  ζ zeta
η eta  θ theta  κ kappa  λ lambda  μ mu  µ mu  ν nu  ξ xi  π pi  ρ rho  σ sigma  τ tau
φ phi  χ chi  ψ psi  ω omega  Γ Gamma  Δ Delta  Θ Theta  Λ Lambda  Σ Sigma  Π Pi  Φ Phi
Ψ Psi  Ω Omega
"""
_SPACED = {"∈": " in ", "∇": "grad ", "\u2003": "    "}
_ACCENTS = {"\u0302": "^", "\u0303": "~", "\u0304": "_"}
# What a stream without Unicode shows instead; a question mark for the rest.
PLAIN = str.maketrans(
    {
        **dict(zip(_SPELLED.split()[::2], _SPELLED.split()[1::2], strict=True)),
        **_SPACED,
        **_ACCENTS,
        **dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-", strict=True)),
        **{sign: f"^{plain}" for sign, plain in zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True)},
        **dict(zip("▁▂▃▄▅▆▇█", "__..--==", strict=True)),
    }
)


class LastingStream:
    """A stream on which writing never fails: what it cannot take is lost.

    Characters that its encoding lacks are spelled in ASCII. The first failure is kept, and from
    then on everything goes nowhere.

    Args:
      stream: what is written to; None, as Python has it for a closed descriptor, goes nowhere.
      failed: told of the first failure.
    """

    def __init__(self, stream: IO[str] | None, failed: Callable[[Exception], None] | None = None):
        self._stream: IO[str] = nowhere() if stream is None else stream
        self._failed = failed
        self.lost: Exception | None = None

    def write(self, text: str) -> int:
        """Writes what can be written, and says that it was all."""
        if self.lost is None:
            try:
                try:
                    self._stream.write(text)
                except UnicodeEncodeError:
                    self._stream.write(in_encoding(text, self._stream.encoding))
            except (OSError, ValueError) as error:
                self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Hands on what is waiting."""
        if self.lost is None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._give_up(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _give_up(self, error: Exception) -> None:
        self.lost = error
        with contextlib.suppress(OSError, ValueError, AttributeError):
            # What is still waiting would fail again when the process ends.
            os.dup2(nowhere().fileno(), self._stream.fileno())
        if self._failed is not None:
            self._failed(error)


class Outputs(NamedTuple):
    """Both streams of a command."""

    out: LastingStream
    error: LastingStream


@contextlib.contextmanager
def lasting_outputs(note: str = "") -> Iterator[Outputs]:
    """Standard output and error that never fail, while the context lasts.

    Args:
      note: what the user is told on standard error when standard output is lost, after the reason.
    """

    def failed(error: Exception) -> None:
        if note:
            print(f"note: {reason(error)}; {note}", file=streams.error, flush=True)

    streams = Outputs(LastingStream(sys.stdout, failed), LastingStream(sys.stderr))
    with contextlib.redirect_stdout(streams.out), contextlib.redirect_stderr(streams.error):
        yield streams


def reason(error: Exception) -> str:
    """Why standard output was lost, as the beginning of a sentence."""
    if isinstance(error, BrokenPipeError):
        return "the reader of standard output has gone"
    return f"standard output takes no more ({getattr(error, 'strerror', None) or error})"


def in_encoding(text: str, encoding: str) -> str:
    """The text with only characters that the encoding has."""
    found = []
    for character in text:
        try:
            character.encode(encoding)
        except UnicodeEncodeError:
            character = character.translate(PLAIN).encode(encoding, "replace").decode(encoding)
        found.append(character)
    return "".join(found)


@functools.cache
def nowhere() -> IO[str]:
    """A stream that takes everything and keeps nothing; it lives as long as the process."""
    stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    atexit.register(stream.close)
    return stream
