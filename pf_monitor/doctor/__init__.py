"""The examinations of `pf-monitor doctor`: each a small function that yields what it found and what to do about it.

Nothing here imports the user's code, and no finding repeats a connection string, which holds a key.
"""
