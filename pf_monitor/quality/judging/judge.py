"""Judges rows: each by each metric, once, within the budget, and as fast as the server allows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from pf_monitor.quality.judging import prompts
from pf_monitor.quality.judging.budget import OutOfBudgetError, Purse
from pf_monitor.quality.judging.functions import Function
from pf_monitor.quality.judging.ledger import Judgement, Key, Ledger, Spent, State
from pf_monitor.quality.judging.prompts import Prompt
from pf_monitor.quality.judging.reading import Answer, UnreadableError, read
from pf_monitor.quality.judging.rows import Row
from pf_monitor.quality.judging.server import (
    JudgeError,
    JudgeServer,
    RefusedError,
    RejectedError,
    Reply,
    UnansweredError,
)
from pf_monitor.quality.judging.throttle import Throttle
from pf_monitor.quality.monitor import Column, Metric

_TRIES: Final = 5
"""How often a row is asked about while the server answers with errors or not at all."""

_FIRST_PAUSE_S: Final = 0.5
"""Between such tries; it doubles."""

_PATIENCE_S: Final = 600.0
"""How long a server may refuse everything before it is given up."""

_FEWEST_SILENT: Final = 5
"""Rows in a row without an answer, or as many as are under way at once, after which the judge is given up."""

_AGAIN: Final = (
    "Your answer cannot be used: {problem}. Answer again, with nothing but one JSON object with the keys reason, score "
    "(a whole number from {lowest:g} to {highest:g}) and status."
)
_LONGEST_ECHO: Final = 2_000


@dataclass(frozen=True, slots=True)
class Scored:
    """What came out for a row by one metric.

    Attributes:
        row: The row.
        metric: The metric.
        judgement: What is known; None when it was not judged because the budget or the judge did not last.
        key: What the ledger knows it by; None where no judge was needed to see that it cannot be scored.
        evaluator: Judge and prompt, with their versions.
    """

    row: Row
    metric: Metric
    judgement: Judgement | None
    key: Key | None = None
    evaluator: str = ""


@dataclass
class Session:
    """What happened while rows were judged.

    Attributes:
        scored: One for each row and metric.
        known: How many of them the ledger knew already.
        repeated: How many had been interrupted and were asked about once more.
        out_of_budget: The limit that ended it; None otherwise.
        gave_up: Why the judge was given up; None otherwise.
    """

    scored: list[Scored] = field(default_factory=list)
    known: int = 0
    repeated: int = 0
    out_of_budget: str | None = None
    gave_up: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether no further row is to be judged."""
        return self.out_of_budget is not None or self.gave_up is not None


