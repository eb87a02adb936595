"""Images, by the examples of OpenAI's guide."""

from __future__ import annotations

import base64
import struct

import pytest

from pf_monitor.tokens.images import Size, image_tokens, size_of


def uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def png(width: int, height: int) -> str:
    return uri("png", b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + b"\x08\x02\0\0\0")


def jpeg(width: int, height: int, preview: int = 0) -> str:
    segment = b"\xff\xe1" + struct.pack(">H", 2 + preview) + b"\xff" * preview if preview else b""
    frame = b"\xff\xc2" + struct.pack(">HBHH", 11, 8, height, width) + b"\x03" * 6
    return uri("jpeg", b"\xff\xd8" + segment + b"\xff\xff\xdb\x00\x04\0\0" + frame)


@pytest.mark.parametrize(
    ("model", "width", "height", "detail", "tokens"),
    [
        ("gpt-4o", 1024, 1024, "high", 765),
        ("gpt-4o", 2048, 4096, "high", 1105),
        ("gpt-4o-2024-08-06", 200, 300, "auto", 255),
        ("gpt-4o", 4096, 8192, "low", 85),
        ("gpt-4o-mini", 512, 512, "low", 2833),
        ("gpt-4o-mini-2024-07-18", 512, 512, "high", 8500),
        ("openai/gpt-4.1", 1024, 1024, "high", 765),
        ("gpt-5", 1024, 1024, "high", 630),
        ("o1", 1024, 1024, "high", 675),
        ("gpt-4.1-mini", 1024, 1024, "high", 1659),
        ("gpt-4.1-mini", 1800, 2400, "high", 2353),
        ("gpt-4.1-nano", 1024, 1024, "high", 2520),
        ("o4-mini", 1024, 1024, "high", 1762),
        ("llama-3.2-vision", 1024, 1024, "high", None),
        ("gpt-4", 1024, 1024, "high", None),
        ("gpt-4.1-mini", 0, 10, "high", None),
    ],
)
def test_tokens(model: str, width: int, height: int, detail: str, tokens: int | None) -> None:
    assert image_tokens(model, png(width, height), detail) == tokens


def test_an_image_elsewhere_has_a_price_only_in_low_detail() -> None:
    assert image_tokens("gpt-4o", "https://example.org/dog.jpg", "low") == 85
    assert image_tokens("gpt-4o", "https://example.org/dog.jpg") is None


@pytest.mark.parametrize("preview", [0, 300, 60_000])
def test_a_jpeg_says_its_size_after_its_preview(preview: int) -> None:
    assert size_of(jpeg(640, 480, preview)) == Size(640, 480)


@pytest.mark.parametrize(
    "url",
    [
        *("", "data:,", "data:image/png;base64", "data:image/png;base64,", "data:image/png;base64,%%%%", "data:x,AAAA"),
        *(
            uri("gif", b"GIF89a\x10\0\x10\0"),
            uri("png", b"\x89PNG\r\n\x1a\n"),
            uri("jpeg", b"\xff\xd8\xff\xe1\xff\xff"),
        ),
        uri("jpeg", b"\xff\xd8" + b"\xff" * 1_000),
        uri("jpeg", b"\xff\xd8" + b"\xff\xe0\0\0" * 9),
        "data:image/png;base64,ä",
    ],
)
def test_what_says_no_size(url: str) -> None:
    assert size_of(url) is None
