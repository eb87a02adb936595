"""Which rows are judged: chosen by a hash of their trace id, so that every metric and every run chooses the same.

A row is in the sample if the hash of its trace id, read as a number from 0 to 1, is below the rate (Bernoulli sampling
by a keyed hash). It depends on nothing else: not on the window, on the order of the rows, or on what else is in it. A
window that moves by an hour keeps the rows that it still covers.

A floor takes further rows in the order of their hashes, which is a random order, within each stratum. Each row then
stands for `rows of its stratum / rows taken of it` rows (the Horvitz-Thompson weight), so that weighted rates are
unbiased for the whole window.
Source: Horvitz and Thompson, A Generalization of Sampling Without Replacement from a Finite Universe, JASA 47 (1952).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Generic, TypeVar

from pf_monitor.quality.monitor import Sampling

T = TypeVar("T")

_BITS: Final = 64


@dataclass(frozen=True, slots=True)
class Drawn(Generic[T]):
    """A row of the sample.

    Attributes:
        row: The row.
        position: Its hash, from 0 to 1. The sample is in this order, so that any beginning of it is a sample too.
        weight: How many rows of the window it stands for.
    """

    row: T
    position: float
    weight: float


def position(trace_id: str, seed: int = 0) -> float:
    """Return where a trace stands between 0 and 1.

    Args:
        trace_id: The trace id, or what else names the request.
        seed: Another seed gives another order.
    """
    digest = blake2b(trace_id.encode(), digest_size=_BITS // 8, key=str(seed).encode()).digest()
    return float(int.from_bytes(digest, "big") / 2**_BITS)


def draw(
    rows: Iterable[T], trace_id: Callable[[T], str], sampling: Sampling, stratum: Callable[[T], str] = lambda _: ""
) -> list[Drawn[T]]:
    """Choose rows.

    Args:
        rows: All rows of the window.
        trace_id: Gives a row's trace id. Rows of one trace have one position, so that they are chosen together.
        sampling: Rate, floor and seed.
        stratum: Gives the stratum that a row belongs to, such as its flow or outcome.

    Returns:
        The sample in the order of the hashes.
    """
    strata: defaultdict[str, list[tuple[float, T]]] = defaultdict(list)
    for row in rows:
        strata[stratum(row)].append((position(trace_id(row), sampling.seed), row))
    drawn = [one for members in strata.values() for one in _draw_from(members, sampling)]
    return sorted(drawn, key=lambda one: one.position)


def _draw_from(members: list[tuple[float, T]], sampling: Sampling) -> list[Drawn[T]]:
    members.sort(key=lambda member: member[0])
    below = sum(place < sampling.rate for place, _ in members)
    taken = members[: max(below, sampling.floor)]
    return [Drawn(row, place, len(members) / len(taken)) for place, row in taken]


def effective_size(weights: Iterable[float]) -> float:
    """Return how many equally weighted rows tell as much as these.

    Source: L. Kish, Survey Sampling (1965), section 11.7: (Σw)² / Σw².
    """
    total = squares = 0.0
    for weight in weights:
        total += weight
        squares += weight**2
    return float(total**2 / squares) if squares and math.isfinite(squares) else 0.0
