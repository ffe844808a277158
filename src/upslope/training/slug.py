"""Names from users as folder names, whatever is in them."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from upslope.core.checks import StorageError

MAX_LENGTH = 80
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def slug(name: str) -> str:
    """`name` as one safe folder name: ASCII letters, digits, `.`, `_` and `-`, at most 80.

    `ALE/Pong-v5` becomes `ALE-Pong-v5`. Never empty, never hidden, never a device of Windows. Two
    names may share a slug: the run folder's short id keeps them apart.
    """
    ascii_ = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", ascii_)
    safe = re.sub(r"\.{2,}", ".", safe)[:MAX_LENGTH].strip(".-_")
    return f"x-{safe}" if _RESERVED.fullmatch(safe) else safe or "unnamed"


def inside(root: Path, *parts: str) -> Path:
    """`root` joined with `parts`.

    Raises:
      StorageError: when that would leave `root` (`..`, an absolute path, a link to elsewhere).
    """
    path = Path(root).joinpath(*parts)
    if not path.resolve().is_relative_to(Path(root).resolve()):
        raise StorageError(f"{'/'.join(map(str, parts))!r:.120} leads out of the folder {root}.")
    return path
