"""Where compiled programs are kept between runs of the suite."""

import hashlib
import os
import platform
from pathlib import Path


def program_cache() -> Path:
    """$UPSLOPE_TEST_CACHE, else a folder of pytest's own cache; apart for every kind of processor.

    What was compiled for one processor may not run on another; a folder may outlive its machine.
    """
    usual = Path(__file__).parents[1] / ".pytest_cache" / "programs"
    base = Path(os.environ.get("UPSLOPE_TEST_CACHE") or usual)
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text().splitlines() if listing.exists() else []
    features = [line for line in lines if line.startswith(("model name", "flags", "Features"))]
    kind = "\n".join([platform.platform(), *sorted(set(features))])
    return base / hashlib.sha256(kind.encode()).hexdigest()[:16]
