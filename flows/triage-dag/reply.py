"""Join the branches: only one of them has run, the other's output is None."""

from promptflow.core import tool


@tool
def reply(draft: str = None, escalation: str = None) -> str:  # noqa: RUF013 - promptflow refuses unions
    return escalation or draft
