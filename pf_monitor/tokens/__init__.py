"""Token truth: usage read from what providers answer, and what it costs."""
