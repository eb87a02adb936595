"""The views in a terminal: each page's data as tables of rich."""
