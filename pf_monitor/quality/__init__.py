"""The generation quality monitor: flow runs sampled, judged, compared with thresholds, and said with intervals.

`sampling` chooses rows, `judging` scores them, `statistics` and `drift` say what the scores mean, `run` does it all for
one window and `report` keeps what came out.
"""
