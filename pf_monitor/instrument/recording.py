"""One call that is being recorded, from before it runs to its end, whatever kind of callable it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry import context as context_api

from pf_monitor import notices, runtime
from pf_monitor.instrument import watch
from pf_monitor.instrument.collecting import Collected
from pf_monitor.instrument.parentage import current_step
from pf_monitor.model.kinds import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context

    from pf_monitor.instrument.definition import Definition
    from pf_monitor.model.step import Step


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

    __slots__ = ("_collected", "_recording", "_whole", "context")

    def __init__(self, recording: Recording, whole: Callable[[Any], Any] | None = None) -> None:
        self.context = recording.context
        self._recording = recording
        self._collected = Collected(recording.step)
        self._whole = whole

    def add(self, item: Any) -> None:
        """Take an item that the generator has yielded."""
        self._collected.add(item)

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


class Begun:
    """The recording of a call that has returned something still to be run; where that never is, it was abandoned.

    Args:
        recording: The call.
        whole: See `StreamRecording`.
    """

    __slots__ = ("_recording", "_whole")

    def __init__(self, recording: Recording, whole: Callable[[Any], Any] | None = None) -> None:
        self._recording: Recording | None = recording
        self._whole = whole

    def call(self) -> Recording | None:
        """Return the recording, for what runs now."""
        recording, self._recording = self._recording, None
        return recording

    def stream(self) -> StreamRecording | None:
        """Return the recording, for a generator that runs now."""
        recording = self.call()
        return None if recording is None else StreamRecording(recording, self._whole)

    def __del__(self) -> None:
        if self._recording is not None:
            self._recording.ended(None if self._whole is None else self._whole(None), Outcome.ABANDONED)


class Pending:
    """A call of a coroutine or generator function: its step begins when that does.

    Args:
        definition: What is called.
        args: Its positional arguments.
        kwargs: Its other arguments.
    """

    __slots__ = ("_args", "_definition", "_kwargs")

    def __init__(self, definition: Definition, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self._definition = definition
        self._args = args
        self._kwargs = kwargs

    def call(self) -> Recording | None:
        """Begin the step."""
        return begin(self._definition, self._args, self._kwargs)

    def stream(self) -> StreamRecording | None:
        """Begin the step of a generator."""
        recording = self.call()
        return None if recording is None else StreamRecording(recording)


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
        above = current_step()
        if above is not None and above.stands_for is definition.function:
            above.stands_for = None
            return None
        step, context = watch.begin(recorder, definition.kind, definition.name)
        step.stands_for = definition.instead_of
        watch.take_inputs(step, definition.inputs(args, kwargs), definition.mapping)
    except Exception as error:  # noqa: BLE001 - never into the flow
        notices.say_once("begin", "pf_monitor could not begin a step of %s: %r", definition.name, error)
        return None
    return Recording(definition, step, context)
