"""A flow's file: finding and reading it (`read`), what it tells the monitor (`settings`), its switch (`edit`)."""
