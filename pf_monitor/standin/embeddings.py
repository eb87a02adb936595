"""`embeddings`: a text as a hashed bag of its words, so that texts with words in common are close."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from typing_extensions import override

from pf_monitor.standin import counting
from pf_monitor.standin.answering import words
from pf_monitor.standin.calls import BadRequest, Call, number, required

_DIMENSIONS = 256


class Embedding(Call):
    """One request for the embeddings of a text or of a list of texts or token arrays."""

    operation = "embeddings"
    id_prefix = "embd"
    completion_tokens = 0

    def __init__(self, body: Mapping[str, Any], serial: int, *, azure: bool = False) -> None:
        super().__init__(body, serial, azure=azure)
        self._texts = _as_texts(required(body, "input"))
        self._dimensions = number(body, "dimensions") or _DIMENSIONS

    @property
    @override
    def prompt(self) -> str:
        return "\n".join(self._texts)

    @cached_property
    @override
    def prompt_tokens(self) -> int:
        return sum(counting.count(text) for text in self._texts)

    @override
    def whole(self, *, usage: bool) -> dict[str, Any]:
        packed = self.body.get("encoding_format") == "base64"
        vectors = [embed(text, self._dimensions) for text in self._texts]
        return {
            "object": "list",
            "model": self.model,
            "data": [
                {"object": "embedding", "index": index, "embedding": _pack(vector) if packed else vector}
                for index, vector in enumerate(vectors)
            ],
            **({"usage": self.usage()} if usage else {}),
        }

    @override
    def usage(self) -> dict[str, Any]:
        return {"prompt_tokens": self.prompt_tokens, "total_tokens": self.prompt_tokens}


def embed(text: str, dimensions: int = _DIMENSIONS) -> list[float]:
    """Return a text's vector, of length 1: each word adds 1 at the place that its hash names."""
    vector = [0.0] * dimensions
    for word in words(text) or [text]:
        digest = hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest()
        vector[int.from_bytes(digest) % dimensions] += 1.0
    length = math.hypot(*vector)
    return [value / length for value in vector]


def _as_texts(given: object) -> list[str]:
    """Read the four forms of `input`: a text, texts, an array of tokens, arrays of tokens."""
    items = given if isinstance(given, list) else [given]
    if all(isinstance(item, int) for item in items):
        items = [items]
    return [_as_text(item) for item in items]


def _as_text(item: object) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, list) and all(isinstance(token, int) for token in item):
        return counting.encoding().decode(item)
    raise BadRequest("'input' must be a text, an array of texts, or arrays of tokens.", "input")


def _pack(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
