"""What a customer with an emergency is told at once, without a model."""

from promptflow.core import tool


@tool
def escalate(ticket: str) -> str:
    return f"A colleague on duty takes over now and calls you back within 15 minutes. Your report: “{ticket.strip()}”"
