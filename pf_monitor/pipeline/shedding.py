"""What is not sent when more comes than can be prepared for sending: whole traces, never one with an error.

Preparing a step costs ten times what recording its metrics does. So under overload all metrics are recorded, and as
many traces as there is time for are prepared.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from pf_monitor.model.kinds import Outcome
from pf_monitor.pipeline.sampling import is_sampled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pf_monitor.model.step import Step

MOST_REMEMBERED = 10_000
"""Traces whose fate is remembered, so that what arrives of them later shares it."""


class Shedder:
    """Remembers which traces are sent. Used by one thread at a time, but for `refuse`."""

    def __init__(self) -> None:
        self._sent: OrderedDict[int, bool] = OrderedDict()

    def passes(self, step: Step) -> bool:
        """Return whether a step is sent: unless its trace is shed, or where it tells of an error."""
        trace_id = step.context.trace_id
        sent = self._sent.get(trace_id)
        if sent is None:
            self._remember(trace_id, True)
            return True
        return sent or step.outcome is Outcome.ERROR

    def thin(self, steps: Iterable[Step], ratio: float) -> set[int]:
        """Choose, among the traces of which nothing was sent yet, those that will not be.

        The choice rests on the trace id, as that of sampling does: services that are overloaded together shed the same.

        Args:
            steps: All that wait.
            ratio: The share of traces to keep, 0 to 1.

        Returns:
            The ids of the traces that are shed.
        """
        steps = list(steps)
        with_error = {step.context.trace_id for step in steps if step.outcome is Outcome.ERROR}
        for trace_id in dict.fromkeys(step.context.trace_id for step in steps):
            if trace_id not in self._sent or (trace_id in with_error and not self._sent[trace_id]):
                self._remember(trace_id, trace_id in with_error or is_sampled(trace_id, ratio))
        return {trace_id for step in steps if not self._sent.get(trace_id := step.context.trace_id, True)}

    def refuse(self, step: Step) -> None:
        """Let the rest of a trace share the fate of a step for which there was no room; from any thread."""
        self._sent[step.context.trace_id] = False

    def _remember(self, trace_id: int, sent: bool) -> None:
        self._sent[trace_id] = sent
        while len(self._sent) > MOST_REMEMBERED:
            self._sent.popitem(last=False)
