"""What the demo promises, compared with what its callers saw and what the stand-in billed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pf_monitor.demo.traffic import Answer

Record = Mapping[str, Any]
Bill = Mapping[str, Mapping[str, int]]

_SIDES = ("prompt_tokens", "completion_tokens")


class Check(NamedTuple):
    """A number that is known twice.

    Attributes:
        name: What is counted.
        expected: As the outside knows it.
        found: As the telemetry has it.
    """

    name: str
    expected: int
    found: int

    @property
    def passed(self) -> bool:
        """Whether both say the same."""
        return self.expected == self.found

    def as_json(self) -> dict[str, Any]:
        """Return the check as the demo's JSON has it."""
        return {**self._asdict(), "passed": self.passed}


def check_runs(answers: Sequence[Answer], runs: Sequence[Record]) -> Iterator[Check]:
    """Compare what the callers saw with the flow runs that were recorded.

    Args:
        answers: What the callers saw.
        runs: The rows of the query `flow_runs`.
    """
    failed = [answer for answer in answers if answer.failed]
    by_trace = {run["operation_Id"]: run for run in runs}
    yield Check("failed requests, as planned", sum(answer.question.fails for answer in answers), len(failed))
    yield Check("flow runs, one a request", len(answers), len(runs))
    yield Check(
        "flow runs under the caller's trace, request id, session and user",
        len(answers),
        sum(_is_of_caller(by_trace.get(answer.question.trace_id), answer) for answer in answers),
    )
    yield Check("failed flow runs", len(failed), sum(run["success"] == "False" for run in runs))
    yield Check(
        "failed requests with an exceptions row",
        len(failed),
        sum(_has_exception(by_trace.get(answer.question.trace_id)) for answer in failed),
    )


def check_flow_tokens(billed: Bill, runs: Sequence[Record]) -> Iterator[Check]:
    """Compare what the stand-in billed with the sums that the flow runs carry.

    Args:
        billed: By model, `prompt_tokens` and `completion_tokens`.
        runs: The rows of the query `flow_runs`.
    """
    for side in _SIDES:
        total = sum(bill[side] for bill in billed.values())
        yield Check(f"{_said(side)} of all flow runs, as billed", total, sum(run[side] or 0 for run in runs))


def check_model_tokens(billed: Bill, by_model: Sequence[Record]) -> Iterator[Check]:
    """Compare what the stand-in billed with what was recorded, by model.

    Args:
        billed: By model, `prompt_tokens` and `completion_tokens`.
        by_model: The rows of the query `by_model`.
    """
    recorded = {row["model"]: row for row in by_model}
    for model in sorted(billed.keys() | recorded.keys()):
        for side in _SIDES:
            expected, found = (one.get(model, {}).get(side, 0) for one in (billed, recorded))
            yield Check(f"{_said(side)} of {model}, as billed", expected, found)


def check_contract(beyond: Sequence[Record]) -> Check:
    """See that nothing was sent that the telemetry contract does not name.

    Args:
        beyond: The rows of the query `beyond_contract`.
    """
    return Check("items that the telemetry contract does not name", 0, sum(row["items"] for row in beyond))


def _is_of_caller(run: Record | None, answer: Answer) -> bool:
    asked = answer.question
    return run is not None and (run["request_id"], run["session"], run["user"]) == (
        asked.request_id,
        asked.session,
        asked.user,
    )


def _has_exception(run: Record | None) -> bool:
    return run is not None and run["exception_rows"] > 0


def _said(side: str) -> str:
    return side.replace("_", " ")
