"""What has been judged, and what it cost: an SQLite file in the data folder, shared by its monitors.

A judgement is known by the run that was judged, the metric, the version of the prompt and the judge. Windows that
overlap find it here and pay nothing. Every call is written down before it is made: after a kill, the calls that were
under way are known, and so is what they may have cost at most. Their rows are asked about once more, since whether the
judge had answered is known to nobody.

The file is written by one process at a time: a lock on a second file is held as long as the ledger is open, and the
operating system frees it when the process ends, however it ends.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple, Self

FILE_NAME: Final = "judgements.sqlite"

_LOCK_WAIT_S: Final = 5.0

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS judgements (
    run TEXT NOT NULL, metric TEXT NOT NULL, prompt TEXT NOT NULL, judge TEXT NOT NULL,
    state TEXT NOT NULL, score REAL, reason TEXT NOT NULL DEFAULT '', was_cut INTEGER NOT NULL DEFAULT 0,
    interruptions INTEGER NOT NULL DEFAULT 0, written INTEGER NOT NULL DEFAULT 0, at TEXT NOT NULL,
    PRIMARY KEY (run, metric, prompt, judge)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY, monitor TEXT NOT NULL, run_id TEXT NOT NULL, at TEXT NOT NULL, state TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, usd REAL
);
CREATE INDEX IF NOT EXISTS calls_of_a_day ON calls (monitor, at);
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, monitor TEXT NOT NULL, started TEXT NOT NULL, window_start TEXT NOT NULL,
    window_end TEXT NOT NULL, ended TEXT
);
"""


def _close(*connections: sqlite3.Connection | None) -> None:
    for connection in connections:
        if connection is not None:
            connection.close()


class LedgerError(Exception):
    """The ledger cannot be used; the message says what to do."""


class State(StrEnum):
    """What is known of a judgement."""

    ASKING = "asking"
    """A call is under way, or was when the process was killed."""
    JUDGED = "judged"
    UNSCORABLE = "unscorable"
    """The judge says that there is nothing to judge."""
    FAILED = "failed"
    """No readable answer, at the second asking either; it is not asked again."""
    UNANSWERED = "unanswered"
    """The judge was not to be had; a later run asks again."""


class Key(NamedTuple):
    """What a judgement is known by."""

    run: str
    metric: str
    prompt: str
    judge: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known of a row by one metric.

    Attributes:
        state: See `State`.
        score: The score, where it is judged.
        reason: Why, in the judge's words; or why there is no score.
        was_cut: Whether the judge saw only the beginning and the end of a text.
        interruptions: How often a call for it was under way when a process ended.
        is_written: Whether the score has arrived in Application Insights.
    """

    state: State
    score: float | None = None
    reason: str = ""
    was_cut: bool = False
    interruptions: int = 0
    is_written: bool = False


@dataclass(frozen=True, slots=True)
class Spent:
    """What some calls used; `usd` is None when the price of one of them is not known."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = 0.0

    @property
    def tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Spent) -> Spent:
        known = self.usd is not None and other.usd is not None
        return Spent(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            (self.usd or 0.0) + (other.usd or 0.0) if known else None,
        )


class OpenRun(NamedTuple):
    """A run that has begun; its window stays the same when it is taken up again after a kill."""

    id: str
    started: datetime
    window: tuple[datetime, datetime]
    is_resumed: bool


