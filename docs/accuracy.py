"""Measure the token estimator against recorded exchanges, and write the table in accuracy.md.

    python docs/accuracy.py RECORDED.jsonl

Each line of the file is an exchange: `uri`, `kind` (`json` or `sse`), `model`, `request`, `response` as text, and the
provider's own `usage`, which the estimator does not get to see.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pf_monitor.instrument.openai.operations import Chat, Exchange, shape_of
from pf_monitor.tokens import ranks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pf_monitor.tokens.estimate import Estimate
    from pf_monitor.tokens.usage import Usage

PAGE = Path(__file__).with_name("accuracy.md")
BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"
TEXT_ONLY_CHAT = "OpenAI chat, text only"

_ENDS_COUNTED = (date(2024, 12, 20), date(2025, 5, 12))
"""When OpenAI's chat counted one token more for each answer; the page says how that is known."""

_API_NAMES = {
    "Chat": "chat",
    "Responses": "responses",
    "Completion": "completions",
    "Embeddings": "embeddings",
}


@dataclass(frozen=True)
class Measured:
    """One exchange, counted by its provider and by us."""

    group: str
    family: str
    ends_counted: bool
    counted: Usage
    estimate: Estimate

    @property
    def input_error(self) -> float:
        """How far off the prompt is, as a share of what was counted."""
        return abs(self.estimate.input_tokens - self.counted.input_tokens) / self.counted.input_tokens

    @property
    def output_error(self) -> float:
        """How far off the completion is, likewise."""
        return abs(self.estimate.output_tokens - self.counted.output_tokens) / max(1, self.counted.output_tokens)


def measure(recorded: Path) -> list[Measured]:
    """Estimate each exchange of the file that has a usage."""
    for name in ("o200k_base", "cl100k_base"):
        ranks.load(name)
    lines = recorded.read_text(encoding="utf-8").splitlines()
    return [found for line in lines if (found := _measure(json.loads(line))) is not None]


def percentile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that at least a share of the values do not exceed (the nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def tables(measured: Sequence[Measured]) -> str:
    """Return the tables of accuracy.md: by what was asked, and by model family."""
    return "\n".join([*_table("what", measured, "group"), "", *_table("model family", measured, "family"), ""])


def _measure(one: Mapping[str, Any]) -> Measured | None:
    shape = shape_of("post", one["uri"].partition("#")[0], one["request"])
    if shape is None:
        return None
    exchange = shape(one["request"])
    if one["kind"] == "json":
        answer = json.loads(one["response"])
        exchange.take_response(answer)
    else:
        lines = one["response"].splitlines()
        events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
        answer = events[0]
        for event in events:
            exchange.take_chunk(event)
    if exchange.usage is None or exchange.usage.input_tokens == 0:
        return None
    estimate = exchange.estimate()
    family = _family(exchange.model or exchange.requested_model)
    ends_counted = _ENDS_COUNTED[0] <= _created(answer) <= _ENDS_COUNTED[1]
    group = _group(one["uri"], exchange, estimate, ends_counted=ends_counted)
    return Measured(group, family, ends_counted, exchange.usage, estimate)


def _created(answer: Mapping[str, Any]) -> date:
    return datetime.fromtimestamp(answer.get("created", 0), UTC).date()


def _group(uri: str, exchange: Exchange, estimate: Estimate, *, ends_counted: bool) -> str:
    api = _API_NAMES[type(exchange).__name__]
    owner = "OpenAI" if "//api.openai.com/" in uri or "/proxy/openai/" in uri else "Other"
    if estimate.missing:
        return f"{owner} {api}, without {', '.join(estimate.missing)}"
    if isinstance(exchange, Chat) or api == "responses":
        with_functions = bool(exchange.request.get("tools")) or "tool_calls" in json.dumps(exchange.request)
        group = f"{owner} {api}, {'with functions' if with_functions else 'text only'}"
        return f"{group}, end counted" if ends_counted and not with_functions else group
    return f"{owner} {api}"


def _family(model: str) -> str:
    """Return a model's name without the maker, the version, the date and the revision."""
    name = model.rpartition("/")[2].partition(":")[0].lower()
    return re.sub(r"(-\d{4})(-\d\d-\d\d)?$|-v\d+$", "", name) or "not told"


def _table(title: str, measured: Sequence[Measured], by: str) -> list[str]:
    groups: dict[str, list[Measured]] = defaultdict(list)
    for one in measured:
        groups[getattr(one, by)].append(one)
        if by == "group" and one.group.startswith(TEXT_ONLY_CHAT):
            groups[f"**{TEXT_ONLY_CHAT}, all**"].append(one)
    return [
        f"| {title} | exchanges | prompt: median | 90 % | worst | completion: median | 90 % | worst |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
        *(f"| {name} | {len(group)} | {_cells(group)} |" for name, group in sorted(groups.items())),
    ]


def _cells(group: Sequence[Measured]) -> str:
    errors = ([one.input_error for one in group], [one.output_error for one in group])
    return " | ".join(f"{percentile(values, share):.1%}" for values in errors for share in (0.5, 0.9, 1.0))


def main() -> None:
    """Write the tables into the page."""
    if len(sys.argv) != 2:
        sys.exit("Which recording? python docs/accuracy.py RECORDED.jsonl")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    written = tables(measure(Path(sys.argv[1])))
    PAGE.write_text(f"{before}{BEGIN}{written}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
