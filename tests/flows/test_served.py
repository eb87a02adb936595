"""Each flow as it is deployed: promptflow's own server, in its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pf_monitor.standin import StandIn

from .conftest import FLOWS

SCRIPT = """
import json, sys
from promptflow.core._serving.app import create_app
response = create_app().test_client().post("/score", json=json.loads(sys.argv[1]))
print("ANSWER", json.dumps([response.status_code, response.get_json()]))
"""


def score(flow: str, question: dict[str, object], stand_in: StandIn, home: Path) -> list[object]:
    environment = {
        **os.environ,
        "PROMPTFLOW_PROJECT_PATH": str(FLOWS / flow),
        "PF_HOME_DIRECTORY": str(home),
        "PF_HTTP_CONNECTION_PROVIDER_ENDPOINT": f"{stand_in.url}/stand-in",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, json.dumps(question)],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    answers = [line.removeprefix("ANSWER ") for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
    assert answers, done.stderr
    return json.loads(answers[0])


@pytest.mark.serving
@pytest.mark.parametrize(
    ("flow", "question", "answer", "calls"),
    [
        (
            "rag-chat",
            {"question": "Is the Firefly 400 waterproof?", "chat_history": []},
            {"answer": "It is waterproof for half an hour at one metre (IPX7)."},
            1,
        ),
        (
            "streaming-chat",
            {"question": "Why do stars twinkle?"},
            "Stars twinkle because the air of the earth bends their light.",
            1,
        ),
        (
            "triage-dag",
            {"ticket": "Is a refund possible?"},
            {"answer": "A refund is possible within 30 days of the first payment.", "category": "question"},
            1,
        ),
        (
            "triage-dag",
            {"ticket": "I was hacked"},
            {
                "answer": "A colleague on duty takes over now and calls you back within 15 minutes. "
                "Your report: “I was hacked”",
                "category": "emergency",
            },
            0,
        ),
        (
            "summary-prompty/summary.prompty",
            {"review": "The pack is light. It is red. The pack carries a lot, and the pack is light."},
            "The pack is light. The pack carries a lot, and the pack is light.",
            1,
        ),
    ],
)
def test_promptflow_serves_it(
    flow: str, question: dict[str, object], answer: object, calls: int, stand_in: StandIn, tmp_path: Path
) -> None:
    assert score(flow, question, stand_in, tmp_path) == [200, answer]
    assert stand_in.ledger()["totals"]["calls"] == calls


@pytest.mark.parametrize("folder", sorted(path.parent for path in FLOWS.glob("*/data.jsonl")), ids=lambda p: p.name)
def test_each_flow_has_sample_inputs(folder: Path) -> None:
    lines = (folder / "data.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) >= 10
    assert all(isinstance(json.loads(line), dict) for line in lines)