class Ledger:
    """The ledger, open for one process.

    Attributes:
        folder: Where it is.
    """

    def __init__(self, folder: Path, database: sqlite3.Connection, lock: sqlite3.Connection) -> None:
        self.folder = folder
        self._database = database
        self._lock = lock

    @classmethod
    def open(cls, folder: Path, wait_s: float = _LOCK_WAIT_S) -> Self:
        """Open the ledger in a folder, which is made if need be.

        Args:
            folder: The folder.
            wait_s: How long to wait for another process that has it open, in seconds.

        Raises:
            LedgerError: Another process keeps it, or it cannot be written.
        """
        path = folder / FILE_NAME
        lock = database = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = sqlite3.connect(path.with_suffix(".lock"), timeout=wait_s, isolation_level=None)
            lock.execute("BEGIN EXCLUSIVE")
        except (OSError, sqlite3.OperationalError) as error:
            _close(lock)
            if "locked" in str(error):
                raise LedgerError(f"Another monitor run uses {path}. Wait until it has ended.") from None
            raise LedgerError(f"{path} cannot be written: {error}. Check the folder's permissions.") from error
        try:
            database = sqlite3.connect(path, isolation_level=None)
            # Of the journal, what the operating system has survives a kill of this process.
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
            database.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            _close(database, lock)
            raise LedgerError(f"{path} is damaged: {error}. Move it elsewhere; rows are judged anew then.") from error
        return cls(folder, database, lock)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Runs.

    def begin(self, monitor: str, window: tuple[datetime, datetime]) -> OpenRun:
        """Begin a run, or take up the one that was interrupted less than a window's length ago.

        Calls that were under way when it was interrupted are counted with what they may have used at most.
        """
        self.interrupt()
        found = self._database.execute(
            "SELECT id, started, window_start, window_end FROM runs WHERE monitor = ? AND ended IS NULL "
            "AND window_end > ? AND window_end <= ? ORDER BY started DESC LIMIT 1",
            (monitor, _text(window[0]), _text(window[1])),
        ).fetchone()
        if found is not None:
            run, started, begin, end = found
            return OpenRun(run, _time(started), (_time(begin), _time(end)), is_resumed=True)
        opened = OpenRun(uuid.uuid4().hex[:12], datetime.now(UTC), window, is_resumed=False)
        self._database.execute(
            "INSERT INTO runs (id, monitor, started, window_start, window_end) VALUES (?, ?, ?, ?, ?)",
            (opened.id, monitor, _text(opened.started), *map(_text, window)),
        )
        return opened

    def interrupt(self) -> None:
        """Say that what was under way in another process was interrupted: the calls, and what they were about."""
        with self._transaction():
            self._database.execute("UPDATE calls SET state = 'interrupted' WHERE state = 'asking'")
            self._database.execute(
                "UPDATE judgements SET state = ?, interruptions = interruptions + 1 WHERE state = ?",
                (State.UNANSWERED, State.ASKING),
            )

    def end(self, run_id: str) -> None:
        """Say that a run has ended by itself."""
        self._database.execute("UPDATE runs SET ended = ? WHERE id = ?", (_text(datetime.now(UTC)), run_id))

    def runs_since(self, monitor: str, since: datetime) -> int:
        """Return how many runs of a monitor have begun since a time."""
        (count,) = self._database.execute(
            "SELECT count(*) FROM runs WHERE monitor = ? AND started >= ?", (monitor, _text(since))
        ).fetchone()
        return int(count)

    def run_before(self, monitor: str, run_id: str) -> str | None:
        """Return the id of a monitor's run before another, of those that have ended by themselves; else None."""
        found = self._database.execute(
            "SELECT id FROM runs WHERE monitor = ? AND ended IS NOT NULL "
            "AND started < (SELECT started FROM runs WHERE id = ?) ORDER BY started DESC LIMIT 1",
            (monitor, run_id),
        ).fetchone()
        return None if found is None else str(found[0])

    def spent(self, monitor: str, *, run_id: str | None = None, since: datetime | None = None) -> Spent:
        """Return what a monitor's calls used: those of one run, or those since a time."""
        condition, value = ("run_id = ?", run_id) if run_id is not None else ("at >= ?", _text(since or _EPOCH))
        query = _SPENT + condition
        calls, prompt, completion, usd, unpriced = self._database.execute(query, (monitor, value)).fetchone()
        return Spent(calls, prompt, completion, None if unpriced else usd or 0.0)

    # Judgements.

    def find(self, key: Key) -> Judgement | None:
        """Return what is known of a row by one metric."""
        found = self._database.execute(
            "SELECT state, score, reason, was_cut, interruptions, written FROM judgements "
            "WHERE run = ? AND metric = ? AND prompt = ? AND judge = ?",
            key,
        ).fetchone()
        if found is None:
            return None
        state, score, reason, was_cut, interruptions, written = found
        return Judgement(State(state), score, reason, bool(was_cut), interruptions, bool(written))

    def judgements(self) -> list[tuple[Key, Judgement]]:
        """Return all that is known."""
        found = self._database.execute(
            "SELECT run, metric, prompt, judge, state, score, reason, was_cut, interruptions FROM judgements"
        )
        return [
            (Key(run, metric, prompt, judge), Judgement(State(state), score, reason, bool(was_cut), interruptions))
            for run, metric, prompt, judge, state, score, reason, was_cut, interruptions in found
        ]

    def scores(self, prefix: str, metric: str) -> dict[str, float]:
        """Return the scores by a metric of all runs whose id begins so, by the rest of that id."""
        found = self._database.execute(
            "SELECT run, score FROM judgements WHERE run >= ? AND run < ? AND metric = ? AND state = ?",
            (prefix, prefix + "\U0010ffff", metric, State.JUDGED),
        )
        return {run.removeprefix(prefix).removesuffix("/"): score for run, score in found}

    def intend(self, key: Key, monitor: str, run_id: str, at_most: Spent) -> int:
        """Write down that a call is about to be made, with what it may use at most; return its number."""
        now = _text(datetime.now(UTC))
        with self._transaction():
            self._database.execute(
                "INSERT INTO judgements (run, metric, prompt, judge, state, at) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET state = excluded.state, at = excluded.at",
                (*key, State.ASKING, now),
            )
            call = self._database.execute(
                "INSERT INTO calls (monitor, run_id, at, state, prompt_tokens, completion_tokens, usd) "
                "VALUES (?, ?, ?, 'asking', ?, ?, ?)",
                (monitor, run_id, now, at_most.prompt_tokens, at_most.completion_tokens, at_most.usd),
            ).lastrowid
        return int(call or 0)

    def settle(self, call: int, used: Spent, key: Key, judgement: Judgement | None) -> None:
        """Write down what a call used, and what came out of it; both at once.

        Args:
            call: The call's number.
            used: What it used.
            key: What was judged.
            judgement: What is known now; None leaves it open for the next call.
        """
        with self._transaction():
            if used.calls:
                self._database.execute(
                    "UPDATE calls SET state = 'answered', prompt_tokens = ?, completion_tokens = ?, usd = ? "
                    "WHERE id = ?",
                    (used.prompt_tokens, used.completion_tokens, used.usd, call),
                )
            else:  # refused before it was read: it used nothing
                self._database.execute("DELETE FROM calls WHERE id = ?", (call,))
            self._note(key, judgement or Judgement(State.UNANSWERED))

    def reserve(self, monitor: str, run_id: str, at_most: Spent) -> int:
        """Write down that calls are about to be made elsewhere, with what they may use at most; return its number."""
        with self._transaction():
            self._insert_call(monitor, run_id, "asking", at_most)
            (call,) = self._database.execute("SELECT last_insert_rowid()").fetchone()
        return int(call)

    def reserved_for(self, reserved: int) -> tuple[str, str] | None:
        """Return the monitor and the run that something is reserved for; None where it is settled."""
        # SQLite gives the number of a row that is gone to another, which is then a call that was answered.
        found = self._database.execute(
            "SELECT monitor, run_id FROM calls WHERE id = ? AND state <> 'answered'", (reserved,)
        ).fetchone()
        return None if found is None else (found[0], found[1])

    def settle_reserved(
        self,
        reserved: int,
        monitor: str,
        run_id: str,
        calls: Iterable[Spent],
        judgements: Iterable[tuple[Key, Judgement]],
        interrupted: Iterable[Spent] = (),
    ) -> None:
        """Write down what calls made elsewhere used, and what came out of them; all at once.

        Args:
            reserved: The number of what was reserved for them.
            monitor: The monitor.
            run_id: The run.
            calls: What each of them used.
            judgements: What is known now.
            interrupted: What each call may have used at most that nobody knows the answer of.
        """
        with self._transaction():
            self._database.execute("DELETE FROM calls WHERE id = ?", (reserved,))
            for state, some in (("answered", calls), ("interrupted", interrupted)):
                for used in some:
                    self._insert_call(monitor, run_id, state, used)
            for key, judgement in judgements:
                self._note(key, judgement)

    def calls(self, state: str) -> list[Spent]:
        """Return what each call in a state used, or may have used."""
        found = self._database.execute(
            "SELECT prompt_tokens, completion_tokens, usd FROM calls WHERE state = ? ORDER BY id", (state,)
        )
        return [Spent(1, prompt, completion, usd) for prompt, completion, usd in found]

    def _insert_call(self, monitor: str, run_id: str, state: str, used: Spent) -> None:
        self._database.execute(
            "INSERT INTO calls (monitor, run_id, at, state, prompt_tokens, completion_tokens, usd) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (monitor, run_id, _text(datetime.now(UTC)), state, used.prompt_tokens, used.completion_tokens, used.usd),
        )

    def note(self, key: Key, judgement: Judgement) -> None:
        """Write down a judgement that took no call."""
        with self._transaction():
            self._note(key, judgement)

    def mark_written(self, keys: Iterable[Key]) -> None:
        """Say that these scores have arrived in Application Insights."""
        with self._transaction():
            self._database.executemany(
                "UPDATE judgements SET written = 1 WHERE run = ? AND metric = ? AND prompt = ? AND judge = ?", keys
            )

    def _note(self, key: Key, judgement: Judgement) -> None:
        self._database.execute(
            "INSERT INTO judgements (run, metric, prompt, judge, state, score, reason, was_cut, interruptions, at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET state = excluded.state, "
            "score = excluded.score, reason = excluded.reason, was_cut = excluded.was_cut, at = excluded.at, "
            "interruptions = judgements.interruptions + excluded.interruptions",
            (
                *(*key, judgement.state, judgement.score, judgement.reason, judgement.was_cut),
                *(judgement.interruptions, _text(datetime.now(UTC))),
            ),
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


_SPENT: Final = (
    "SELECT count(*), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0), sum(usd), "
    "count(*) - count(usd) FROM calls WHERE monitor = ? AND "
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
