"""The local Application Insights: the ingestion protocol, the tables, KQL and the query API, on one laptop.

Needs the `local` extra: `pip install 'pf-monitor[local]'`.
"""

from pf_monitor.insights.retention import Limits
from pf_monitor.insights.store import QueryStoppedError, Store, StoreBusyError, TooManyQueriesError
from pf_monitor.insights.timespan import Timespan, parse_timespan
from pf_monitor.insights.writer import StoreError

__all__ = [
    "Limits",
    "QueryStoppedError",
    "Store",
    "StoreBusyError",
    "StoreError",
    "Timespan",
    "TooManyQueriesError",
    "parse_timespan",
]
