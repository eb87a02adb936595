"""Get the rank files that tiktoken counts with, without ever making a request wait for them.

A file comes from tiktoken's own cache, from an installed package that ships the official ones, or, only in the
background and only if allowed, from the network. Wherever it comes from, its hash is checked.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import tempfile
import threading
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pf_monitor import notices

if TYPE_CHECKING:
    import tiktoken

DOWNLOAD_LIMIT_S = 10.0
"""How long a download may take in all, in seconds."""

RETRY_AFTER_S = 600.0
"""How long nothing is tried again after an encoding could not be had, in seconds."""

_LARGEST_FILE = 16_000_000


class RanksNotFoundError(Exception):
    """The rank file of an encoding is nowhere on this machine."""


@dataclass(frozen=True)
class _Published:
    """An encoding as tiktoken publishes it in `tiktoken_ext.openai_public`, which can only be asked by downloading."""

    sha256: str
    pattern: str
    special_tokens: dict[str, int]


_PUBLISHED_AT = "https://openaipublic.blob.core.windows.net/encodings/"

_PUBLISHED = {
    "o200k_base": _Published(
        sha256="446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
        pattern="|".join(
            (
                r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
                r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
                r"""\p{N}{1,3}""",
                r""" ?[^\s\p{L}\p{N}]+[\r\n/]*""",
                r"""\s*[\r\n]+""",
                r"""\s+(?!\S)""",
                r"""\s+""",
            )
        ),
        special_tokens={"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
    ),
    "cl100k_base": _Published(
        sha256="223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        pattern=(
            r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$"""
            r"""|\s*[\r\n]|\s+(?!\S)|\s"""
        ),
        special_tokens={
            "<|endoftext|>": 100257,
            "<|fim_prefix|>": 100258,
            "<|fim_middle|>": 100259,
            "<|fim_suffix|>": 100260,
            "<|endofprompt|>": 100276,
        },
    ),
}

_loaded: dict[str, tiktoken.Encoding] = {}
_begun: dict[str, float] = {}
_may_download = False
_beginning = threading.Lock()
_loading = threading.Lock()


def allow_download(allowed: bool) -> None:
    """Say whether rank files that are nowhere on this machine may be fetched, in the background, when needed."""
    global _may_download  # noqa: PLW0603 - one setting of the process
    _may_download = allowed


def at_hand(name: str) -> tiktoken.Encoding | None:
    """Return an encoding if it is loaded; else begin to load it in the background, and return None."""
    encoding = _loaded.get(name)
    if encoding is None:
        _begin(name)
    return encoding


def load(name: str, *, download: bool = False) -> tiktoken.Encoding:
    """Return an encoding, loading it now; takes half a second, so not for a request's path.

    Args:
        name: `o200k_base` or `cl100k_base`.
        download: Whether the network may be asked.

    Raises:
        RanksNotFoundError: The rank file is not on this machine, and could or should not be downloaded.
    """
    with _loading:
        if name not in _loaded:
            _loaded[name] = _encoding(name, _rank_file(name, download=download))
        return _loaded[name]


def _begin(name: str) -> None:
    """Start the thread that loads an encoding, unless one has done so lately."""
    now = time.monotonic()
    with _beginning:
        if name in _loaded or now < _begun.get(name, -RETRY_AFTER_S) + RETRY_AFTER_S:
            return
        _begun[name] = now
    threading.Thread(target=_load_quietly, args=(name,), name=f"pf_monitor {name}", daemon=True).start()


def _load_quietly(name: str) -> None:
    try:
        load(name, download=_may_download)
    except Exception as error:  # noqa: BLE001 - a count by characters is still a count
        notices.say_once(
            f"ranks-{name}",
            "pf_monitor estimates tokens by characters where a provider reports none, because tiktoken's %s is not on "
            "this machine (%s). Install bpe-openai, or point TIKTOKEN_CACHE_DIR to a folder that has it.",
            name,
            error,
        )


def _encoding(name: str, file: bytes) -> tiktoken.Encoding:
    import tiktoken

    ranks: dict[bytes, int] = {}
    for line in file.splitlines():
        token, rank = line.split()
        ranks[base64.b64decode(token)] = int(rank)
    published = _PUBLISHED[name]
    return tiktoken.Encoding(
        name, pat_str=published.pattern, mergeable_ranks=ranks, special_tokens=published.special_tokens
    )


def _rank_file(name: str, *, download: bool) -> bytes:
    sha256 = _PUBLISHED[name].sha256
    for file in (_from_cache(name), _from_package(name)):
        if file is not None and hashlib.sha256(file).hexdigest() == sha256:
            return file
    if not download:
        raise RanksNotFoundError("neither in tiktoken's cache nor in an installed bpe-openai")
    file = _from_network(name)
    if hashlib.sha256(file).hexdigest() != sha256:
        raise RanksNotFoundError("what was downloaded is not the published file")
    _keep_in_cache(name, file)
    return file


def _from_cache(name: str) -> bytes | None:
    place = _cache_place(name)
    try:
        return place.read_bytes() if place is not None else None
    except OSError:
        return None


def _from_package(name: str) -> bytes | None:
    # Found, not imported: the package parses every encoding that it has as soon as it is imported.
    package = find_spec("bpe_openai")
    if package is None or not package.submodule_search_locations:
        return None
    try:
        return gzip.decompress(Path(package.submodule_search_locations[0], "data", f"{name}.tiktoken.gz").read_bytes())
    except (OSError, EOFError):
        return None


def _from_network(name: str) -> bytes:
    import httpx
    from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, set_value

    token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))  # our own download is no span of the flow's
    try:
        deadline = time.monotonic() + DOWNLOAD_LIMIT_S
        file = bytearray()
        with httpx.stream("GET", f"{_PUBLISHED_AT}{name}.tiktoken", timeout=DOWNLOAD_LIMIT_S) as answer:
            answer.raise_for_status()
            for piece in answer.iter_bytes():
                file += piece
                if time.monotonic() > deadline or len(file) > _LARGEST_FILE:
                    raise RanksNotFoundError("the download took too long")
        return bytes(file)
    finally:
        detach(token)


def _keep_in_cache(name: str, file: bytes) -> None:
    """Keep a download where tiktoken looks, so that the next process need not repeat it."""
    place = _cache_place(name)
    if place is None:
        return
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as written:
            written.write(file)
        Path(written.name).replace(place)
    except OSError:
        return  # a read-only disk costs the next process a download, nothing more


def _cache_place(name: str) -> Path | None:
    """Return where tiktoken keeps a rank file (`tiktoken.load.read_file_cached`); None when its cache is off."""
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    if folder == "":
        return None
    root = Path(folder) if folder else Path(tempfile.gettempdir(), "data-gym-cache")
    key = hashlib.sha1(f"{_PUBLISHED_AT}{name}.tiktoken".encode(), usedforsecurity=False).hexdigest()
    return root / key


def _after_fork() -> None:
    """Let a forked child begin anew: it has neither its parent's loading threads nor a right to their locks."""
    global _beginning, _loading
    _beginning, _loading = threading.Lock(), threading.Lock()
    _begun.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
