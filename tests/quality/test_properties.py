"""What Azure's schema has no place for is read from the properties, and has defaults."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pf_monitor.quality.monitor import (
    Alerts,
    Baseline,
    BaselineKind,
    Budget,
    Column,
    CustomEvaluator,
    Judge,
    JudgeKind,
    Metric,
    Sampling,
    Strata,
)
from pf_monitor.quality.schedule_file import load, read
from pf_monitor.quality.schedule_file.new import template

GOOD = template("answers")
TOP = GOOD.index("properties:\n  # Who judges")


@pytest.fixture
def write(tmp_path):
    """Write the good file with other properties, at the top and of the quality signal."""

    def file(top=None, signal=None):
        text = GOOD[:TOP] + "properties:\n" + "".join(f"  {k}: '{v}'\n" for k, v in (top or {}).items())
        own = "".join(f"        {k}: '{v}'\n" for k, v in (signal or {}).items())
        path = tmp_path / "answers.yaml"
        for line in ('        pf_monitor.sampling.floor: "0"', '        pf_monitor.sampling.strata: "none"'):
            text = text.replace(line, "        #")
        path.write_text(text.replace("        aoai_deployment_name", f"{own}        aoai_deployment_name", 1))
        return path

    return file


def test_without_properties_there_are_defaults(write):
    monitor = load(write())
    assert monitor.judge == Judge()
    assert monitor.judge.kind is JudgeKind.STAND_IN
    assert monitor.budget == Budget(5_000_000, None, 20_000_000, None)
    assert monitor.baseline == Baseline(BaselineKind.PREVIOUS)
    assert monitor.alerts == Alerts()


def test_everything_can_be_said(write, tmp_path):
    (tmp_path / "anchors.jsonl").write_text("")
    monitor = load(
        write(
            {
                "pf_monitor.judge": "azure_openai",
                "pf_monitor.judge.base_url": "https://r.openai.azure.com",
                "pf_monitor.judge.api_version": "2025-01-01",
                "pf_monitor.judge.key_variable": "MY_KEY",
                "pf_monitor.judge.concurrency": "4",
                "pf_monitor.judge.timeout_s": "30",
                "pf_monitor.judge.input_usd_per_million": "2.5",
                "pf_monitor.judge.output_usd_per_million": "10",
                "pf_monitor.budget.run_tokens": "1000",
                "pf_monitor.budget.run_usd": "0.5",
                "pf_monitor.budget.day_tokens": "none",
                "pf_monitor.budget.day_usd": "2",
                "pf_monitor.baseline": "2026-11-01/2026-11-08",
                "pf_monitor.anchors": "anchors.jsonl",
                "pf_monitor.sampling.seed": "7",
                "pf_monitor.flow": "chat",
                "pf_monitor.alert.receivers": "team, on-call",
                "pf_monitor.alert.on_inconclusive": "true",
            },
            {"pf_monitor.sampling.strata": "flow"},
        )
    )
    assert monitor.judge == Judge(
        JudgeKind.AZURE_OPENAI, "gpt-4o", "https://r.openai.azure.com", "2025-01-01", "MY_KEY", 4, 30.0, 2.5, 10.0
    )
    assert monitor.budget == Budget(1000, 0.5, None, 2.0)
    first, last = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 8, tzinfo=UTC)
    assert monitor.baseline == Baseline(BaselineKind.FIXED, first, last, tmp_path / "anchors.jsonl")
    assert monitor.quality_signals[0].sampling == Sampling(0.1, 0, Strata.FLOW, 7)
    assert monitor.token_signals[0].sampling == Sampling(1.0, 0, Strata.NONE, 7)
    assert monitor.target.flow == "chat"
    assert monitor.alerts == Alerts((), ("team", "on-call"), True)


def test_metrics_of_the_users_own_come_last(write, tmp_path):
    (tmp_path / "polite.prompty").write_text("---\n---\n")
    (tmp_path / "judges.py").write_text("def short(completion):\n    return 1.0\n")
    path = write(
        signal={
            "pf_monitor.metric.politeness": "polite.prompty",
            "pf_monitor.metric.politeness.pass_rate": "0.9",
            "pf_monitor.metric.politeness.average_score": "4",
            "pf_monitor.metric.short": "judges.py:short",
            "pf_monitor.metric.short.columns": "completion",
            "pf_monitor.metric.short.scores": "0..1",
            "pf_monitor.metric.short.acceptable_score": "1",
            "pf_monitor.metric.installed": "package.module:judge",
        }
    )
    assert load(path).quality_signals[0].metrics[4:] == (
        Metric("politeness", 0.9, 3.0, 4.0, CustomEvaluator(prompty=tmp_path / "polite.prompty")),
        Metric(
            "short",
            None,
            1.0,
            None,
            CustomEvaluator(None, f"{tmp_path / 'judges.py'}:short", (Column.COMPLETION,), 0.0, 1.0),
        ),
        Metric("installed", None, evaluator=CustomEvaluator(function="package.module:judge")),
    )


WRONG = [
    ({"judge": "gpt"}, '"gpt" is not one of openai, azure_openai, stand-in.'),
    ({"judge": "openai"}, "is missing: the model, such as gpt-4o-mini"),
    ({"judge.model": "gpt-4o"}, "says something of a model, and pf_monitor.judge is the stand-in: set it to openai or"
     " azure_openai"),
    ({"judge.concurrency": "0"}, '"0" is not a number of calls from 1 to 256'),
    ({"judge": "openai", "judge.model": "m", "judge.base_url": "r.openai"}, '"r.openai" is not a URL that begins with'
     " https://"),
    ({"judge": "openai", "judge.model": "m", "judge.key_variable": "sk-1234"}, "is not the name of an environment"
     " variable: a key does not belong into the file"),
    ({"budget.run_tokens": "many"}, '"many" is not a number of tokens from 1 up, or none'),
    ({"baseline": "2026-11-08/2026-11-01"}, '"2026-11-08/2026-11-01" is not one of previous, none, or START/END such as'
     " 2026-11-01/2026-11-08"),
    ({"alert.on_inconclusive": "maybe"}, '"maybe" is neither true nor false'),
    ({"sampling.seed": "1.5"}, '"1.5" is not a whole number from 0 up'),
]  # fmt: skip


@pytest.mark.parametrize(("properties", "message"), WRONG, ids=[str(case[0]) for case in WRONG])
def test_a_wrong_property_is_said_and_what_is_allowed(properties, message, write):
    found = read(write({f"pf_monitor.{key}": value for key, value in properties.items()})).problems
    assert [problem.message for problem in found] == [message]
    assert "sk-1234" not in str(found)


WRONG_METRICS = [
    ({"metric.Polite": "x.py:f"}, "is not a name for a metric: a-z, 0-9 and _"),
    ({"metric.fluency": "x.py:f"}, "is not a name for a metric"),
    ({"metric.polite": "none.prompty"}, "there is no file"),
    ({"metric.polite": "polite"}, '"polite" is not what judges: a FILE.prompty, a FILE.py:FUNCTION, or a'
     " MODULE:FUNCTION"),
    ({"metric.polite": "judges.py:shrt"}, "has no function shrt. Did you mean short?"),
    ({"metric.polite": "m:f", "metric.polite.scores": "5..1"}, '"5..1" is not a range of scores such as 1..5 or 0..1'),
    ({"metric.polite": "m:f", "metric.polite.scores": "0..1"}, "is missing: a score from 0 to 1"),
    ({"metric.polite": "m:f", "metric.polite.columns": "answer"}, '"answer" is not one of prompt, completion, context,'
     " ground_truth."),
    ({"metric.polite": "m:f", "metric.polite.columns": "ground_truth"}, "polite cannot be judged without"
     " ground_truth_column: add it to data_column_names"),
]  # fmt: skip


@pytest.mark.parametrize(("properties", "message"), WRONG_METRICS, ids=[str(case[0]) for case in WRONG_METRICS])
def test_a_wrong_metric_is_said_and_what_is_allowed(properties, message, write, tmp_path):
    (tmp_path / "judges.py").write_text("def short(completion):\n    return 1.0\n")
    path = write(signal={f"pf_monitor.{key}": value for key, value in properties.items()})
    [found] = read(path).problems
    assert message in found.message
