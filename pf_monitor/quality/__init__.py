"""The generation quality monitor: flow runs sampled, judged, compared with thresholds, and said with intervals.

`monitor` says what is monitored and `report` what a run leaves. `sampling` chooses rows, `judging` scores them,
`statistics` and `drift` say what the scores mean, and `run` does it all for one window.
"""
