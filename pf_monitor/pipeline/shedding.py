"""What is not sent when more comes than can be prepared for sending: whole traces, but for what failed in them.

Preparing a step costs ten times what recording its metrics does. So under overload all metrics are recorded, and as
many traces as there is time for are prepared.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING

from pf_monitor.model.kinds import Outcome
from pf_monitor.pipeline.sampling import is_sampled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pf_monitor.model.step import Step

MOST_REMEMBERED = 10_000
"""Traces whose fate is remembered, so that what arrives of them later shares it."""

_AIM = 1 / 4
"""How much shall wait while traces are shed, as a share of what is too much."""

_GAIN = 8.0
"""By what power of e the share that is let in changes in a second, for each unit of distance from the aim."""

_LEAST_SHARE = 1e-3
_LONGEST_REST = 4.0


class Shedder:
    """Decides and remembers which traces are sent. Used by one thread at a time, but for `admits` and `refuse`.

    Whoever has too much waiting lets only a share of the new traces in: what is shed at the door is gone at once, where
    what has waited has been seen by Python's garbage collector, which then looks through the whole process more often.
    """

    def __init__(self) -> None:
        self._sent: OrderedDict[int, bool] = OrderedDict()
        self._share = 1.0

    def admits(self, step: Step) -> bool:
        """Return whether a step may wait to be sent; from any thread."""
        if self._share >= 1.0:
            return True
        trace_id = step.context.trace_id
        sent = self._sent.get(trace_id)
        if sent is None:
            sent = is_sampled(trace_id, self._share)
            self._remember(trace_id, sent)
        return sent or step.outcome is Outcome.ERROR

    def adapt(self, waiting: float, elapsed_s: float) -> float:
        """Let in more or fewer of the new traces, once some have been shed.

        Args:
            waiting: How much waits, as a share of what is too much.
            elapsed_s: Since this was last asked, in seconds.

        Returns:
            How long whoever prepares traces shall rest, in times of what that takes: the more is shed, the longer.
        """
        if self._share < 1.0:
            change = math.exp(_GAIN * (_AIM - waiting) * min(elapsed_s, 1.0))
            self._share = min(1.0, max(_LEAST_SHARE, self._share * change))
        return min(_LONGEST_REST, 1 / self._share)

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
        self._share = max(_LEAST_SHARE, self._share * ratio)
        steps = list(steps)
        with_error = {step.context.trace_id for step in steps if step.outcome is Outcome.ERROR}
        for trace_id in dict.fromkeys(step.context.trace_id for step in steps):
            if trace_id not in self._sent or (trace_id in with_error and not self._sent[trace_id]):
                self._remember(trace_id, trace_id in with_error or is_sampled(trace_id, ratio))
        return {trace_id for step in steps if not self._sent.get(trace_id := step.context.trace_id, True)}

    def refuse(self, step: Step) -> None:
        """Let the rest of a trace share the fate of a step for which there was no room; from any thread."""
        self._remember(step.context.trace_id, False)

    def _remember(self, trace_id: int, sent: bool) -> None:
        self._sent[trace_id] = sent
        while len(self._sent) > MOST_REMEMBERED:
            self._sent.popitem(last=False)
