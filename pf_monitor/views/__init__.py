"""What each page shows, as data: one module a page, each a function from a source and a scope to its JSON twin.

The numbers come from `pf_monitor.queries`. Nothing here knows HTML or a terminal.
"""
