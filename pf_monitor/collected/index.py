"""Flow runs made of records: inputs, outputs and spans of a window joined, in a temporary database.

Memory holds one trace at a time, whatever the size of the window; SQLite keeps the rest in a file of its own, which the
operating system frees when it is closed.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final, Self
from uuid import uuid4

from pf_monitor.collected import places
from pf_monitor.collected.places import Place
from pf_monitor.collected.records import Collection, objects
from pf_monitor.collected.spans import Call, SpanFacts, clean, read_span, read_time, roots

_OURS: Final = re.compile(r"(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})")
"""The correlation id that pf_monitor writes: the trace and the span of the flow run."""

_DEPLOYMENT: Final = re.compile(
    r"/onlineEndpoints/(?P<endpoint>[^/]+)(?:/deployments/(?P<deployment>[^/]+))?", re.IGNORECASE
)

_SCHEMA: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE parts (
    id TEXT PRIMARY KEY, correlation TEXT, number INTEGER, is_input INTEGER, request TEXT, time TEXT, source TEXT,
    payload TEXT
) WITHOUT ROWID;
CREATE TABLE spans (
    trace TEXT, span TEXT, correlation TEXT, request TEXT, source TEXT, facts TEXT, PRIMARY KEY (trace, span)
) WITHOUT ROWID;
CREATE TABLE runs (
    trace TEXT, span TEXT, correlation TEXT, request TEXT, time TEXT, endpoint TEXT, deployment TEXT, flow TEXT,
    outcome TEXT, numbers TEXT, words TEXT, calls TEXT
);
CREATE INDEX by_correlation ON runs (correlation);
CREATE INDEX by_request ON runs (request);
CREATE INDEX by_trace ON runs (trace, span);
"""


@dataclass(frozen=True, slots=True)
class Words:
    """What was said in a flow run.

    Attributes:
        inputs: The inputs by name.
        output: What came out: by name where it has names.
        documents: What was retrieved for it.
    """

    inputs: Mapping[str, Any]
    output: Any
    documents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CollectedRun:
    """A flow run of collected data.

    Attributes:
        trace_id: Its trace; where no trace was collected, its correlation id.
        span_id: Its span; empty where none is known.
        flow: The flow; empty where that is not known.
        endpoint: The endpoint that it ran in; empty likewise.
        deployment: The deployment; likewise.
        outcome: How it ended; empty likewise.
        numbers: Latency and tokens, as far as they are known.
        words: What was said.
        calls: Its model calls.
    """

    trace_id: str
    span_id: str
    flow: str
    endpoint: str
    deployment: str
    outcome: str
    numbers: Mapping[str, float]
    words: Words
    calls: tuple[Call, ...]


