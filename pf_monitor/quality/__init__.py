"""The generation quality monitor: what is monitored, how it is judged, and what a run leaves."""
