"""Whole numbers as people write them: `1e6`, `100_000`, `100k`."""

from __future__ import annotations

import re
from decimal import Decimal

WORD = re.compile(r"([+-]?\d[\d_,]*(?:\.\d+)?(?:[eE]\+?\d{1,3})?)([kKmM]?)")
THOUSANDS = {"": 1, "k": 1_000, "m": 1_000_000}


def whole(value: object) -> object:
    """A whole number that is written as a float or a word, as an int; everything else as it is.

        whole(1e6)      # 1000000
        whole("100k")   # 100000
        whole(2.5)      # 2.5: whoever wants a whole number says what is wrong with it

    Args:
      value: 1000000.0, "1e6", "100_000", "1,000,000", "100k", "1.5M", or anything.
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, str):
        return value
    match = WORD.fullmatch(value.strip())
    if match is None:
        return value
    number = Decimal(re.sub("[_,]", "", match[1])) * THOUSANDS[match[2].lower()]
    return int(number) if number == number.to_integral_value() else value
