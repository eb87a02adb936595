"""Collected inference data in the format of Azure ML's model data collector: where it lies, how it is written and read.

`records` is the format, `places` a folder and `blobs` Azure Blob Storage, `writing` a bounded buffer before them,
`spans` what a recorded span says, and `index` makes flow runs of records.
"""
