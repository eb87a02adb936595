"""From a serialised batch to its acknowledgement: a spool on disk, and the thread that sends what is in it."""
