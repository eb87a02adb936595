"""Judges in a process of their own: one that answers at once, and one that allows few calls a second and misbehaves.

A misbehaving judge takes from what it allows for every call but those that it refuses, as providers do.
"""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

ALLOWED_A_SECOND = 50.0
BURST = 10.0
STALL_S = 3.0


def _completion(text: str) -> bytes:
    usage = {"prompt_tokens": 1_000, "completion_tokens": 50, "total_tokens": 1_050}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    made = {"id": "c", "object": "chat.completion", "created": 1, "model": "judge"}
    return json.dumps({**made, "choices": [choice], "usage": usage}).encode()


SCORE = '{"reason": "as told", "score": 4, "status": "completed"}'
# What azure-ai-evaluation's prompts for relevance and others ask for; it reads either.
_GOOD, _GARBAGE = _completion(SCORE), _completion("I would say 4 of 5.")


class Judge(BaseHTTPRequestHandler):
    """Answers every call at once."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.reply(200, _GOOD)

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # the caller has not waited

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # so ends who has not waited
            super().handle()

    def log_message(self, *_: object) -> None:
        pass


class Misbehaving(Judge):
    """Allows `ALLOWED_A_SECOND` and refuses what is more. Of the rest, 3 % are a 500, 3 % garbage, 1 % stalls.

    `GET` tells at what seconds calls were taken.
    """

    lock: ClassVar = threading.Lock()
    chance: ClassVar = random.Random(3)
    left: ClassVar[float] = BURST
    at: ClassVar[float] = time.monotonic()
    taken: ClassVar[list[float]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        wait, luck = self._take()
        if wait:
            self.reply(429, b'{"error": {"message": "slow down"}}', retry_after_ms=str(int(wait * 1e3) + 1))
        elif luck < 0.03:
            self.reply(500, b'{"error": {"message": "as told"}}')
        elif luck < 0.06:
            self.reply(200, _GARBAGE)
        else:
            time.sleep(STALL_S if luck < 0.07 else 0.1)
            self.reply(200, _GOOD)

    def do_GET(self) -> None:
        self.reply(200, json.dumps(self.taken).encode())

    def _take(self) -> tuple[float, float]:
        """Take a call from what is allowed; else say how long to wait. And the luck of this call, 0 to 1."""
        kind = Misbehaving
        with self.lock:
            now = time.monotonic()
            kind.left = min(BURST, kind.left + (now - kind.at) * ALLOWED_A_SECOND)
            kind.at = now
            if kind.left < 1:
                return (1 - kind.left) / ALLOWED_A_SECOND, 1.0
            kind.left -= 1
            self.taken.append(now)
            return 0.0, self.chance.random()
