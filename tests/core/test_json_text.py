"""JSON from strangers is read within limits; plain values come back as they were."""

import math

import numpy as np
import pytest

from upslope.core.checks import StorageError
from upslope.storage.json_text import finite_or_null, from_plain, parse_json, to_plain


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a": 1, "a": 2}', "twice"),
        (b"[NaN]", "NaN is not"),
        (b"[" * 100_000, "not valid"),
        (b"[" * 70 + b"]" * 70, "nested"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "nested"),
        (b" " * 1001, "1001 bytes"),
        (b"9" * 5000, "1000 that are read"),
        (b"\xff\xfe", "not valid"),
        (b"", "not valid"),
        (b"\x80\x04K\x01.", "not valid"),
    ],
)
def test_hostile_text_is_refused(text, reason):
    with pytest.raises(StorageError, match=reason):
        parse_json(
            text,
            "x.json",
            max_bytes=max(1000, len(text) - 4001)
            if b"9" in text
            else (1000 if text.startswith(b" ") else 1 << 20),
        )


def test_values_come_back():
    value = {"a": [1, 2**127, True, None, "x", 0.1, math.inf, -math.inf], "n": np.float32(0.5)}
    back = from_plain(to_plain(value))
    assert back == {**value, "n": 0.5}
    assert type(back["a"][2]) is bool
    assert math.isnan(from_plain(to_plain(math.nan)))


@pytest.mark.parametrize("value", [object(), {1: 2}, {"a": b"x"}, 1j, {"$float": "nan"}])
def test_what_is_not_plain_is_refused(value):
    with pytest.raises(StorageError, match="metadata"):
        to_plain(value)


def test_a_tag_cannot_smuggle_other_text():
    with pytest.raises(StorageError):
        from_plain({"$float": "1e400"})


def test_metrics_have_null_for_what_is_not_finite():
    assert finite_or_null({"a": math.nan, "b": [np.inf, 1.0]}) == {"a": None, "b": [None, 1.0]}