class Index:
    """The flow runs of a window. Close it, or use it as a context manager.

    Attributes:
        damaged: Pieces of files that are no records.
        elsewhere: Records whose data lies in a file of its own, which is not read.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(_SCHEMA)
        self.damaged = 0
        self.elsewhere = 0

    @classmethod
    def build(cls, sources: Iterable[Place], window: tuple[datetime, datetime]) -> Self:
        """Read what a window's files hold.

        Args:
            sources: The places. A record that is found in several counts once.
            window: Its beginning, and its end, which is not part of it.

        Raises:
            PlaceError: A place cannot be read.
        """
        index = cls()
        try:
            index._database.execute("BEGIN")
            for source in sources:
                for path in places.within(source.files(), window):
                    for record in objects(source.read(path)):
                        index._add(record)
            index._join_spans()
            index._join_parts()
            (timeless,) = index._database.execute("SELECT count(*) FROM runs WHERE time IS NULL").fetchone()
            index.damaged += timeless
            since, until = (moment.timestamp() for moment in window)
            index._database.execute("DELETE FROM runs WHERE time IS NULL OR time < ? OR time >= ?", (since, until))
            index._database.execute("COMMIT")
        except BaseException:
            index.close()
            raise
        return index

    def close(self) -> None:
        """Free what is held."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def runs(self) -> Iterator[CollectedRun]:
        """Yield all runs, in the order of their ids."""
        for found in self._database.execute(_ALL):
            yield _run(found)

    def find(self, trace_id: str, span_id: str) -> CollectedRun | None:
        """Return a run by its ids."""
        found = self._database.execute(_FIND, (trace_id, span_id)).fetchone()
        return None if found is None else _run(found)

    # Reading records.

    def _add(self, record: dict[str, Any] | None) -> None:
        if record is None:
            self.damaged += 1
            return
        kind = clean(record.get("type")).rpartition(".")[2]
        data = record.get("data")
        if not isinstance(data, list):
            self.elsewhere += "dataref" in record
            self.damaged += "dataref" not in record
            return
        for number, row in enumerate(data):
            if kind == Collection.TRACES:
                self._add_span(record, row)
            elif kind in {Collection.INPUTS, Collection.OUTPUTS}:
                self._add_part(record, row, number, is_input=kind == Collection.INPUTS)

    def _add_span(self, record: Mapping[str, Any], row: object) -> None:
        span = read_span(row)
        if span is None:
            self.damaged += 1
            return
        facts = json.dumps(asdict(span), default=str)
        self._database.execute(
            "INSERT OR IGNORE INTO spans VALUES (?, ?, ?, ?, ?, ?)",
            (span.trace_id, span.span_id, _correlation(record), span.request, clean(record.get("source")), facts),
        )

    def _add_part(self, record: Mapping[str, Any], row: object, number: int, *, is_input: bool) -> None:
        moment, record_id = read_time(record.get("time")), clean(record.get("id")) or str(uuid4())
        correlation = _correlation(record) or record_id
        self._database.execute(
            "INSERT OR IGNORE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                f"{record_id}/{number}",
                correlation,
                number,
                is_input,
                clean(record.get("xrequestid")),
                moment.timestamp() if moment else None,
                clean(record.get("source")),
                json.dumps(row),
            ),
        )

    # Joining.

    def _join_spans(self) -> None:
        found = self._database.execute("SELECT trace, correlation, source, facts FROM spans ORDER BY trace, span")
        for _, members in groupby(found, lambda row: row[0]):
            recorded = [(_span(facts), correlation, source) for _, correlation, source, facts in members]
            about = {span.span_id: (correlation, source) for span, correlation, source in recorded}
            for root, beneath in roots(span for span, _, _ in recorded):
                self._insert_traced(root, beneath, *about[root.span_id])

    def _insert_traced(self, root: SpanFacts, beneath: list[SpanFacts], correlation: str, source: str) -> None:
        documents = [text for span in beneath for text in span.documents]
        words = Words(root.inputs, root.output, tuple(documents))
        numbers = dict(root.tokens)
        if root.latency_ms is not None:
            numbers["latency_ms"] = root.latency_ms
        calls = [asdict(span.call) for span in beneath if span.call is not None]
        self._insert(
            (root.trace_id, root.span_id, correlation, root.request, root.start.timestamp() if root.start else None),
            source,
            (root.name, root.outcome),
            numbers,
            words,
            calls,
        )

    def _join_parts(self) -> None:
        found = self._database.execute(
            "SELECT correlation, number, is_input, request, time, source, payload FROM parts "
            "ORDER BY correlation, number, is_input DESC"
        )
        for (correlation, number), members in groupby(found, lambda row: (row[0], row[1])):
            self._join_part(correlation, number, list(members))

    def _join_part(self, correlation: str, number: int, members: list[Any]) -> None:
        request, moment, source = members[0][3:6]
        inputs: Any = next((json.loads(row[6]) for row in members if row[2]), {})
        output: Any = next((json.loads(row[6]) for row in members if not row[2]), None)
        inputs = inputs if isinstance(inputs, dict) else {"inputs": inputs}
        traced = self._database.execute(_TRACED, (correlation, correlation, request or correlation)).fetchone()
        if traced is not None and number == 0:
            row_id, words = traced[0], _words(traced[1])
            both = Words({**words.inputs, **inputs}, _merged(words.output, output), words.documents)
            self._database.execute("UPDATE runs SET words = ? WHERE rowid = ?", (_dumped(asdict(both)), row_id))
            return
        ours = _OURS.fullmatch(correlation)
        ids = (ours["trace"], ours["span"]) if ours else (correlation, "")
        if number:  # one of several rows that were sent together
            ids = (ids[0], f"{ids[1]}/{number}")
        self._insert((*ids, correlation, "", moment), source, ("", ""), {}, Words(inputs, output, ()), [])

    def _insert(
        self,
        ids: tuple[str, str, str, str, float | None],
        source: str,
        said: tuple[str, str],
        numbers: Mapping[str, float],
        words: Words,
        calls: list[dict[str, Any]],
    ) -> None:
        where = _DEPLOYMENT.search(source)
        place = (where["endpoint"], where["deployment"] or "") if where else ("", "")
        self._database.execute(
            "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*ids, *place, *said, _dumped(numbers), _dumped(asdict(words)), _dumped(calls)),
        )


_ALL: Final = (
    "SELECT trace, span, flow, endpoint, deployment, outcome, numbers, words, calls FROM runs ORDER BY trace, span"
)
_FIND: Final = (
    "SELECT trace, span, flow, endpoint, deployment, outcome, numbers, words, calls FROM runs "
    "WHERE trace = ? AND span = ?"
)
_TRACED: Final = (
    "SELECT rowid, words FROM runs "
    "WHERE flow != '' AND (correlation = ? OR (request != '' AND request IN (?, ?))) LIMIT 1"
)


def _run(found: tuple[Any, ...]) -> CollectedRun:
    trace, span, flow, endpoint, deployment, outcome, numbers, words, calls = found
    return CollectedRun(
        trace,
        span,
        flow,
        endpoint,
        deployment,
        outcome,
        json.loads(numbers),
        _words(words),
        tuple(Call(**call) for call in json.loads(calls)),
    )


def _words(text: str) -> Words:
    found = json.loads(text)
    return Words(found["inputs"], found["output"], tuple(found["documents"]))


def _merged(first: Any, second: Any) -> Any:
    if isinstance(first, dict) and isinstance(second, dict):
        return {**first, **second}
    return first if second is None else second


def _span(text: str) -> SpanFacts:
    found = json.loads(text)
    call = found.pop("call")
    start = found.pop("start")
    return SpanFacts(**found, start=read_time(start), call=Call(**call) if call else None)


def _correlation(record: Mapping[str, Any]) -> str:
    return clean(record.get("correlationid"))


def _dumped(value: Any) -> str:
    return json.dumps(value)
