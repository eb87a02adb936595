"""The local Application Insights: the ingestion protocol, the tables, KQL and the query API, on one laptop.

Needs the `local` extra: `pip install 'pf-monitor[local]'`.
"""

from pf_monitor.insights.kql import QueryError
from pf_monitor.insights.result import Table
from pf_monitor.insights.store import Store, StoreBusyError, StoreError

__all__ = ["QueryError", "Store", "StoreBusyError", "StoreError", "Table"]
