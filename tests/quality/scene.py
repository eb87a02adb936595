"""A local Application Insights that real flow runs have filled, at times of the test's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx

import pf_monitor
from pf_monitor import runtime
from pf_monitor.insights.server import running
from pf_monitor.local import connection_string
from pf_monitor.local_server import ServerSource
from pf_monitor.pipeline.recorder import PipelineRecorder
from pf_monitor.pipeline.sinks import ApplicationInsights
from pf_monitor.settings import Settings
from pf_monitor.web.site import routes

MONITOR = Path(__file__).parent / "monitors" / "answers.yaml"
"""A monitor of groundedness and fluency, and of tokens, over the last day."""


SCORES = 'customEvents | where name == "gen_ai.evaluation.result"'


class Exchange(NamedTuple):
    """What a flow run is about."""

    question: str | None
    answer: str | None
    context: str | None
    tokens: int = 100


GOOD = Exchange("Is the lamp waterproof?", "The lamp is waterproof to 10 m.", "The lamp is waterproof to 10 m.")
BAD = Exchange("Is the lamp waterproof?", "Buy three and pay for two of our chairs.", "The lamp is waterproof to 10 m.")


class Timed(PipelineRecorder):
    """A recorder whose clock shows what it is set to."""

    now = datetime.now(UTC)

    def now_ns(self) -> int:
        return int(self.now.timestamp() * 1e9)


class Scene:
    """The store.

    Attributes:
        url: Where it answers.
        directory: Its data folder.
    """

    def __init__(self, port: int, directory: Path) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.directory = directory

    def run_flow(self, exchanges: Sequence[Exchange], ago: timedelta = timedelta(hours=1)) -> None:
        """Run a flow once for each exchange; the runs are as long ago as is said."""

        @pf_monitor.node
        def ask_model(question: str | None, tokens: int) -> None:
            pf_monitor.record_usage("gpt-4o-mini", input_tokens=tokens, output_tokens=10, provider="openai")

        @pf_monitor.flow
        def chat(question: str | None, answer: str | None, context: str | None, tokens: int) -> dict[str, Any]:
            ask_model(question, tokens)
            return {name: text for name, text in (("answer", answer), ("context", context)) if text is not None}

        recorder = Timed(Settings(enabled=True), ApplicationInsights(connection_string(self.port)))
        recorder.now = datetime.now(UTC) - ago
        runtime.use(recorder)
        try:
            for one in exchanges:
                chat(one.question, one.answer, one.context, one.tokens)
                recorder.now += timedelta(milliseconds=10)
            assert runtime.flush(30)
        finally:
            runtime.stop()
            runtime.off = runtime.takes_over = False

    def rows(self, kql: str) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        with ServerSource.connect(self.url) as source:
            return source.query(kql).records()

    def page(self, path: str) -> Any:
        """Return the JSON twin of a page of the dashboard."""
        return httpx.get(f"{self.url}{path}", trust_env=False, timeout=30).raise_for_status().json()


@contextmanager
def scene(directory: Path) -> Iterator[Scene]:
    """Serve an empty store, within."""
    with running(directory, pages=routes) as port:
        yield Scene(port, directory)


def monitor_file(folder: Path, **replaced: str) -> Path:
    """Write the monitor into a folder, with other values for some keys; return its path.

    Args:
        folder: The folder.
        replaced: The value of a key (`sampling_rate="0.5"`), or with `properties`, lines of the file's properties.
    """
    lines = []
    extra = replaced.pop("properties", "")
    for line in MONITOR.read_text().splitlines():
        key = line.strip().partition(":")[0]
        lines.append(f"{line.partition(':')[0]}: {replaced.pop(key)}" if key in replaced else line)
    assert not replaced, f"the monitor has no {list(replaced)}"
    path = folder / "answers.yaml"
    path.write_text("\n".join([*lines, *(f"  {line}" for line in extra.splitlines())]) + "\n")
    return path
