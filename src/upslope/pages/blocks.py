"""What a page is made of. All text is plain: the page escapes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    kind: ClassVar[str] = "prose"
    text: str


@dataclass(frozen=True)
class Facts:
    """Names with a value each."""

    kind: ClassVar[str] = "facts"
    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class DataTable:
    """Rows of text; the first cell names the row, the others are numbers.

    Attributes:
      columns: the heads.
      rows: as many cells each.
      caption: what the table says.
    """

    kind: ClassVar[str] = "table"
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str


@dataclass(frozen=True)
class Figure:
    """A chart with its words.

    Attributes:
      title: above it.
      svg: markup that is put in as it is, from `line_chart` or `interval_chart`.
      legend: a colour number and a label for each line.
      caption: below it.
    """

    title: str
    svg: str
    legend: Sequence[tuple[int, str]] = ()
    caption: str = ""


@dataclass(frozen=True)
class Figures:
    """Charts side by side, where there is room."""

    kind: ClassVar[str] = "figures"
    figures: Sequence[Figure]


@dataclass(frozen=True)
class Bar:
    """A part of a whole.

    Attributes:
      name: what it is.
      text: how much.
      share: of the whole, 0 to 1.
    """

    name: str
    text: str
    share: float


@dataclass(frozen=True)
class Shares:
    """A whole in its parts."""

    kind: ClassVar[str] = "shares"
    bars: Sequence[Bar]
    caption: str


@dataclass(frozen=True)
class Notes:
    """Lines that the reader should know."""

    kind: ClassVar[str] = "notes"
    lines: Sequence[str]


@dataclass(frozen=True)
class Code:
    """Text to copy, with a button that does.

    Attributes:
      text: as it is copied.
      label: what it is.
    """

    kind: ClassVar[str] = "code"
    text: str
    label: str


@dataclass(frozen=True)
class Clip:
    """Moving pictures.

    Attributes:
      mime: `video/mp4` or `image/gif`.
      data: the file, base64.
      poster: a still picture, PNG in base64.
      width: pixels.
      height: pixels.
      description: what is seen.
    """

    mime: str
    data: str
    poster: str
    width: int
    height: int
    description: str


@dataclass(frozen=True)
class Film:
    """Clips side by side, where there is room; all play when one is played."""

    kind: ClassVar[str] = "film"
    clips: Sequence[Clip]


@dataclass(frozen=True)
class Slide:
    """A picture of a row that is stepped through.

    Attributes:
      svg: markup that is put in as it is.
      caption: what it shows.
      detail: a second line; may be empty.
    """

    svg: str
    caption: str
    detail: str = ""


@dataclass(frozen=True)
class Slides:
    """Pictures one after the other, by buttons and arrow keys; without a script all of them."""

    kind: ClassVar[str] = "slides"
    slides: Sequence[Slide]
    caption: str


Block: TypeAlias = Prose | Facts | DataTable | Figures | Shares | Notes | Code | Film | Slides


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
      heading: its name.
      blocks: from top to bottom.
      folded: whether it is closed until somebody opens it.
      parts: smaller sections at its end.
    """

    heading: str
    blocks: Sequence[Block]
    folded: bool = False
    parts: Sequence[Section] = ()


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
      title: of the window, and the first line.
      result: the most important number, large; may be empty.
      lead: a sentence below.
      sections: from top to bottom, those without blocks left out.
      footer: where it comes from.
    """

    title: str
    result: str
    lead: str
    sections: Sequence[Section]
    footer: str
