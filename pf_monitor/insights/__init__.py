"""The local Application Insights: the ingestion protocol, the tables, KQL and the query API, on one laptop.

Needs the `local` extra: `pip install 'pf-monitor[local]'`.
"""

from pf_monitor.insights.kql import QueryError
from pf_monitor.insights.result import Table
from pf_monitor.insights.schema import Column
from pf_monitor.insights.store import Store, StoreBusyError, StoreError
from pf_monitor.insights.timespan import Timespan, parse_since, parse_timespan

__all__ = [
    "Column",
    "QueryError",
    "Store",
    "StoreBusyError",
    "StoreError",
    "Table",
    "Timespan",
    "parse_since",
    "parse_timespan",
]
