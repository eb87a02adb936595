"""What an examination finds."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """Works, but perhaps not as meant."""
    FAIL = "fail"
    """Telemetry is lost, or wrong."""


class Check(NamedTuple):
    """One finding.

    Attributes:
        name: What was looked at.
        status: How bad it is.
        finding: What was found.
        remedy: What to do about it; empty if nothing.
    """

    name: str
    status: Status
    finding: str
    remedy: str = ""


def ok(name: str, finding: str) -> Check:
    """Return a check that found things as they should be."""
    return Check(name, Status.OK, finding)


def warn(name: str, finding: str, remedy: str) -> Check:
    """Return a check that found something to consider."""
    return Check(name, Status.WARN, finding, remedy)


def fail(name: str, finding: str, remedy: str) -> Check:
    """Return a check that found something to repair."""
    return Check(name, Status.FAIL, finding, remedy)
