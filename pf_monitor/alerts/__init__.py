"""Alerts: rules over the numbers that the screens show, and who is told when one starts and ends.

`rules` says what a rule is and has those that everybody gets, `config` reads the file that changes them, `evaluation`
asks for a measure and decides, `state` remembers across restarts, `notification` delivers, and `watch` is the thread
that does it all beside the local Application Insights. `pf_monitor.azure` writes the same rules for Azure.
"""
