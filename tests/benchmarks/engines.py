"""The same collected rows judged by asyncio and by Spark: whether all judgements agree, and how long each took.

    python tests/benchmarks/engines.py --rows 10000 --parts 2

The judge is the stand-in, which needs more time for a row than either engine: the figures compare the engines on one
machine, where Spark has nothing to win. It needs the extra `spark`, and Java.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "collected"))

import many

from pf_monitor.quality.report import RunReport


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def _on_spark(parts: int) -> Iterator[object]:
    os.environ["PYSPARK_SUBMIT_ARGS"] = (
        f"--master local[{parts}] --conf spark.ui.showConsoleProgress=false pyspark-shell"
    )
    from pf_monitor.quality.judging.spark import spark_benches

    begun = time.perf_counter()
    with spark_benches() as make:
        _say(f"Spark started in {time.perf_counter() - begun:.1f} s")
        yield make


def _report(engine: str, seconds: float, rows: int, report: RunReport) -> None:
    [metric] = report.metrics
    _say(
        f"{engine:<8} {seconds:7.1f} s {seconds / rows * 1e3:6.1f} ms a row  {metric.verdict}  pass rate "
        f"{metric.pass_rate:.4f} [{metric.pass_rate_low:.4f}, {metric.pass_rate_high:.4f}]  "
        f"{report.bill.calls} calls, {report.bill.prompt_tokens + report.bill.completion_tokens} tokens"
    )


def main() -> None:
    """Run both and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--parts", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        many.collect(folder / "data", asked.rows)
        reports, found = [], []
        for engine, bench in (("asyncio", None), ("spark", _on_spark(asked.parts))):
            begun = time.perf_counter()
            report = many.run(many.monitor(), folder / "data", folder / engine, bench)
            _report(engine, time.perf_counter() - begun, asked.rows, report)
            reports.append(report.metrics)
            found.append(many.judgements(folder / engine))
        same = sum(one == other for one, other in zip(*found, strict=True))
        _say(
            f"{same} of {len(found[0])} judgements are the same; the metrics' reports are "
            f"{'the same' if reports[0] == reports[1] else 'not the same'}"
        )


if __name__ == "__main__":
    main()
