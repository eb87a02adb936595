"""What may be spent: asked before each call, with what the calls under way may use at most."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from pf_monitor.quality.judging.ledger import Spent
from pf_monitor.quality.monitor import Budget


class OutOfBudgetError(Exception):
    """The next call may not be made; the message says by which limit."""


class Purse:
    """The budget of one run, which is also the rest of the day's.

    Args:
        budget: The limits.
        run: What this run used so far.
        day: What the monitor used today so far, this run included.
    """

    def __init__(self, budget: Budget, run: Spent, day: Spent) -> None:
        self._budget = budget
        self.run = run
        self._day = day
        self._reserved = Spent()
        self._settled = asyncio.Condition()

    async def reserve(self, at_most: Spent) -> None:
        """Set aside what a call may use at most, if need be after the calls under way have said what they used.

        Raises:
            OutOfBudgetError: It does not fit, whatever they used.
        """
        async with self._settled:
            while (limit := self._exceeded(at_most)) is not None:
                if not self._reserved.calls:
                    raise OutOfBudgetError(limit)
                await self._settled.wait()
            self._reserved += at_most

    async def settle(self, at_most: Spent, used: Spent) -> None:
        """Put back what was set aside, and count what was used."""
        async with self._settled:
            self._reserved = _less(self._reserved, at_most)
            self.run += used
            self._day += used
            self._settled.notify_all()

    def left(self) -> tuple[int | None, float | None]:
        """Return the tokens and the US dollars that may still be spent; None for what has no limit."""
        budget, run, day = self._budget, self.run + self._reserved, self._day + self._reserved
        tokens = [limit - used for limit, used in _limits(budget.run_tokens, run.tokens, budget.day_tokens, day.tokens)]
        usd = [limit - used for limit, used in _limits(budget.run_usd, run.usd or 0.0, budget.day_usd, day.usd or 0.0)]
        return (max(0, int(min(tokens))) if tokens else None), (max(0.0, min(usd)) if usd else None)

    def tightest(self, at_most: Spent) -> str:
        """Return the limit that a call is against, or that is the nearest."""
        return self._exceeded(at_most) or "what the next call may use at most"

    def _exceeded(self, at_most: Spent) -> str | None:
        run, day = self.run + self._reserved + at_most, self._day + self._reserved + at_most
        budget = self._budget
        for what, sum_, limit in (
            ("tokens a run", run.tokens, budget.run_tokens),
            ("tokens a day", day.tokens, budget.day_tokens),
            ("US dollars a run", run.usd or 0.0, budget.run_usd),
            ("US dollars a day", day.usd or 0.0, budget.day_usd),
        ):
            if limit is not None and sum_ > limit:
                return f"{limit:,} {what}"
        return None


def _limits(
    run_limit: float | None, run_used: float, day_limit: float | None, day_used: float
) -> list[tuple[float, float]]:
    both = ((run_limit, run_used), (day_limit, day_used))
    return [(limit, used) for limit, used in both if limit is not None]


def _less(whole: Spent, part: Spent) -> Spent:
    known = whole.usd is not None and part.usd is not None
    return replace(
        whole,
        calls=whole.calls - part.calls,
        prompt_tokens=whole.prompt_tokens - part.prompt_tokens,
        completion_tokens=whole.completion_tokens - part.completion_tokens,
        usd=(whole.usd or 0.0) - (part.usd or 0.0) if known else None,
    )
