"""What people post as feedback, in whatever shape."""

from __future__ import annotations

import pytest

from pf_monitor.instrument.served_feedback import read


@pytest.mark.parametrize(
    ("posted", "score", "comment"),
    [
        (5, 5, None),
        (True, True, None),
        ("up", True, None),
        ("3.5", 3.5, None),
        ("it rained in", None, "it rained in"),
        ({"score": 4, "comment": "helpful"}, 4, "helpful"),
        ({"thumbs": "down", "reason": "wrong tent"}, False, "wrong tent"),
        ({"feedback": "positive"}, True, None),
        ({"feedback": "too long"}, None, "too long"),
        ({"rating": {"a": 1}}, None, None),
        ([1, 2], None, None),
        (None, None, None),
    ],
)
def test_read(posted, score, comment):
    assert read(posted) == (score, comment)
