"""How the stand-in is told to misbehave: by a header on one request, or by a script of rules for those that follow."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

HEADER = "x-stand-in"
"""The request header that carries a fault, such as `x-stand-in: fail=429` or `stall=2.5, usage=none`."""


class Fault(BaseModel):
    """What to do to one request; the names are those of the header and of a rule's `then`."""

    model_config = ConfigDict(
        extra="forbid", alias_generator=lambda name: name.replace("_", "-"), populate_by_name=True
    )

    fail: int | None = Field(default=None, ge=400, le=599, description="Answer with this HTTP status.")
    stall: float = Field(default=0.0, ge=0, description="Wait this many seconds.")
    stall_after: int | None = Field(default=None, ge=0, description="Stall in a stream, after so many pieces.")
    drop_stream_after: int | None = Field(default=None, ge=0, description="Cut the connection after so many pieces.")
    usage: Literal["sent", "none"] = Field(default="sent", description="`none` withholds the usage, asked for or not.")
    refuse: Literal["stream_options"] | None = Field(default=None, description="Refuse requests that use it.")

    @classmethod
    def from_header(cls, value: str) -> Fault:
        """Read the header's form, `name=value` separated by commas.

        Raises:
            ValueError: The header names something that the stand-in does not do.
        """
        pairs = (pair.partition("=") for pair in value.split(","))
        return cls.model_validate({name.strip(): setting.strip() for name, _, setting in pairs})


class Rule(BaseModel):
    """When to misbehave, and how. Conditions that are not set hold always."""

    model_config = ConfigDict(extra="forbid")

    when_prompt_contains: str = ""
    every: int = Field(default=1, ge=1, description="Of the requests that match, each nth.")
    first: int | None = Field(default=None, ge=0, description="Only so often: with 1, a retry succeeds.")
    then: Fault


class Script:
    """The rules in force, and how often each has matched."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._matched: list[int] = []

    def load(self, rules: list[Rule]) -> None:
        """Replace the rules, counting from zero."""
        self._rules, self._matched = list(rules), [0] * len(rules)

    def fault_for(self, prompt: str) -> Fault:
        """Return what the first rule that applies to this prompt says, counting the request for all that match it."""
        chosen: Fault | None = None
        for index, rule in enumerate(self._rules):
            if rule.when_prompt_contains not in prompt:
                continue
            self._matched[index] += 1
            turn, remainder = divmod(self._matched[index], rule.every)
            applies = remainder == 0 and (rule.first is None or turn <= rule.first)
            chosen = chosen or (rule.then if applies else None)
        return chosen or Fault()
