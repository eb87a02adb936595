"""The watch: evaluates the rules when they are due and tells receivers, on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pf_monitor.alerts import state as states
from pf_monitor.alerts.config import Config
from pf_monitor.alerts.evaluation import Change, Measured, advance, is_due, measure
from pf_monitor.alerts.messages import body, title
from pf_monitor.alerts.notification import NotificationError, send
from pf_monitor.alerts.rules import Rule, Severity
from pf_monitor.alerts.state import Pending, RuleState
from pf_monitor.notices import say_once
from pf_monitor.table import QueryError
from pf_monitor.views.source import Source

_TICK_S: Final = 5.0
"""How long the thread sleeps; the shortest period of a rule is a minute."""

MOST_ATTEMPTS: Final = 6
"""How often a notification is tried before it is given up."""

_FIRST_RETRY: Final = timedelta(seconds=30)
"""The wait before the second attempt; each further one is twice as long."""

_MOST_PENDING: Final = 200


class Watch:
    """The rules of a file, what is known of each, and what is still to be delivered."""

    def __init__(self, config: Config, source: Source, directory: Path, now: datetime) -> None:
        self._config = config
        self._source = source
        self._directory = directory
        self._began = now
        self.state = states.load(directory)

    def step(self, now: datetime) -> None:
        """Evaluate what is due, and deliver what is to be delivered.

        What changed is written down before anybody is told: a process that dies in between tells after its restart.
        """
        due = [rule for rule in self._config.rules if self._is_due(rule, now)]
        for rule in due:
            self._evaluate(rule, now)
        if due:
            self._save()
        if self._deliver(now):
            self._save()

    def _is_due(self, rule: Rule, now: datetime) -> bool:
        if rule.condition.is_absence and self._began <= now < self._began + rule.window:
            return False  # nothing could arrive while nothing was listening
        return is_due(self.state.of(rule.name), rule, now)

    def _evaluate(self, rule: Rule, now: datetime) -> None:
        state = self.state.of(rule.name)
        try:
            measured = measure(self._source, rule, now)
        except QueryError as error:
            state.evaluated, state.problem = now, error.message
            say_once(
                f"alert {rule.name}: {error.message}",
                "pf_monitor cannot evaluate the alert %s: %s",
                rule.name,
                error.message,
            )
            return
        change = advance(state, rule, measured.value, now)
        if change is not None:
            self._announce(rule, state, change, measured, now)

    def _announce(self, rule: Rule, state: RuleState, change: Change, measured: Measured, now: datetime) -> None:
        is_end = change is Change.ENDED
        receivers = self._config.receivers if rule.notify is None else rule.notify
        self.state.pending += [
            Pending(name, title(rule, measured, is_end=is_end), body(rule, measured, now), rule.severity, is_end, now)
            for name in receivers
        ]
        while len(self.state.pending) > _MOST_PENDING:
            self._give_up(self.state.pending.pop(0), "too many others wait")

    def _deliver(self, now: datetime) -> bool:
        """Try what is to be tried; return whether anything was. Each receiver gets its notifications in order."""
        waiting: set[str] = set()
        tried = False
        for one in list(self.state.pending):
            if one.receiver in waiting:
                continue
            if now < one.next_try <= now + _FIRST_RETRY * 2**MOST_ATTEMPTS:  # beyond that the clock was set back
                waiting.add(one.receiver)
                continue
            tried = True
            if not self._try(one, now):
                waiting.add(one.receiver)
        return tried

    def _try(self, one: Pending, now: datetime) -> bool:
        """Deliver one notification; return whether it is done with."""
        address = self._config.receivers.get(one.receiver)
        if address is None:
            self.state.pending.remove(one)
            self._give_up(one, "it is not in the file any more")
            return True
        try:
            send(address, one.title, one.body, Severity(one.severity), is_end=one.is_end)
        except NotificationError as error:
            one.attempts += 1
            one.next_try = now + _FIRST_RETRY * 2 ** (one.attempts - 1)
            if one.attempts < MOST_ATTEMPTS:
                return False
            self.state.pending.remove(one)
            self._give_up(one, str(error))
            return True
        self.state.pending.remove(one)
        self.state.delivered += 1
        return True

    def _give_up(self, one: Pending, reason: str) -> None:
        self.state.given_up += 1
        say_once(
            f"alert receiver {one.receiver}: {reason}",
            "pf_monitor could not notify %s: %s",
            one.receiver,
            reason,
        )

    def _save(self) -> None:
        try:
            states.save(self.state, self._directory)
        except OSError as error:
            say_once(
                f"alerts state {self._directory}",
                "pf_monitor cannot keep the alerts' state in %s (%s): after a restart they may be sent again",
                self._directory,
                error.strerror,
            )


@contextmanager
def watching(
    config: Config, source: Source, directory: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Iterator[None]:
    """Watch from a thread of its own, within.

    Args:
        config: The rules and receivers.
        source: What answers queries.
        directory: Where the state is kept.
        clock: What says the time, with its zone.
    """
    over = threading.Event()

    def run() -> None:
        watch = Watch(config, source, directory, clock())
        while not over.is_set():
            try:
                watch.step(clock())
            except Exception as error:  # noqa: BLE001 - the thread lives on, and what failed is said
                say_once(
                    f"alerts {type(error).__name__}: {error}", "pf_monitor: the alerts failed (%s: %s)",
                    type(error).__name__, error,
                )  # fmt: skip
            over.wait(_TICK_S)

    thread = threading.Thread(target=run, name="pf-monitor-alerts", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=_TICK_S)
