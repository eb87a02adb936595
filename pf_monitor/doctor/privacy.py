"""What content goes where, and what is done to it before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pf_monitor.doctor.check import Check, fail, ok, warn
from pf_monitor.doctor.delivery import endpoint_of
from pf_monitor.redaction import RedactionError
from pf_monitor.redaction.personal import PersonalData, model
from pf_monitor.redaction.rules import built_in, with_file
from pf_monitor.settings import CAPTURE, HASH_KEY, Capture, Settings

_NOT_CONTENT = ("errors", "user")
"""Columns that `PF_MONITOR_CAPTURE_CONTENT` says nothing about."""

_SAME_WORDS = {"question": ("inputs", "messages", "query"), "answer": ("output", "messages"), "context": ("output",)}
"""Where the words of a column usually stand too."""


class Content(NamedTuple):
    """What becomes of one kind of content.

    Attributes:
        what: Which.
        to: Where it goes, and waits on disk for while that is away; empty when it goes nowhere.
        sent: How.
        redacted: What is taken out of it before.
    """

    what: str
    to: str
    sent: str
    redacted: str


def examine_privacy(settings: Settings) -> Iterator[Check]:
    """Look at what is redacted, hashed and held back."""
    yield _rules(settings)
    if settings.personal_data:
        yield _personal()
    modes = _modes(settings)
    if Capture.HASH in modes.values() and not settings.hash_key:
        yield warn(
            "hashes",
            "are keyed with the resource alone: who may read that can try out what short values are",
            f"Set {HASH_KEY} to a secret of your own, the same in all processes",
        )
    for column, others in _SAME_WORDS.items():
        telling = [other for other in others if modes[other] is Capture.ON]
        if modes[column] in (Capture.OFF, Capture.HASH) and telling:
            yield warn(
                f"words of {column}",
                f"are not sent there as they are, but {', '.join(telling)} may hold the same",
                " ".join(f"Set PF_MONITOR_CAPTURE_{other.upper()} too." for other in telling),
            )


def content_of(settings: Settings) -> list[Content]:
    """Return what becomes of each kind of content, in one table."""
    host = endpoint_of(settings.connection_string)
    redacted = "secrets, personal data" if settings.personal_data else "secrets"
    ratio = settings.sampling_ratio if settings.content_ratio is None else settings.content_ratio
    sent = {
        Capture.ON: "whole",
        Capture.HASH: "as a hash",
        Capture.SAMPLED: f"with {ratio:.4g} of the requests",
    }
    found = [
        Content(column, host, sent[mode], "secrets" if column == "user" else redacted)
        if mode in sent
        else Content(column, "", "not at all", "")
        for column, mode in _modes(settings).items()
    ]
    return [
        *found,
        Content("custom dimensions, ids, names", host, "whole", "secrets"),
        Content("numbers, times, outcomes", host, "whole", ""),
        Content("headers, but for request ids and known baggage", "", "not at all", ""),
        Content("variables of the stack", "", "not at all", ""),
    ]


def _modes(settings: Settings) -> dict[str, Capture]:
    modes = {column: settings.capture.get(column, Capture.ON) for column in CAPTURE.values()}
    if settings.capture_content:
        return modes
    return {column: mode if column in _NOT_CONTENT else Capture.OFF for column, mode in modes.items()}


def _rules(settings: Settings) -> Check:
    try:
        rules = with_file(Path(settings.redaction)) if settings.redaction else built_in()
    except RedactionError as error:
        return fail("redaction", f"{error}. Nothing is recorded", "Correct the file, or unset PF_MONITOR_REDACTION")
    source = f"built in, and {settings.redaction}" if settings.redaction else "built in"
    return ok("redaction", f"{len(rules)} rules, {source}; and the secrets of the environment")


def _personal() -> Check:
    try:
        PersonalData()
    except RedactionError as error:
        return fail("personal data", f"{error}. Nothing is recorded", "pip install 'pf-monitor[privacy]'")
    if (name := model()) is None:
        return ok("personal data", "is redacted; names of people and places are not found without a model of spaCy")
    return ok("personal data", f"is redacted, names with {name}")
