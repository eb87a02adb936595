"""One call that is being recorded, from before it runs to its end, whatever kind of callable it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from opentelemetry import context as context_api

from pf_monitor import notices, runtime
from pf_monitor.instrument import watch
from pf_monitor.instrument.collecting import Collected
from pf_monitor.instrument.parentage import current_step
from pf_monitor.model.kinds import Outcome

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from pf_monitor.instrument.definition import Definition
    from pf_monitor.model.step import Step

Whole: TypeAlias = Callable[[Any], Any]


class Recording:
    """A call and its step.

    Args:
        definition: What is called.
        step: The step of this call.
        context: The context in which the user's code runs: there, the step is the current one.
    """

    __slots__ = ("context", "definition", "step")

    def __init__(self, definition: Definition, step: Step, context: Context) -> None:
        self.definition = definition
        self.step = step
        self.context = context

    def ended(self, output: Any, outcome: Outcome = Outcome.OK) -> None:
        """End the step of a call that gave an output.

        Args:
            output: What it returned, or what it had yielded when it ended.
            outcome: How it ended.
        """
        watch.complete(self.step, output, self.definition.mapping, outcome)

    def left_by(self, error: BaseException) -> None:
        """End the step of a call that an exception left."""
        watch.fail(self.step, error)


class StreamRecording:
    """A generator and its step.

    Args:
        recording: The call that made it.
        whole: Makes the step's output of what the generator has given.
    """

    __slots__ = ("_collected", "_recording", "_whole", "add", "context")

    def __init__(self, recording: Recording, whole: Whole | None = None) -> None:
        self.context = recording.context
        self._recording = recording
        self._collected = Collected(recording.step)
        self._whole = whole
        self.add: Callable[[Any], None] = self._collected.add
        """Take an item that the generator has yielded."""

    def ended(self, outcome: Outcome, returned: Any = None) -> None:
        """End the step of a generator that has come to its end.

        Args:
            outcome: How.
            returned: What it returned.
        """
        self._recording.ended(self._output(returned), outcome)

    def left_by(self, error: BaseException) -> None:
        """End the step of a generator that an exception left; what it had given until then is kept."""
        outcome = watch.outcome_of(error)
        if outcome is Outcome.ERROR:
            watch.tell(self._recording.step, error)
        self._recording.ended(self._output(None), outcome)

    def _output(self, returned: Any) -> Any:
        output = self._collected.output(returned)
        return output if self._whole is None else self._whole(output)


class Unrecorded:
    """Stands in for the recording of a generator that is driven but shall not be recorded."""

    __slots__ = ("context",)

    def __init__(self) -> None:
        self.context = context_api.get_current()

    def add(self, item: Any) -> None:
        """Take no item."""

    def ended(self, outcome: Outcome, returned: Any = None) -> None:
        """Do nothing."""

    def left_by(self, error: BaseException) -> None:
        """Do nothing."""


Waiting: TypeAlias = Callable[[], "Recording | None"]
"""What a coroutine or generator asks for its recording when it begins to run: not before, since it may never."""


class Begun:
    """The recording of a call that has returned something still to be run; where that never is, it was abandoned.

    Args:
        recording: The call.
        otherwise: The step's output in that case.
    """

    __slots__ = ("_otherwise", "_recording")

    def __init__(self, recording: Recording, otherwise: Any = None) -> None:
        self._recording: Recording | None = recording
        self._otherwise = otherwise

    def __call__(self) -> Recording | None:
        """Return the recording, for what runs now."""
        recording, self._recording = self._recording, None
        return recording

    def __del__(self, exiting: Callable[[], bool] = sys.is_finalizing) -> None:
        if self._recording is not None and not exiting():
            self._recording.ended(self._otherwise, Outcome.ABANDONED)


def begin(definition: Definition, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Recording | None:
    """Begin the step of a call; None when nothing is recorded, whatever the reason.

    Args:
        definition: What is called.
        args: Its positional arguments.
        kwargs: Its other arguments.
    """
    recorder = runtime.recorder or runtime.decide()
    if recorder is None:
        return None
    try:
        context = context_api.get_current()
        above = current_step(context)
        if above is not None and above.stands_for is definition.function:
            above.stands_for = None
            return None
        step, inside = watch.begin(recorder, definition.kind, definition.name, context=context, above=above)
        step.stands_for = definition.instead_of
        watch.take_inputs(step, definition.inputs(args, kwargs), definition.mapping)
    except Exception as error:  # noqa: BLE001 - never into the flow
        notices.say_once("begin", "pf_monitor could not begin a step of %s: %r", definition.name, error)
        return None
    return Recording(definition, step, inside)
