"""The parts of `pf-monitor demo`: a flow really served, questions really asked, checks on what came in.

Needs the `local` extra.
"""
