"""Requests that nobody should send: made from good ones, by a seed, so that a bad one can be made again."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import parse_qs, quote

from talk import envelope, request

from pf_monitor.local import ingestion_key

TOKEN = "correct horse battery staple"

ITEMS = [
    json.dumps(request("chat", properties={"question": "how heavy?", "n": "1"})).encode(),
    json.dumps([request("a"), request("b")]).encode(),
    "\n".join(json.dumps(request(name)) for name in "abc").encode(),
    json.dumps([envelope("MetricData", {"metrics": [{"name": "m", "value": 1.5, "count": 2}]})]).encode(),
    json.dumps(envelope("ExceptionData", {"exceptions": [{"typeName": "E", "message": "m", "stack": "s"}]})).encode(),
    json.dumps(envelope("EventData", {"name": "e", "measurements": {"x": 1}})).encode(),
    json.dumps(envelope("RemoteDependencyData", {"name": "d", "id": "1", "duration": "00:00:01"})).encode(),
]

QUERIES = [
    "requests | take 10",
    'requests | where timestamp > ago(1h) and tostring(customDimensions["question"]) == "x" | project name, duration',
    "requests | summarize count(), percentile(duration, 95) by bin(timestamp, 1h), name | order by timestamp asc",
    "union requests, dependencies | extend m = tostring(customDimensions.a) | where m != '' | summarize dcount(m)",
    "let t = requests | where success == 'True'; t | join kind=inner (exceptions) on operation_Id | count",
    "customMetrics | make-series sum(valueSum) default=0 on timestamp from ago(1d) to now() step 1h by name",
    "traces | parse message with 'a' b:long 'c' | mv-expand d = dynamic([1, 2]) | top 3 by d desc",
    "requests | where name matches regex '(a+)+$' | extend j = parse_json('{\"a\":[1]}') | project j.a[0]",
    "exceptions | evaluate bag_unpack(customDimensions) | render timechart",
]

_WORDS = [
    b"null", b"true", b"-1", b"1e309", b"9" * 40, b'"' + b"a" * 300 + b'"', b"[" * 40, b"{" * 40, b"\\ud800", b"\x00",
    b"\xff\xfe", b"'", b'"', b"|", b";", b"..", b"//", b"/*", b"--", b"$$", b"requests", b"read_text('/etc/passwd')",
    b"externaldata(x: string) ['file:///etc/passwd']", b"| union *", b"| where", b"ago(", b"duckdb_settings()",
    b"toscalar(", b"2024-99-99T99:99:99Z", b"datetime(1)", b"9999999999999999d", b"\xf0\x9f\x9b\xb6",
    b"range x from 1 to 1e9 step 1",
]  # fmt: skip

_PATHS = ["/", "/health", "/v2/track", "/v2.1/track", "//v2.1/track", "/v1/apps/local/query", "/../../etc/passwd"]
_PATHS += ["/QuickPulseService.svc/ping", "/static/..%2f..%2fstore.py", "/requests.json?from=x", "/v1/apps/%00/query"]


class Sent(NamedTuple):
    """One request."""

    method: str
    path: str
    content: bytes
    headers: dict[str, str]


def made(seed: int) -> Sent:
    """Return the request of a seed."""
    dice = random.Random(seed)
    makers: list[Callable[[random.Random], Sent]] = [_track, _track, _query, _query, _any]
    return dice.choice(makers)(dice)


def made_by_a_stranger(seed: int) -> Sent:
    """Return a request of a seed to a server with a token, by somebody who has not got it."""
    dice = random.Random(seed)
    sent = made(seed)
    headers = sent.headers | {"accept": dice.choice(["*/*", "text/html", "application/json"])}
    match dice.randrange(6):
        case 0:
            headers["authorization"] = dice.choice(["Bearer ", "bearer", "Basic ", ""]) + _wrong(dice, TOKEN)
        case 1:
            headers["x-api-key"] = _wrong(dice, TOKEN)
        case 2:
            headers["cookie"] = f"pf_monitor_{dice.choice(['4319', 'http', ''])}={_wrong(dice, TOKEN)}"
        case 3:
            content = _mutated(dice, b"token=" + _wrong(dice, TOKEN).encode("latin-1"))
            if TOKEN in map(str.strip, parse_qs(content.decode("latin-1")).get("token", [])):  # changed twice, and back
                content = b"token="
            form = {"content-type": "application/x-www-form-urlencoded"}
            return Sent("POST", sent.path, content, headers | form)
        case 4:
            path = f"/{_wrong(dice, ingestion_key(TOKEN))}{dice.choice(['/v2.1/track', '//v2/track', '', '/health'])}"
            return Sent("POST", quote(path, safe="/", encoding="latin-1"), sent.content, headers)
    return sent._replace(headers=headers)


def _wrong(dice: random.Random, secret: str) -> str:
    """Return something like a secret, that fits into a header."""
    changed = _mutated(dice, secret.encode()).decode("latin-1")
    wrong = "".join(character for character in changed if character.isprintable()).strip()
    return wrong if wrong != secret else secret[:-1]


def _track(dice: random.Random) -> Sent:
    body = _mutated(dice, dice.choice(ITEMS))
    headers = {"content-type": "application/json"}
    match dice.randrange(8):
        case 0:
            body, headers["content-encoding"] = _mutated(dice, gzip.compress(body, 1)), "gzip"
        case 1:
            body, headers["content-encoding"] = zlib.compress(body, 1), "deflate"
        case 2:
            headers["content-encoding"] = dice.choice(["gzip", "br", "deflate", "x", "gzip, gzip"])
    return Sent("POST", dice.choice(["/v2/track", "/v2.1/track"]), body, headers)


def _query(dice: random.Random) -> Sent:
    kql = _mutated(dice, dice.choice(QUERIES).encode()).decode("utf-8", "replace")
    body: object = {"query": kql}
    if not dice.randrange(4):
        body = {"query": kql, "timespan": _mutated(dice, b"2024-01-01T00:00:00Z/PT1H").decode("utf-8", "replace")}
    content = json.dumps(body).encode()
    return Sent("POST", "/v1/apps/local/query", content if dice.randrange(10) else _mutated(dice, content), {})


def _any(dice: random.Random) -> Sent:
    headers = {}
    if not dice.randrange(3):
        headers["host"] = dice.choice(["evil.example", "127.0.0.1:1", "[::1", "localhost", ""])
    if not dice.randrange(3):
        headers["origin"] = dice.choice(["null", "http://evil.example", "http://127.0.0.1", "\xff"])
    method = dice.choice(["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
    return Sent(method, dice.choice(_PATHS), dice.randbytes(dice.randrange(60)), headers)


def _mutated(dice: random.Random, content: bytes) -> bytes:
    """Return something with up to six places changed: bytes flipped, cut out, doubled, or words put in."""
    changed = bytearray(content)
    for _ in range(dice.randrange(7)):
        place = dice.randrange(len(changed) + 1)
        match dice.randrange(5):
            case 0 if changed:
                changed[place % len(changed)] = dice.randrange(256)
            case 1:
                del changed[place : place + dice.randrange(1, 20)]
            case 2:
                changed[place:place] = changed[place : place + dice.randrange(1, 60)]
            case 3:
                del changed[place:]
            case _:
                changed[place:place] = dice.choice(_WORDS)
    return bytes(changed)
