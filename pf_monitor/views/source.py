"""Where the views get answers from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, Final, ParamSpec, Protocol, TypeVar

from pf_monitor.queries import Parameter
from pf_monitor.table import Table
from pf_monitor.views.scope import Scope

Record = dict[str, Any]

P = ParamSpec("P")
T = TypeVar("T")

_AT_ONCE: Final = 3
"""How many questions of a view are asked at a time. Azure takes some seconds for each, and the store reads and plans
one while it computes another; both allow more at a time, but others ask too."""


class Source(Protocol):
    """Something that answers KQL: the local Application Insights, its store, or Azure."""

    def query(self, kql: str) -> Table:
        """Run a query.

        Raises:
            QueryError: If the query is wrong, runs too long or returns too much.
        """


class Asking:
    """Asks a view's questions, several at a time.

    Args:
        pool: On whose threads.
    """

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._asked: list[Future[Any]] = []

    def submit(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have something called that asks; the future has what it returns."""
        future = self._pool.submit(question, *args, **kwargs)
        self._asked.append(future)
        return future

    def wait(self) -> None:
        """Wait for all answers, or for the first that fails, whose error is raised."""
        for future in wait(self._asked, return_when=FIRST_EXCEPTION).done:
            future.result()


@contextmanager
def at_once() -> Iterator[Asking]:
    """Give what asks a view's questions, within; at the end all are answered.

    Raises:
        Exception: The first question's that failed. Those that had not begun by then are not asked any more.
    """
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pf-monitor-view") as pool:
        try:
            asking = Asking(pool)
            yield asking
            asking.wait()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def ask(source: Source, name: str, scope: Scope, columns: Iterable[str] = (), **parameters: Parameter) -> list[Record]:
    """Return the rows of one of our queries in a scope.

    Args:
        source: What answers.
        name: The query's name.
        scope: Its time range and filters.
        columns: Those that are needed, if not all: a query without its percentiles takes a third less.
        **parameters: What else the query leaves open.
    """
    kql = scope.load(name, **parameters)
    table = source.query(f"{kql}\n| project {', '.join(columns)}" if columns else kql)
    reals = {column.name for column in table.columns if column.type == "real"}
    return [
        {name: _finite(value) if name in reals else value for name, value in record.items()}
        for record in table.records()
    ]


def _finite(value: Any) -> float | None:
    """A number, or None for what Azure has where there is none: not a number, as a float or as text."""
    return value if isinstance(value, int | float) and math.isfinite(value) else None
