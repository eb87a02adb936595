"""Charts, drawn on the server as SVG: no script is needed to see them, and colour alone tells nothing apart.

Each has a title, a description and its numbers as a table. Colours are those of the style sheet.
"""

from pf_monitor.web.charts.bars import bar_chart
from pf_monitor.web.charts.histogram import Bin, histogram
from pf_monitor.web.charts.scale import TimeScale
from pf_monitor.web.charts.small import share_bar, span_bar, sparkline
from pf_monitor.web.charts.timeseries import Series, Times, regular, time_series

__all__ = [
    "Bin",
    "Series",
    "TimeScale",
    "Times",
    "bar_chart",
    "histogram",
    "regular",
    "share_bar",
    "span_bar",
    "sparkline",
    "time_series",
]
