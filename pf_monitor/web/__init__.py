"""The dashboard: pages over the views' data, rendered on the server.

A page works without JavaScript and is better with it; nothing comes from another host. Needs the `local` extra.
"""
