"""Rank files: the published ones, from wherever they are, and never on a request's path."""

from __future__ import annotations

import gzip
import hashlib
import os
import threading
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
import tiktoken_ext.openai_public

from pf_monitor import notices
from pf_monitor.tokens import ranks
from pf_monitor.tokens.texts import Method, TextCounter

NAMES = ("o200k_base", "cl100k_base")


def official_file(name: str) -> bytes:
    [folder] = find_spec("bpe_openai").submodule_search_locations
    return gzip.decompress(Path(folder, "data", f"{name}.tiktoken.gz").read_bytes())


def loader(name: str) -> threading.Thread | None:
    return next((t for t in threading.enumerate() if t.name == f"pf_monitor {name}"), None)


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without any rank file, and a process that has not asked for one; returns tiktoken's cache folder."""
    monkeypatch.setattr(ranks, "_loaded", {})
    monkeypatch.setattr(ranks, "_begun", {})
    monkeypatch.setattr(ranks, "_may_download", False)
    monkeypatch.setattr(ranks, "find_spec", lambda _: None)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "cache"))
    notices.forget()
    return tmp_path / "cache"


def put_in_cache(folder: Path, name: str, content: bytes) -> None:
    folder.mkdir()
    url = f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
    (folder / hashlib.sha1(url.encode()).hexdigest()).write_bytes(content)


@pytest.mark.parametrize("name", NAMES)
def test_the_encodings_are_the_published_ones(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    asked = {}
    monkeypatch.setattr(
        tiktoken_ext.openai_public, "load_tiktoken_bpe", lambda url, expected_hash: asked.update({url: expected_hash})
    )
    published = getattr(tiktoken_ext.openai_public, name)()

    ours = ranks.load(name)

    assert (ours._pat_str, ours._special_tokens) == (published["pat_str"], published["special_tokens"])
    assert asked == {f"{ranks._PUBLISHED_AT}{name}.tiktoken": ranks._PUBLISHED[name].sha256}
    assert hashlib.sha256(official_file(name)).hexdigest() == ranks._PUBLISHED[name].sha256


def test_tiktokens_own_cache_is_looked_at(bare_machine: Path) -> None:
    put_in_cache(bare_machine, "cl100k_base", official_file("cl100k_base"))
    assert ranks.load("cl100k_base").encode_ordinary("tiktoken is great!") == [83, 1609, 5963, 374, 2294, 0]


def test_a_file_with_another_hash_is_no_rank_file(bare_machine: Path) -> None:
    put_in_cache(bare_machine, "cl100k_base", b"aGVsbG8= 0\n")
    with pytest.raises(ranks.RanksNotFoundError):
        ranks.load("cl100k_base")


def test_what_is_not_there_yet_is_loaded_behind_the_back(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_cache(bare_machine, "cl100k_base", official_file("cl100k_base"))
    may_load = threading.Event()
    monkeypatch.setattr(ranks, "_rank_file", lambda name, download: may_load.wait(20) and official_file(name))

    assert TextCounter.for_encoding("cl100k_base").method is Method.CHARACTERS
    loading = loader("cl100k_base")
    assert TextCounter.for_encoding("cl100k_base").method is Method.CHARACTERS
    assert loading is loader("cl100k_base"), "one thread is enough"
    assert loading.daemon
    may_load.set()
    loading.join(20)

    assert TextCounter.for_encoding("cl100k_base").method is Method.TIKTOKEN


def test_what_cannot_be_had_is_said_once_and_not_tried_at_each_call(
    bare_machine: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        assert ranks.at_hand("cl100k_base") is None
        if (loading := loader("cl100k_base")) is not None:
            loading.join(20)
    assert ranks.at_hand("cl100k_base") is None
    assert loader("cl100k_base") is None
    [record] = caplog.records
    assert "Install bpe-openai" in record.message


def test_a_download_is_kept_for_the_next_process(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, content=official_file("cl100k_base"))

    stream = httpx.Client(transport=httpx.MockTransport(answer)).stream
    monkeypatch.setattr(httpx, "stream", stream)

    ranks.load("cl100k_base", download=True)
    ranks._loaded.clear()
    ranks.load("cl100k_base", download=False)

    assert asked == ["https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"]
    assert len(list(bare_machine.iterdir())) == 1


def test_a_wrong_download_is_not_kept(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=b"<html>Please log in to this network"))
    monkeypatch.setattr(httpx, "stream", httpx.Client(transport=transport).stream)
    with pytest.raises(ranks.RanksNotFoundError, match="not the published file"):
        ranks.load("cl100k_base", download=True)
    assert not bare_machine.exists()


def test_an_endless_download_is_given_up(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "DOWNLOAD_LIMIT_S", 1e-9)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=iter([b"x"] * 1_000)))
    monkeypatch.setattr(httpx, "stream", httpx.Client(transport=transport).stream)
    with pytest.raises(ranks.RanksNotFoundError, match="too long"):
        ranks.load("cl100k_base", download=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_loads_for_itself(bare_machine: Path) -> None:
    ranks._begun["cl100k_base"] = float("inf")
    ranks._after_fork()
    put_in_cache(bare_machine, "cl100k_base", official_file("cl100k_base"))
    assert ranks.at_hand("cl100k_base") is None
    if (loading := loader("cl100k_base")) is not None:
        loading.join(20)
    assert ranks.at_hand("cl100k_base") is not None
