"""What an image in a prompt costs, where OpenAI documents a formula and the image says its size."""

from __future__ import annotations

import base64
import binascii
import math
from typing import NamedTuple

from pf_monitor.tokens.models import bare, is_of

# The method is that of https://platform.openai.com/docs/guides/images-vision#calculating-costs. Only 85 and 170 for
# gpt-4o (also billed so in a recording) and the patches of gpt-4.1-mini and -nano were checked against a copy of that
# page; the other numbers have yet to be.
_TILES = {
    "gpt-5": (70, 140),
    "gpt-4.1": (85, 170),
    "gpt-4.5-preview": (85, 170),
    "gpt-4o": (85, 170),
    "gpt-4o-mini": (2833, 5667),
    "gpt-4-turbo": (85, 170),
    "gpt-4-vision-preview": (85, 170),
    "chatgpt-4o": (85, 170),
    "o1": (75, 150),
    "o3": (75, 150),
    "computer-use-preview": (65, 129),
}
"""Tokens of any image, and of each tile of 512 by 512 pixels."""

_PATCHES = {"gpt-5-mini": 1.62, "gpt-5-nano": 2.46, "gpt-4.1-mini": 1.62, "gpt-4.1-nano": 2.46, "o4-mini": 1.72}
"""Tokens of each patch of 32 by 32 pixels."""

_TILE, _PATCH = 512, 32
_LONGEST_SIDE, _SHORTEST_SIDE = 2048, 768
_MOST_PATCHES = 1536

_HEADER = 262_144
"""How much of a data URI is looked at, in characters: pictures of cameras carry a preview before their size."""

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


def image_tokens(model: str, url: str, detail: str = "auto") -> int | None:
    """Return what an image adds to a prompt.

    Args:
        model: The model that reads it.
        url: Its address, or a data URI, which alone says how large the picture is.
        detail: `low`, `high` or `auto`; the latter is taken for `high`.

    Returns:
        The tokens, or None when there is no documented formula for the model, or no size.
    """
    model = bare(model)
    families = [family for family in (*_TILES, *_PATCHES) if is_of(model, family)]
    if not families:
        return None
    family = max(families, key=len)
    if family in _TILES and detail == "low":
        return _TILES[family][0]
    size = size_of(url)
    if size is None or min(size) < 1:
        return None
    return _by_tiles(family, size) if family in _TILES else _by_patches(family, size)


def size_of(url: str) -> Size | None:
    """Return the size that the PNG or JPEG in a data URI says it has; None for anything else."""
    head, comma, body = url[:_HEADER].partition(",")
    if not (head.startswith("data:") and head.endswith(";base64") and comma):
        return None
    try:
        data = base64.b64decode(body[: len(body) // 4 * 4])
    except (binascii.Error, ValueError):
        return None
    if data.startswith(_PNG) and len(data) >= 24:
        return Size(int.from_bytes(data[16:20]), int.from_bytes(data[20:24]))
    return _jpeg_size(data) if data.startswith(_JPEG) else None


def _jpeg_size(data: bytes) -> Size | None:
    """Walk the segments of a JPEG to the one that has the size (ITU-T T.81, B.2.2)."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _JPEG_SIZES:
            return Size(height=int.from_bytes(data[at + 5 : at + 7]), width=int.from_bytes(data[at + 7 : at + 9]))
        if marker == 0xFF:  # a filler
            at += 1
        elif marker in _JPEG_BARE:
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return None


def _by_tiles(family: str, size: Size) -> int:
    scale = min(1.0, _LONGEST_SIDE / max(size))
    scale = min(scale, _SHORTEST_SIDE / min(size))
    base, tile = _TILES[family]
    return base + tile * math.prod(math.ceil(round(side * scale) / _TILE) for side in size)


def _by_patches(family: str, size: Size) -> int:
    patches = math.prod(math.ceil(side / _PATCH) for side in size)
    if patches > _MOST_PATCHES:
        scale = math.sqrt(_PATCH**2 * _MOST_PATCHES / math.prod(size))
        across = [side * scale / _PATCH for side in size]
        scale *= min((math.floor(side) or 1) / side for side in across)
        patches = min(_MOST_PATCHES, math.prod(max(1, math.ceil(round(side * scale) / _PATCH)) for side in size))
    return math.ceil(patches * _PATCHES[family])
