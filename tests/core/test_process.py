"""What only a process of its own can show: what is imported, and that its end loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections import Counter

import pytest

from pf_monitor.local import connection_string

FLOW = """
import os, signal, sys
import pf_monitor

@pf_monitor.flow
def flow(question):
    return question
"""


def run(code, port, **options):
    environment = {
        **os.environ,
        "PF_MONITOR_ENABLED": "true",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": connection_string(port),
    }
    script = FLOW + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def questions(monitor):
    return Counter(row["customDimensions"]["question"] for row in monitor.rows("requests"))


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("flow('end')", 0),
        ("flow('end')\nsys.exit(3)", 3),
        ("flow('end')\nraise ValueError('x')", 1),
        ("flow('end')\nos.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("flow('end')\nos.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT),
    ],
    ids=["normal", "sys.exit", "exception", "SIGTERM", "SIGINT"],
)
def test_an_end_loses_nothing(monitor, code, status):
    finished = run(code, monitor.port)
    # The serialiser of exporters before 1.0.0b58 calls eval, which makes CPython forget an interrupt: 1 then.
    allowed = {status, 1} if status == -signal.SIGINT else {status}
    assert finished.returncode in allowed, finished.stderr
    assert questions(monitor) == {"end": 1}


BROKEN = """
from azure.monitor.opentelemetry.exporter import AzureMonitorLogExporter, AzureMonitorTraceExporter
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

def broken(*_, **__):
    raise RuntimeError("broken")

for one in (PeriodicExportingMetricReader, AzureMonitorTraceExporter, AzureMonitorLogExporter):
    one.shutdown = broken

@pf_monitor.flow
def judged(question):
    pf_monitor.record_feedback(True)

judged("end")
"""


@pytest.mark.parametrize("end", ["", "pf_monitor.configure(enabled=True)"], ids=["process", "configuration"])
def test_a_library_that_fails_at_the_end_fails_nothing_else(monitor, end):
    finished = run(f"{BROKEN}\n{end}", monitor.port)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert questions(monitor) == {"end": 1}


RAISING = """
def raising(*_):
    raise {error}

for one in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
    signal.signal(one, raising)
"""


PROMPTFLOWS, GUNICORNS = RAISING.format(error="KeyboardInterrupt"), RAISING.format(error="SystemExit(3)")


@pytest.mark.parametrize(
    ("number", "handler"),
    [
        pytest.param("SIGTERM", "", id="SIGTERM, ours"),
        pytest.param("SIGINT", "", id="SIGINT, Python's"),
        *(
            pytest.param(number, handler, id=f"{number}, {whose}")
            for number in ("SIGTERM", "SIGINT", "SIGQUIT")
            for whose, handler in (("promptflow's", PROMPTFLOWS), ("gunicorn's", GUNICORNS))
        ),
    ],
)
def test_a_signal_that_comes_while_the_process_ends_does_not_cut_that_short(monitor, number, handler):
    finished = run(
        f"""
from pf_monitor.pipeline.recorder import PipelineRecorder
shutdown = PipelineRecorder.shutdown
def interrupted(recorder, timeout):
    os.kill(os.getpid(), signal.{number})
    shutdown(recorder, timeout)
PipelineRecorder.shutdown = interrupted
flow("end")
{handler}
""",
        monitor.port,
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    assert questions(monitor) == {"end": 1}


def test_a_second_sigterm_does_not_cut_the_first_short(monitor):
    finished = run(
        """
        from pf_monitor.pipeline.recorder import PipelineRecorder
        shutdown = PipelineRecorder.shutdown
        def interrupted(recorder, timeout):
            os.kill(os.getpid(), signal.SIGTERM)
            shutdown(recorder, timeout)
        PipelineRecorder.shutdown = interrupted
        flow("end")
        os.kill(os.getpid(), signal.SIGTERM)
        """,
        monitor.port,
    )
    assert finished.returncode == -signal.SIGTERM, finished.stderr
    assert questions(monitor) == {"end": 1}


def test_a_stop_that_cannot_be_started_leaves_it_to_the_end_of_the_process(monitor):
    finished = run(
        """
        import threading
        start = threading.Thread.start
        def refused(thread):
            if thread.name == "pf_monitor stop":
                raise RuntimeError("can't start new thread at interpreter shutdown")
            start(thread)
        threading.Thread.start = refused
        flow("end")
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except RuntimeError:
            pass
        """,
        monitor.port,
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    assert questions(monitor) == {"end": 1}


@pytest.mark.skipif(sys.version_info[:2] == (3, 12), reason="Python 3.12 starts no thread in a process that ends")
def test_a_request_that_is_finished_while_the_process_ends_is_sent_though_it_is_the_first(monitor):
    finished = run(
        """
        from concurrent.futures import ThreadPoolExecutor
        import azure.monitor.opentelemetry.exporter  # the newest OpenTelemetry starts threads when it is imported
        pool = ThreadPoolExecutor()

        def late():
            # As gunicorn's threads do: the pool takes nothing more once the interpreter has begun to end.
            while True:
                try:
                    pool.submit(int)
                except RuntimeError:
                    return flow("late")

        pool.submit(late)
        """,
        monitor.port,
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    assert questions(monitor) == {"late": 1}
    assert [row["cloud_RoleName"] for row in monitor.rows("requests")] == ["flow"]


def test_metrics_that_cannot_be_started_cost_no_row_and_are_tried_once(monitor):
    finished = run(
        """
        import opentelemetry.sdk.metrics.export as export

        def no_thread(*_, **__):
            print("tried")
            raise RuntimeError("can't start new thread")

        export.PeriodicExportingMetricReader = no_thread
        flow("one")
        flow("two")
        """,
        monitor.port,
    )
    assert (finished.returncode, finished.stdout) == (0, "tried\n")
    assert finished.stderr == 'pf_monitor could not start its metrics: RuntimeError("can\'t start new thread")\n'
    assert questions(monitor) == {"one": 1, "two": 1}


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_of_multiprocessing_send_their_own_and_only_their_own(monitor, tmp_path, method):
    module = tmp_path / "child_flow.py"
    module.write_text(FLOW)
    finished = run(
        f"""
        sys.path.insert(0, {str(tmp_path)!r})
        import multiprocessing, child_flow
        if __name__ == "__main__":
            child_flow.flow("parent")
            context = multiprocessing.get_context({method!r})
            children = [context.Process(target=child_flow.flow, args=(f"child {{n}}",)) for n in range(3)]
            for child in children: child.start()
            for child in children: child.join()
            child_flow.flow("parent again")
        """,
        monitor.port,
    )
    assert finished.returncode == 0, finished.stderr
    assert questions(monitor) == {"parent": 1, "child 0": 1, "child 1": 1, "child 2": 1, "parent again": 1}


def test_import_loads_nothing_heavy():
    code = "import pf_monitor, sys; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "pf_monitor" in loaded
    heavy = {"promptflow", "pandas", "duckdb", "fastapi", "flask", "starlette", "uvicorn", "openai", "opentelemetry"}
    assert not heavy & set(loaded)


def test_decorating_loads_nothing_heavy():
    code = "import pf_monitor, sys; pf_monitor.flow(lambda q: q); print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"promptflow", "pandas", "duckdb", "fastapi", "flask", "starlette", "uvicorn", "openai", "azure"}
    assert not heavy & set(loaded)
    assert not any(name.startswith("opentelemetry.sdk") for name in loaded)
