"""What the answers of an endpoint mean, right ones and odd ones."""

from __future__ import annotations

import json

import pytest

from pf_monitor.pipeline.delivery.answers import Verdict, understand

URL = "https://westeurope-5.in.applicationinsights.azure.com/v2.1/track"


def told(accepted, *errors):
    return json.dumps(
        {
            "itemsReceived": 4,
            "itemsAccepted": accepted,
            "errors": [{"index": index, "statusCode": status, "message": "m"} for index, status in errors],
        }
    ).encode()


def answer(status, body=b"", **headers):
    return understand(URL, status, {name.replace("_", "-"): text for name, text in headers.items()}, body, 4)


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, told(4), Verdict.TAKEN),
        (206, told(4), Verdict.TAKEN),
        # Empty, no JSON, not this JSON, numbers that do not fit, indexes that are none: taken or not, who knows.
        (200, b"", Verdict.UNCLEAR),
        (200, b"OK", Verdict.UNCLEAR),
        (200, b"null", Verdict.UNCLEAR),
        (200, b"[]", Verdict.UNCLEAR),
        (200, b'{"itemsReceived":4}', Verdict.UNCLEAR),
        (200, told(3), Verdict.UNCLEAR),
        (200, told(5), Verdict.UNCLEAR),
        (200, told("4"), Verdict.UNCLEAR),
        (206, told(3, (4, 500)), Verdict.UNCLEAR),
        (206, told(3, (-1, 500)), Verdict.UNCLEAR),
        (206, told(3, ("0", 500)), Verdict.UNCLEAR),
        (206, told(3, (True, 500)), Verdict.UNCLEAR),
        (206, told(2, (1, 500), (1, 500)), Verdict.UNCLEAR),
        (206, told(4, (1, 500)), Verdict.UNCLEAR),
        (206, b'{"itemsAccepted":3,"errors":[7]}', Verdict.UNCLEAR),
        (206, b'{"itemsAccepted":3,"errors":[{"index":[]}]}', Verdict.UNCLEAR),
        # It says itself that it took none.
        (206, told(0), Verdict.AWAY),
        (400, b"", Verdict.REFUSED),
        (422, b"", Verdict.REFUSED),
        (413, b"", Verdict.TOO_LARGE),
        (402, b"", Verdict.OVER_QUOTA),
        (439, b"", Verdict.OVER_QUOTA),
        *((status, b"", Verdict.AWAY) for status in (401, 403, 404, 405, 408, 418, 429, 500, 502, 503, 504, 304, 100)),
    ],
)
def test_an_answer_is_understood(status, body, verdict):
    assert answer(status, body).verdict is verdict


def test_of_a_batch_that_was_taken_partly_each_item_is_told_apart():
    understood = answer(206, told(1, (0, 500), (2, 400), (3, 439)))
    assert understood.verdict is Verdict.PARTLY
    assert understood.again == (0, 3)
    assert understood.refused == (2,)
    assert understood.says == "206 1 items 500, 1 items 400, 1 items 439"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7), ("0", 0), ("-3", 0), ("1e9", 3600), ("NaN", 0), ("soon", None), ("Mon, 01 Jan 2001 00:00:00 GMT", 0)],
)
def test_how_long_the_service_wants_to_be_left_alone(text, seconds):
    assert answer(429, retry_after=text).wait_s == seconds


@pytest.mark.parametrize(
    ("url", "location", "may"),
    [
        (URL, "/v2.1/track", True),
        (URL, "https://eastus-8.in.applicationinsights.azure.com/v2.1/track", True),
        (URL, "https://dc.services.visualstudio.com/v2.1/track", True),
        (URL, URL.replace("https", "http"), False),
        (URL, "https://evil.example/v2.1/track", False),
        (URL, "https://applicationinsights.azure.com.evil.example/", False),
        (URL, "https://evilapplicationinsights.azure.com/", False),
        (URL, "https://user:password@eastus-8.in.applicationinsights.azure.com/", False),
        (URL, "file:///etc/passwd", False),
        (URL, "//evil.example/v2.1/track", False),
        (URL, "https://[", False),
        (URL, URL.replace(".com/", ".com:8443/"), True),
        ("http://127.0.0.1:4319/v2.1/track", "http://127.0.0.1:4319/other", True),
        ("http://127.0.0.1:4319/v2.1/track", "http://127.0.0.1:22/", False),
        ("http://127.0.0.1:4319/v2.1/track", "http://localhost:4319/", False),
    ],
)
def test_a_redirect_is_followed_only_where_it_may_lead(url, location, may):
    understood = understand(url, 307, {"location": location}, b"", 4)
    assert (understood.verdict is Verdict.ELSEWHERE) is may
    if not may:
        assert understood.verdict is Verdict.AWAY
        assert "a redirect to" in understood.says
