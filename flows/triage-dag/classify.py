"""Sort tickets: an emergency goes to a person, anything else is a question that the model may answer."""

from promptflow.core import tool

ALARMS = ("outage", "hacked", "breach", "data loss", "legal", "urgent")


@tool
def classify(ticket: str) -> str:
    return "emergency" if any(alarm in ticket.lower() for alarm in ALARMS) else "question"