class Bench:
    """Judges the rows of one run.

    Attributes:
        rows_at_once: How many rows it is best given together.

    Args:
        server: The model.
        ledger: What is known already.
        purse: What may be spent.
        monitor: The monitor's name.
        run_id: The run.
        concurrency: How many calls may be under way at once.
    """

    rows_at_once = 200

    def __init__(
        self, server: JudgeServer, ledger: Ledger, purse: Purse, monitor: str, run_id: str, concurrency: int
    ) -> None:
        self._server = server
        self._ledger = ledger
        self._purse = purse
        self._run = (monitor, run_id)
        self._concurrency = concurrency
        self._throttle = Throttle(concurrency)
        self._functions: dict[str, Function] = {}
        self._silent = 0
        self._answered_at = 0.0

    async def judge(
        self, rows: Sequence[Row], metrics: Sequence[Metric], session: Session, on_scored: Callable[[], None]
    ) -> None:
        """Judge rows by metrics, in the order of the rows.

        Args:
            rows: The rows, in a random order, so that whatever ends it early leaves a sample.
            metrics: The metrics.
            session: Where it is noted what came out; it is complete as far as it goes whatever ends this early.
            on_scored: Called after each row and metric.
        """
        self._answered_at = time.monotonic()
        tasks = ((row, metric) for row in rows for metric in metrics)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._concurrency):
                group.create_task(self._work(tasks, session, on_scored))

    async def _work(self, tasks: Iterator[tuple[Row, Metric]], session: Session, on_scored: Callable[[], None]) -> None:
        for row, metric in tasks:
            session.scored.append(await self._scored(row, metric, session))
            on_scored()

    def prepare(self, metrics: Sequence[Metric]) -> None:
        """Load prompts and functions, so that what is wrong with one is said before anything is paid.

        Raises:
            PromptError: A metric's prompt or function cannot be used.
        """
        for metric in metrics:
            if metric.evaluator is not None and metric.evaluator.function is not None:
                self._functions[metric.name] = Function(metric.evaluator.function)
            else:
                _prompt(metric, with_prompt=True)

    def known_score(self, run: str, metric: Metric) -> float | None:
        """Return the score that a run has by this judge already, or None."""
        for version in self._versions(metric):
            judge = "python" if metric.name in self._functions else self._server.name
            known = self._ledger.find(Key(run, metric.name, version, judge))
            if known is not None and known.state is State.JUDGED:
                return known.score
        return None

    def _versions(self, metric: Metric) -> Sequence[str]:
        if metric.name in self._functions:
            return [self._functions[metric.name].version]
        return [_prompt(metric, with_prompt=having).version for having in (True, False)]

    async def _scored(self, row: Row, metric: Metric, session: Session) -> Scored:
        found = self._look_up(row, metric, session)
        if found.key is None or found.judgement is not None or session.is_over:
            return found
        function = self._functions.get(metric.name)
        if function is not None:
            judgement: Judgement | None = await self._by_function(function, row, metric, found.key)
        else:
            judgement = await self._by_model(_prompt_for(row, metric), row, metric, found.key, session)
        return replace(found, judgement=judgement)

    def _look_up(self, row: Row, metric: Metric, session: Session) -> Scored:
        """Return what is known without asking; what has a key and no judgement is to be asked about."""
        missing = [column for column in metric.required_columns if not row.texts.get(column, "").strip()]
        if missing:
            return Scored(row, metric, Judgement(State.UNSCORABLE, reason=f"there is no {' and no '.join(missing)}"))
        function = self._functions.get(metric.name)
        version = function.version if function else _prompt_for(row, metric).version
        key = Key(row.id, metric.name, version, "python" if function else self._server.name)
        evaluator = version if function else f"{self._server.name}, {version}"
        known = self._ledger.find(key)
        if known is not None and known.state in {State.JUDGED, State.UNSCORABLE, State.FAILED}:
            session.known += 1
            return Scored(row, metric, known, key, evaluator)
        session.repeated += not session.is_over and known is not None and known.interruptions > 0
        return Scored(row, metric, None, key, evaluator)

    async def _by_function(self, function: Function, row: Row, metric: Metric, key: Key) -> Judgement:
        texts = {str(column): row.texts[column] for column in metric.required_columns}
        try:
            judgement = _judgement(await function.score(texts, *metric.scores), was_cut=False)
        except UnreadableError as error:
            judgement = Judgement(State.FAILED, reason=str(error))
        self._ledger.note(key, judgement)
        return judgement

    async def _by_model(self, prompt: Prompt, row: Row, metric: Metric, key: Key, session: Session) -> Judgement | None:
        try:
            return await self._ask(prompt, row, metric, key)
        except OutOfBudgetError as error:
            session.out_of_budget = str(error)
        except JudgeError as error:
            session.gave_up = str(error)
        except UnansweredError as error:
            self._silent += 1
            if self._silent >= max(_FEWEST_SILENT, self._concurrency) and session.gave_up is None:
                session.gave_up = f"The judge has not answered about {self._silent} rows running: {error}."
            return Judgement(State.UNANSWERED, reason=str(error))
        except RejectedError as error:
            judgement = Judgement(State.FAILED, reason=str(error))
            self._ledger.note(key, judgement)
            return judgement
        return None

    async def _ask(self, prompt: Prompt, row: Row, metric: Metric, key: Key) -> Judgement:
        """Ask, and ask once more where the answer cannot be read."""
        messages = prompt.request(row.texts, row.id)
        was_cut = any(len(row.texts.get(column, "")) > prompts.LONGEST for column in prompt.inputs.values())
        problem = ""
        for is_last in (False, True):
            call, reply = await self._call(messages, prompt.parameters, key)
            try:
                judgement = _judgement(read(reply.text, *metric.scores), was_cut=was_cut)
            except UnreadableError as error:
                problem = str(error)
            else:
                self._ledger.settle(call, reply.used, key, judgement)
                return judgement
            judgement = Judgement(State.FAILED, reason=f"{problem}, asked twice", was_cut=was_cut)
            self._ledger.settle(call, reply.used, key, judgement if is_last else None)
            lowest, highest = metric.scores
            messages = [
                *messages,
                {"role": "assistant", "content": reply.text[:_LONGEST_ECHO]},
                {"role": "user", "content": _AGAIN.format(problem=problem, lowest=lowest, highest=highest)},
            ]
        return judgement

    async def _call(
        self, messages: list[dict[str, str]], parameters: Mapping[str, object], key: Key
    ) -> tuple[int, Reply]:
        """Make a call until it is answered; return its number in the ledger, still to be settled there."""
        at_most = self._server.at_most(self._server.body(messages, parameters))
        tries = 0
        while True:
            await self._purse.reserve(at_most)
            used = at_most  # until it is known; a task that is cancelled may have been paid for
            try:
                async with self._throttle:
                    call = self._ledger.intend(key, *self._run, at_most)
                    try:
                        reply = await self._server.ask(messages, parameters)
                    except (RefusedError, UnansweredError, RejectedError, JudgeError) as error:
                        used = at_most if getattr(error, "may_cost", False) else Spent()
                        self._ledger.settle(call, used, key, None)
                        raise
                used = reply.used
            except RefusedError as error:
                self._wait_as_told(error)
                continue
            except UnansweredError:
                tries += 1
                if tries == _TRIES:
                    raise
                await asyncio.sleep(_FIRST_PAUSE_S * 2 ** (tries - 1))
                continue
            finally:
                await self._purse.settle(at_most, used)
            self._throttle.answered()
            self._silent, self._answered_at = 0, time.monotonic()
            return call, reply

    def _wait_as_told(self, refused: RefusedError) -> None:
        self._throttle.refused(refused.headers)
        if time.monotonic() - self._answered_at > _PATIENCE_S:
            raise JudgeError(f"The judge has refused every call for {_PATIENCE_S / 60:g} minutes: {refused}.")


def _prompt_for(row: Row, metric: Metric) -> Prompt:
    return _prompt(metric, with_prompt=bool(row.texts.get(Column.PROMPT, "").strip()))


def _prompt(metric: Metric, *, with_prompt: bool) -> Prompt:
    if metric.evaluator is not None and metric.evaluator.prompty is not None:
        return _own_prompt(metric.evaluator.prompty, metric.name)
    return prompts.built_in(metric.name, with_prompt=with_prompt)


_own_prompts: dict[tuple[Path, str], Prompt] = {}


def _own_prompt(path: Path, metric: str) -> Prompt:
    if (path, metric) not in _own_prompts:
        _own_prompts[path, metric] = prompts.load(path, metric, path.name)
    return _own_prompts[path, metric]


def _judgement(answer: Answer, *, was_cut: bool) -> Judgement:
    state = State.UNSCORABLE if answer.score is None else State.JUDGED
    return Judgement(state, answer.score, answer.reason, was_cut)
